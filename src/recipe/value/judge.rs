//! A trained value model's scores on a split or a file, kept in its run.

use std::collections::HashSet;
use std::path::Path;

use candle_core::Device;

use super::seed_reports;
use super::splits::saved_split;
use crate::config::FamilyKind;
use crate::data::{SampleTable, Split};
use crate::disk;
use crate::error::{Error, Result};
use crate::eval::calibration::{Thresholded, reliability};
use crate::eval::discrimination::Discrimination;
use crate::eval::{Bootstrap, Evaluation, Scored};
use crate::hub::is_hub_id;
use crate::model::Predictor;
use crate::model::head::Pooling;
use crate::model::value_prompts::PromptKind;
use crate::nn::device;
use crate::nn::precision::Precision;
use crate::recipe::judge::{JudgeRequest, Judged, replicates_for, report_name, unless_read_only};
use crate::recipe::models::{members, open_model};
use crate::recipe::{Observer, ProgressEvent};
use crate::report::card::{Provenance, card};
use crate::report::evaluation::EvaluationReport;
use crate::report::predictions;
use crate::report::{Format, Report, render};
use crate::run::{self, SavedRun};
use crate::train::Checkpoint;
use crate::train::value::predict;

/// Judges what the request names, and keeps reports and predictions in the runs.
///
/// # Errors
/// If data or model cannot be read, the model fails, or a run cannot be written.
pub(in crate::recipe) fn judge(
    request: &JudgeRequest,
    observer: &dyn Observer,
) -> Result<Box<dyn Report>> {
    let folder = &request.folder;
    let seeds = if SavedRun::is_run(folder) { Vec::new() } else { run::seeds(folder) };
    if seeds.is_empty() || request.ensemble {
        return Ok(Box::new(judge_one(request, folder, observer)?));
    }
    for (seed, path) in seeds {
        observer.tell(ProgressEvent::Note(&format!("── seed {seed}")));
        judge_one(request, &path, observer)?;
    }
    Ok(Box::new(seed_reports(
        folder,
        &report_name(&(request.rows.name() + &request.part()), request.checkpoint),
    )?))
}

