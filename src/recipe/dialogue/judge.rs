//! A dialogue model's Hits@1, perplexity and F1 (the paper's Table 4), and how near its replies are
//! to the speakers' personas, kept in its run.

use std::fmt;
use std::path::Path;

use candle_core::Device;

use super::emotions::{EMOTIONS_ROLE, Emotions};
use super::files::{DialogueFile, TEST_ROLE, parted, with_candidates};
use super::measure::Measurement;
use super::open_dialogue_model;
use super::persona::{ValueSpace, kept, opponents};
use super::reply::Decoding;
use crate::config::{DialogueSettings, Measure};
use crate::data::Split;
use crate::disk;
use crate::error::{Error, Result};
use crate::eval::Bootstrap;
use crate::model::DialogueModel;
use crate::nn::device;
use crate::recipe::judge::{JudgeRequest, Judged, replicates_for, report_name, unless_read_only};
use crate::recipe::models::checkpoint_folder;
use crate::recipe::saved::note_change;
use crate::recipe::{Observer, ProgressEvent};
use crate::report::Report;
use crate::report::dialogue_evaluation::{
    DialogueReport, DialogueSeeds, ReplyRow, read_reply_rows, reply_rows,
};
use crate::run::{self, DataFile, SavedRun};
use crate::train::Checkpoint;

/// What is measured of a dialogue model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measures {
    /// How well it predicts the replies.
    pub perplexity: bool,
    /// How often it finds a reply among its candidates.
    pub hits: bool,
    /// What the replies that it generates are like.
    pub f1: bool,
    /// How near they are to the speakers' personas.
    pub persona: bool,
}

impl fmt::Display for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.perplexity, "perplexity"),
            (self.hits, "hits"),
            (self.f1, "f1"),
            (self.persona, "persona"),
        ];
        let names: Vec<&str> =
            names.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, name)| name).collect();
        f.write_str(&names.join("+"))
    }
}

impl Measures {
    /// Those of the paper's Table 4, which need no value model.
    pub const TABLE_4: Measures =
        Measures { perplexity: true, hits: true, f1: true, persona: false };

    /// Those that a configuration asks for.
    pub(super) fn of(settings: &DialogueSettings) -> Self {
        let has = |measure: Measure| settings.measure.contains(&measure);
        Self {
            perplexity: has(Measure::Perplexity),
            hits: has(Measure::Hits),
            f1: has(Measure::F1),
            persona: false,
        }
    }
}

/// What is measured, and what follows the name of a report that is of a part only.
fn measured(request: &JudgeRequest, settings: Option<&DialogueSettings>) -> (Measures, String) {
    let whole = settings.map_or(Measures::TABLE_4, Measures::of);
    let asked =
        request.measures.unwrap_or(Measures { persona: request.persona.is_some(), ..whole });
    let is_whole = Measures { persona: false, ..asked } == whole;
    let some = if is_whole { String::new() } else { format!(".{asked}") };
    (asked, request.part() + &some)
}

/// Judges what the request names, and keeps reports and replies in the runs.
pub(in crate::recipe) fn judge(
    request: &JudgeRequest,
    observer: &dyn Observer,
) -> Result<Box<dyn Report>> {
    match (request.measures.map(|it| it.persona), &request.persona) {
        (Some(true), None) => {
            let what = "how near replies are to personas is measured by a value model";
            return Err(Error::usage(what).help("name its run with --values RUN"));
        }
        (Some(false), Some(_)) => {
            let what = "a value model is named, and nothing is measured by it";
            return Err(Error::usage(what).help("--measure persona does it"));
        }
        _ => (),
    }
    let device = device::open(&request.device)?.device;
    let values = request.persona.as_ref().map(|persona| ValueSpace::open(persona, &device));
    let mut values = values.transpose()?;
    let seeds = match SavedRun::is_run(&request.folder) {
        true => Vec::new(),
        false => run::seeds(&request.folder),
    };
    if seeds.is_empty() {
        let report = judge_one(request, &request.folder, values.as_mut(), &device, observer)?;
        return Ok(Box::new(report));
    }
    let mut reports = Vec::new();
    for (seed, path) in seeds {
        observer.tell(ProgressEvent::Note(&format!("── seed {seed}")));
        let report = judge_one(request, &path, values.as_mut(), &device, observer)?;
        reports.push((seed, report));
    }
    Ok(Box::new(DialogueSeeds { folder: request.folder.display().to_string(), reports }))
}

