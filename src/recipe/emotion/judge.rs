//! A classifier's accuracy and what belongs to it (the paper's Table 5), kept in its run.

use std::path::{Path, PathBuf};

use candle_core::Device;

use super::features::Features;
use crate::data::Split;
use crate::data::labelled::{LabelSet, LabelledFile, LabelledText};
use crate::disk;
use crate::error::{Error, Result};
use crate::eval::classes::{ClassEvaluation, Classified};
use crate::eval::{Bootstrap, clusters};
use crate::model::EmotionModel;
use crate::model::emotion::{Control, ValueFeatures};
use crate::nn::device;
use crate::nn::precision::Precision;
use crate::recipe::judge::{JudgeRequest, Judged, replicates_for, report_name, unless_read_only};
use crate::recipe::models::checkpoint_folder;
use crate::recipe::saved::{note_change, saved_file};
use crate::recipe::{Observer, ProgressEvent};
use crate::report::Report;
use crate::report::emotion_evaluation::{EmotionReport, EmotionRow, EmotionSeeds, emotion_rows};
use crate::run::{self, SavedRun};
use crate::train::Checkpoint;

/// Judges what the request names, and keeps reports and predictions in the runs.
pub(in crate::recipe) fn judge(
    request: &JudgeRequest,
    observer: &dyn Observer,
) -> Result<Box<dyn Report>> {
    let seeds = match SavedRun::is_run(&request.folder) {
        true => Vec::new(),
        false => run::seeds(&request.folder),
    };
    if seeds.is_empty() {
        return Ok(Box::new(judge_one(request, &request.folder, observer)?));
    }
    let mut reports = Vec::new();
    for (seed, path) in seeds {
        observer.tell(ProgressEvent::Note(&format!("── seed {seed}")));
        reports.push((seed, judge_one(request, &path, observer)?));
    }
    Ok(Box::new(EmotionSeeds { folder: request.folder.display().to_string(), reports }))
}

/// Judges a run's best checkpoint by its test split, and keeps the report in the run.
pub(super) fn judge_test(
    run: &Path,
    test: &LabelledFile,
    device: &Device,
    observer: &dyn Observer,
) -> Result<EmotionReport> {
    let saved = SavedRun::open(run)?;
    let job = Job {
        folder: run,
        saved: Some(&saved),
        name: Split::Test.name().into(),
        part: String::new(),
        checkpoint: Checkpoint::Best,
        precision: saved.info.config.train.dtype,
        bootstrap: bootstrap(replicates_for(Split::Test.name())),
        observer,
    };
    job.judge(test, device)
}

/// The report of this name that a run keeps.
pub(in crate::recipe) fn read_report(saved: &SavedRun, name: &str) -> Result<EmotionReport> {
    let path = saved.report(name);
    if !path.is_file() {
        return Err(
            Error::file(&path, "this run has no such report").help("`valuenet eval` makes it")
        );
    }
    serde_json::from_value(disk::read_json(&path)?).map_err(|error| {
        Error::file(&path, format!("not a report: {error}")).help("`valuenet eval` makes it anew")
    })
}

/// The reports of this name that the runs under several seeds in a folder keep; none if one of them
/// has none.
pub(in crate::recipe) fn seed_reports(folder: &Path, name: &str) -> Result<Option<EmotionSeeds>> {
    let runs = run::seeds(folder);
    let is_judged = |(_, path): &(u64, PathBuf)| {
        SavedRun::open(path).is_ok_and(|saved| saved.report(name).is_file())
    };
    if runs.is_empty() || !runs.iter().all(is_judged) {
        return Ok(None);
    }
    let report =
        |(seed, path): (u64, PathBuf)| Ok((seed, read_report(&SavedRun::open(&path)?, name)?));
    let reports = runs.into_iter().map(report).collect::<Result<_>>()?;
    Ok(Some(EmotionSeeds { folder: folder.display().to_string(), reports }))
}

/// The file of a split of the data that a run was made with.
pub(super) fn saved_split(
    saved: &SavedRun,
    split: Split,
    observer: &dyn Observer,
) -> Result<LabelledFile> {
    let source = saved_file(saved, split)?;
    let mut file = LabelledFile::read(&source.path)?;
    file.rows.truncate(source.rows);
    note_change(source, observer)?;
    Ok(file)
}

/// What a model sees beside texts, in words.
fn values_text(values: Option<&ValueFeatures>) -> String {
    let Some(ValueFeatures { run, control, .. }) = values else { return "without values".into() };
    let run = run.display();
    match control {
        Control::None => format!("with the values of {run}"),
        Control::Shuffled => format!("with the values of {run} for other texts, a control"),
        Control::Zeros => "with zeros in the place of values, a control".into(),
        Control::Only => format!("with the values of {run} alone, a control"),
    }
}