/// Judges one model.
fn judge_one(
    request: &JudgeRequest,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<EvaluationReport> {
    if !folder.exists() {
        let what = format!("{}: there is no run and no model here", folder.display());
        return Err(Error::usage(what));
    }
    let saved = match SavedRun::is_run(folder) {
        true => Some(SavedRun::open(folder)?),
        false if !members(folder).is_empty() => Some(SavedRun::of_seeds(folder)?),
        false => None,
    };
    let mut table = match (&request.rows, &saved) {
        (Judged::File(path), _) => SampleTable::read_strict(path)?,
        (Judged::Split(split), Some(saved)) => saved_split(saved, *split, observer)?,
        (Judged::Split(_), None) => {
            let what = format!("{} is a model without data of its own", folder.display());
            return Err(Error::usage(what).help("name a file with --data, or a run directory"));
        }
    };
    table.rows.truncate(request.limit.unwrap_or(usize::MAX));
    let name = request.rows.name() + &request.part();
    let device = device::open(&request.device)?.device;
    let model = open_model(folder, request.checkpoint, &device, request.precision)?;
    let job = Job {
        model: model.predictor(),
        folder,
        saved: saved.as_ref(),
        table: &table,
        name: &name,
        checkpoint: request.checkpoint,
        bootstrap: request.bootstrap.unwrap_or(replicates_for(&name)),
        thresholds: request.thresholds,
        observer,
    };
    job.judge()
}

/// Judges a run's best checkpoint on its test split, and keeps the report in the run.
pub(super) fn judge_test(
    folder: &Path,
    test: &SampleTable,
    device: &Device,
    precision: Precision,
    observer: &dyn Observer,
) -> Result<EvaluationReport> {
    let saved = SavedRun::open(folder)?;
    let model = open_model(folder, Checkpoint::Best, device, precision)?;
    let name = Split::Test.name();
    let job = Job {
        model: model.predictor(),
        folder,
        saved: Some(&saved),
        table: test,
        name,
        checkpoint: Checkpoint::Best,
        bootstrap: replicates_for(name),
        thresholds: false,
        observer,
    };
    job.judge()
}

/// The report of this name that a run keeps.
pub(in crate::recipe) fn read_report(saved: &SavedRun, name: &str) -> Result<Evaluation> {
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

/// One evaluation: a model, and the rows it is judged by.
struct Job<'a> {
    model: &'a dyn Predictor,
    folder: &'a Path,
    saved: Option<&'a SavedRun>,
    table: &'a SampleTable,
    name: &'a str,
    checkpoint: Checkpoint,
    /// How many bootstrap replicates its intervals are made of, if any.
    bootstrap: u32,
    /// Whether classes are cut at fitted thresholds too.
    thresholds: bool,
    observer: &'a dyn Observer,
}

impl Job<'_> {
    /// Judges the model, keeps the report and the predictions in the run, and returns the report.
    fn judge(&self) -> Result<EvaluationReport> {
        let train_texts = self.train_texts();
        let samples: Vec<_> = self.table.rows.iter().map(|row| row.sample.clone()).collect();
        let seen = |text: &str| train_texts.as_ref().map(|texts| texts.contains(text));
        let scored = predict(self.model, &samples, seen)?;
        let mut evaluation = Evaluation::of(&scored, self.model.train_labels())?;
        let bootstrap =
            (self.bootstrap > 0).then_some(Bootstrap { replicates: self.bootstrap, seed: 1 });
        if let Some(bootstrap) = bootstrap {
            evaluation = evaluation.with_intervals(&scored, bootstrap);
        }
        let report = EvaluationReport {
            model: self.folder.display().to_string(),
            data: self.table.path.display().to_string(),
            split: self.name.into(),
            dtype: self.model.dtype(),
            class_rule: self.model.rule(),
            bootstrap,
            reliability: reliability(&scored),
            thresholds: self.fitted(&scored)?,
            discrimination: Discrimination::of(&scored, bootstrap),
            evaluation,
        };
        if let Some(saved) = self.saved {
            unless_read_only(self.keep(saved, &report, &scored), self.observer)?;
        }
        Ok(report)
    }

    /// The texts of the run's train split, if it is still there.
    fn train_texts(&self) -> Option<HashSet<String>> {
        match saved_split(self.saved?, Split::Train, self.observer) {
            Ok(train) => Some(train.rows.into_iter().map(|row| row.sample.scenario).collect()),
            Err(error) => {
                let warning = format!("warning: no slice of unseen texts: {error}");
                self.observer.tell(ProgressEvent::Note(&warning));
                None
            }
        }
    }

    /// Writes report, predictions and model card into the run.
    fn keep(&self, saved: &SavedRun, report: &EvaluationReport, scored: &[Scored]) -> Result<()> {
        let name = report_name(self.name, self.checkpoint);
        let path = saved.report(&name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create", error))?;
        }
        disk::write_file(&path, render(report, Format::Json)?.as_bytes())?;
        disk::write_file(&saved.predictions(&name), self.predictions(scored)?.as_bytes())?;
        self.observer.tell(ProgressEvent::Detail(&format!("written to {}", path.display())));
        if name == Split::Test.name() {
            self.write_card(saved, &report.evaluation)?;
        }
        Ok(())
    }

    /// The model card of the best checkpoint.
    fn write_card(&self, saved: &SavedRun, evaluation: &Evaluation) -> Result<()> {
        let Some(folder) = saved.checkpoint(Checkpoint::Best) else { return Ok(()) };
        let (info, train) = (&saved.info, &saved.info.config.train);
        let settings = [
            ("epochs", train.epochs.to_string()),
            ("batch size", train.batch_size.to_string()),
            ("learning rate", format!("{:e}", train.learning_rate)),
            ("seed", train.seed.to_string()),
            ("dtype", info.dtype.clone()),
        ];
        let (model, new) = (&info.config.model, info.config.new_model());
        let is_plain = model.family == FamilyKind::Encoder
            && model.prompt != PromptKind::Shared
            && model.pooling == Pooling::Pooler;
        let base = &info.model.base;
        let has_base = model.family == FamilyKind::Encoder && base != "scratch";
        let dataset = info.config.data.dir.file_name().unwrap_or_default();
        let provenance = Provenance {
            name: self.folder.file_name().unwrap_or_default().to_string_lossy().into(),
            prompt: model.prompt.example(),
            from_logits: is_plain.then(|| new.head.in_torch().into()),
            base: base.clone(),
            has_base,
            is_on_hub: has_base && is_hub_id(base) && !Path::new(base).is_dir(),
            dataset: dataset.to_string_lossy().into(),
            parameters: info.model.parameters,
            class_rule: self.model.rule().into(),
            settings: settings.map(|(name, value)| (name.to_string(), value)).into(),
            data: info.data.iter().map(|source| (source.role.clone(), source.rows)).collect(),
        };
        disk::write_file(&folder.join("README.md"), card(&provenance, evaluation).as_bytes())
    }

    /// The rows judged by thresholds fitted on the run's eval split, if that is asked for.
    fn fitted(&self, scored: &[Scored]) -> Result<Option<Thresholded>> {
        if !self.thresholds {
            return Ok(None);
        }
        if self.name.split('.').next() == Some(Split::Eval.name()) {
            return Err(Error::usage(
                "--thresholds are fitted on the eval split, and cannot be judged by it",
            ));
        }
        let needed = "--thresholds needs a run, whose eval split they are fitted on";
        let saved = self.saved.ok_or_else(|| Error::usage(needed))?;
        let eval: Vec<_> = saved_split(saved, Split::Eval, self.observer)?
            .rows
            .into_iter()
            .map(|row| row.sample)
            .collect();
        let eval = predict(self.model, &eval, |_| None)?;
        Ok(Some(Thresholded::of(&eval, scored, self.model.train_labels())?))
    }

    fn predictions(&self, scored: &[Scored]) -> Result<String> {
        let rows = self.table.rows.iter().zip(scored);
        predictions::write(
            rows.map(|(row, scored)| (row.line, row.sample.scenario.as_str(), scored)),
        )
    }
}