/// Judges a run's best checkpoint by its test files, and keeps the reports in the run.
pub(super) fn judge_test(
    run: &Path,
    test: &[(String, DialogueFile)],
    device: &Device,
    observer: &dyn Observer,
) -> Result<Box<dyn Report>> {
    let saved = SavedRun::open(run)?;
    let folder = checkpoint_folder(run, Checkpoint::Best)?;
    let model = DialogueModel::open(&folder, device, saved.info.config.train.dtype)?;
    let job = Job {
        model: &model,
        folder: run,
        decoding: Decoding::of(&saved.info.config.dialogue),
        measures: Measures::of(&saved.info.config.dialogue),
        values: None,
        part: String::new(),
        checkpoint: Checkpoint::Best,
        bootstrap: bootstrap(replicates_for(TEST_ROLE)),
        observer,
    };
    let sets = test.iter().map(|(name, file)| (format!("{TEST_ROLE}{name}"), file.clone()));
    Ok(Box::new(job.judge(sets.collect(), Some(&saved))?))
}

/// The reports on the test split that the runs under several seeds in a folder keep; none if one of
/// them has none.
pub(in crate::recipe) fn seed_reports(folder: &Path) -> Result<Option<DialogueSeeds>> {
    let mut reports = Vec::new();
    for (seed, path) in run::seeds(folder) {
        let Some(report) = saved_report(&SavedRun::open(&path)?, Split::Test)? else {
            return Ok(None);
        };
        reports.push((seed, report));
    }
    let folder = folder.display().to_string();
    Ok((!reports.is_empty()).then_some(DialogueSeeds { folder, reports }))
}

/// The report on a split that a run keeps, if it has been judged by all its files.
pub(in crate::recipe) fn saved_report(
    saved: &SavedRun,
    split: Split,
) -> Result<Option<DialogueReport>> {
    let roles = saved.info.data.iter().map(|source| source.role.as_str());
    let roles: Vec<&str> = match split {
        Split::Test => roles.filter(|role| role.starts_with(TEST_ROLE)).collect(),
        Split::Train | Split::Eval => vec![split.name()],
    };
    let mut whole: Option<DialogueReport> = None;
    for role in roles {
        let path = saved.report(role);
        if !path.is_file() {
            return Ok(None);
        }
        let report = read_report(&path)?;
        match &mut whole {
            Some(whole) => whole.sets.extend(report.sets),
            None => whole = Some(report),
        }
    }
    Ok(whole)
}

/// Reads a report that a run keeps.
pub(super) fn read_report(path: &Path) -> Result<DialogueReport> {
    serde_json::from_value(disk::read_json(path)?).map_err(|error| {
        Error::file(path, format!("not a report: {error}")).help("`valuenet eval` makes it anew")
    })
}

fn bootstrap(replicates: u32) -> Option<Bootstrap> {
    (replicates > 0).then_some(Bootstrap { replicates, seed: 1 })
}

/// Judges one model.
fn judge_one(
    request: &JudgeRequest,
    folder: &Path,
    values: Option<&mut ValueSpace>,
    device: &Device,
    observer: &dyn Observer,
) -> Result<DialogueReport> {
    let saved = SavedRun::is_run(folder).then(|| SavedRun::open(folder)).transpose()?;
    let name = request.rows.name();
    let settings = saved.as_ref().map(|saved| saved.info.config.dialogue.clone());
    let (measures, part) = measured(request, settings.as_ref());
    let sets: Vec<(String, DialogueFile)> = match (&request.rows, &saved) {
        (Judged::File(path), _) => {
            let mut file = DialogueFile::read(path, request.limit)?;
            if let Some(settings) = &settings {
                Emotions::of(settings)?.tell(&mut file)?;
            }
            vec![(name.clone(), file)]
        }
        (Judged::Split(split), Some(saved)) => saved_sets(saved, *split, request.limit, observer)?,
        (Judged::Split(_), None) => {
            let what = format!("{} is a model without data of its own", folder.display());
            return Err(Error::usage(what).help("name a file with --data, or a run directory"));
        }
    };
    if measures.hits {
        sets.iter().try_for_each(|(_, file)| file.check_candidates())?;
    }
    if measures.persona {
        sets.iter().try_for_each(|(_, file)| opponents(file).map(drop))?;
    }
    let model =
        open_dialogue_model(folder, request.checkpoint, request.layout, device, request.precision)?;
    let replicates = request.bootstrap.unwrap_or(replicates_for(&name));
    let job = Job {
        model: &model,
        folder,
        decoding: Decoding::of(&settings.unwrap_or_default()),
        measures,
        values,
        part,
        checkpoint: request.checkpoint,
        bootstrap: bootstrap(replicates),
        observer,
    };
    job.judge(sets, saved.as_ref())
}