fn bootstrap(replicates: u32) -> Option<Bootstrap> {
    (replicates > 0).then_some(Bootstrap { replicates, seed: 1 })
}

/// Judges one model.
fn judge_one(
    request: &JudgeRequest,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<EmotionReport> {
    let saved = SavedRun::is_run(folder).then(|| SavedRun::open(folder)).transpose()?;
    let mut file = match (&request.rows, &saved) {
        (Judged::File(path), _) => LabelledFile::read(path)?,
        (Judged::Split(split), Some(saved)) => saved_split(saved, *split, observer)?,
        (Judged::Split(_), None) => {
            let what = format!("{} is a model without data of its own", folder.display());
            return Err(Error::usage(what).help("name a file with --data, or a run directory"));
        }
    };
    file.rows.truncate(request.limit.unwrap_or(usize::MAX));
    let name = request.rows.name();
    let device = device::open(&request.device)?.device;
    let job = Job {
        folder,
        saved: saved.as_ref(),
        part: request.part(),
        checkpoint: request.checkpoint,
        precision: request.precision,
        bootstrap: bootstrap(request.bootstrap.unwrap_or(replicates_for(&name))),
        name,
        observer,
    };
    job.judge(&file, &device)
}

/// One evaluation: a model, and how it is judged.
struct Job<'a> {
    folder: &'a Path,
    saved: Option<&'a SavedRun>,
    name: String,
    /// What follows the name of its report.
    part: String,
    checkpoint: Checkpoint,
    precision: Precision,
    bootstrap: Option<Bootstrap>,
    observer: &'a dyn Observer,
}

impl Job<'_> {
    /// Judges the model, keeps the report and the predictions in the run, and returns the report.
    fn judge(&self, file: &LabelledFile, device: &Device) -> Result<EmotionReport> {
        let folder = checkpoint_folder(self.folder, self.checkpoint)?;
        let model = EmotionModel::open(&folder, device, self.precision)?;
        let classified = self.classify(&model, file, device)?;
        let report = EmotionReport {
            model: self.folder.display().to_string(),
            data: file.path.display().to_string(),
            split: format!("{}{}", self.name, self.part),
            dtype: model.dtype().into(),
            values: values_text(model.values()),
            bootstrap: self.bootstrap,
            evaluation: ClassEvaluation::of(&classified, model.labels(), self.bootstrap),
        };
        if let Some(saved) = self.saved {
            unless_read_only(self.keep(saved, &report, file, &classified), self.observer)?;
        }
        Ok(report)
    }

    /// What the model says of each text.
    fn classify(
        &self,
        model: &EmotionModel,
        file: &LabelledFile,
        device: &Device,
    ) -> Result<Vec<Classified>> {
        let classes = file.classes(&LabelSet::new(model.labels().to_vec()))?;
        let texts: Vec<&str> = file.rows.iter().map(|row| row.text.as_str()).collect();
        let features = model.values().map(Features::of_model).transpose()?;
        let values = features.as_ref().map(|it| it.values(&texts, device, self.observer));
        let probabilities = model.predict(&texts, values.transpose()?.as_deref())?;
        let rows = probabilities.iter().zip(classes.into_iter().zip(clusters(texts)));
        Ok(rows.map(|(shares, (class, text))| Classified::of(class, shares, text)).collect())
    }

    /// Writes report and predictions into the run.
    fn keep(
        &self,
        saved: &SavedRun,
        report: &EmotionReport,
        file: &LabelledFile,
        classified: &[Classified],
    ) -> Result<()> {
        let name = report_name(&report.split, self.checkpoint);
        let path = saved.report(&name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create", error))?;
        }
        let row = |(row, it): (&LabelledText, &Classified)| EmotionRow {
            line: row.line,
            id: row.id.clone(),
            text: row.text.clone(),
            label: row.label.clone(),
            predicted: report.evaluation.classes[it.predicted].label.clone(),
            rank: it.rank,
            nll: it.nll,
        };
        let rows: Vec<EmotionRow> = file.rows.iter().zip(classified).map(row).collect();
        disk::write_json(&path, report)?;
        disk::write_file(&saved.classified(&name), emotion_rows(&rows)?.as_bytes())?;
        self.observer.tell(ProgressEvent::Detail(&format!("written to {}", path.display())));
        Ok(())
    }
}