/// The files of a split of the data that a run was made with.
fn saved_sets(
    saved: &SavedRun,
    split: Split,
    limit: Option<usize>,
    observer: &dyn Observer,
) -> Result<Vec<(String, DialogueFile)>> {
    let emotions = Emotions::of(&saved.info.config.dialogue)?;
    let told = saved.info.data.iter().find(|source| source.role == EMOTIONS_ROLE);
    told.map_or(Ok(()), |source| note_change(source, observer))?;
    let read = |source: &DataFile| {
        note_change(source, observer)?;
        let mut file = DialogueFile::read(&source.path, Some(source.rows))?;
        emotions.tell(&mut file)?;
        if split == Split::Test {
            file.dialogues.truncate(limit.unwrap_or(usize::MAX));
        }
        Ok(file)
    };
    let of_role = |role: &str| -> Result<Vec<DialogueFile>> {
        saved.info.data.iter().filter(|source| source.role == role).map(read).collect()
    };
    if split == Split::Test {
        let test = saved.info.data.iter().filter(|source| source.role.starts_with(TEST_ROLE));
        let sets: Vec<(String, DialogueFile)> =
            test.map(|source| Ok((source.role.clone(), read(source)?))).collect::<Result<_>>()?;
        return match sets.is_empty() {
            true => {
                Err(Error::usage("the run's data has no test split")
                    .help("name a file with --data"))
            }
            false => Ok(sets),
        };
    }
    let kept_apart = saved.info.config.data.eval_dialogues;
    let (train, eval) = parted(of_role("train")?, of_role("eval")?, kept_apart)?;
    let mut file = with_candidates(if split == Split::Train { train } else { eval })?;
    file.dialogues.truncate(limit.unwrap_or(usize::MAX));
    Ok(vec![(split.name().into(), file)])
}

/// One evaluation: a model, and how it is judged.
struct Job<'a> {
    model: &'a DialogueModel,
    folder: &'a Path,
    decoding: Decoding,
    measures: Measures,
    /// What replies are held against personas by, if they are.
    values: Option<&'a mut ValueSpace>,
    /// What follows the names of its reports.
    part: String,
    checkpoint: Checkpoint,
    bootstrap: Option<Bootstrap>,
    observer: &'a dyn Observer,
}

impl Job<'_> {
    fn measurement(&self) -> Measurement<'_> {
        let Self { model, decoding, bootstrap, observer, .. } = *self;
        Measurement { model, decoding, bootstrap, observer }
    }

    /// Judges the model by each of these files, and keeps the reports and the replies in the run,
    /// if it is one.
    fn judge(
        mut self,
        sets: Vec<(String, DialogueFile)>,
        saved: Option<&SavedRun>,
    ) -> Result<DialogueReport> {
        let settings = self.model.settings();
        let mut report = DialogueReport {
            model: self.folder.display().to_string(),
            dtype: self.model.model().precision().name().into(),
            layout: settings.layout.name().into(),
            history: settings.history,
            decoding: self.decoding.to_string(),
            bootstrap: self.bootstrap,
            sets: Vec::new(),
        };
        for (name, file) in sets {
            let (mut evaluation, mut rows) =
                self.measurement().evaluate(&name, &file, self.measures)?;
            if let Some(values) = &mut self.values {
                let found = values.align(&file, &mut rows, self.bootstrap, self.observer)?;
                evaluation.persona = Some(found);
            }
            if let Some(saved) = saved {
                let name = report_name(&format!("{name}{}", self.part), self.checkpoint);
                let own = DialogueReport { sets: vec![evaluation.clone()], ..report.clone() };
                unless_read_only(self.keep(saved, &name, own, rows), self.observer)?;
            }
            report.sets.push(evaluation);
        }
        Ok(report)
    }

    /// Keeps a report on one file and its replies in the run. What an earlier report says of the
    /// same replies' persona stays, if this one says nothing of it.
    fn keep(
        &self,
        saved: &SavedRun,
        name: &str,
        mut report: DialogueReport,
        mut rows: Vec<ReplyRow>,
    ) -> Result<()> {
        let (path, replies) = (saved.report(name), saved.replies(name));
        if let Some(folder) = path.parent() {
            let created = std::fs::create_dir_all(folder);
            created.map_err(|error| Error::io(folder, "create", error))?;
        }
        if self.values.is_none() && path.is_file() && replies.is_file() {
            // A damaged one is made anew, and has nothing to keep.
            let earlier =
                read_report(&path).ok().and_then(|it| it.sets.into_iter().next()?.persona);
            let old = read_reply_rows(&replies).unwrap_or_default();
            let persona = kept(earlier, &old, &mut rows);
            report.sets.iter_mut().for_each(|set| set.persona = persona.clone());
        }
        disk::write_json(&path, &report)?;
        disk::write_file(&replies, reply_rows(&rows)?.as_bytes())?;
        let text = format!("written to {}", path.display());
        self.observer.tell(ProgressEvent::Detail(&text));
        Ok(())
    }
}
