//! From a configuration to a run directory with a trained model.

use std::path::{Path, PathBuf};

use super::dialogue::DialogueRecipe;
use super::emotion::EmotionRecipe;
use super::provenance::{describe, now};
use super::session::{Destination, Session};
use super::value::ValueRecipe;
use super::{Origin, Recipe, Site};
use crate::config::{Config, TaskKind};
use crate::error::{Error, Result};
use crate::nn::device;
use crate::report::Report;
use crate::run::{self, DataFile, IfOccupied, Run, RunInfo, SavedRun};
use crate::train::{Checkpoint, Learner, Plan, Stop};

/// What is to be trained, and where it is kept.
#[derive(Debug, Clone)]
pub struct TrainRequest {
    /// What the training is told.
    pub config: Config,
    /// The run directory.
    pub folder: PathBuf,
    /// How it begins.
    pub begin: Begin,
    /// How many rows of each split are read, if not all.
    pub limit: Option<usize>,
    /// The step after which it stops to be resumed later.
    pub stop_after: Option<u64>,
    /// Whether the best checkpoint is judged on the test split at the end.
    pub test: bool,
    /// Whether event files for TensorBoard are written.
    pub tensorboard: bool,
}

/// How a training begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At its first step.
    New(IfOccupied),
    /// Where the run in the directory stopped.
    Resume,
    /// Not at all: everything is prepared and announced, and nothing is written.
    DryRun,
}

/// How a training came to its end.
pub enum Outcome {
    /// By itself, or where it was to stop; with the report on the test split if there is one.
    Ended(Stop, Option<Box<dyn Report>>),
    /// Whoever looks on asked for it; the state is saved.
    Interrupted,
    /// It was only to be prepared.
    Planned,
}

/// Trains as the request says.
///
/// # Errors
/// If data or model cannot be read, the run directory cannot be used, or the training fails.
pub fn train(request: &TrainRequest, site: Site) -> Result<Outcome> {
    let TrainRequest { config, folder, limit, .. } = request;
    if let Begin::New(if_occupied) = request.begin {
        Run::check(folder, if_occupied)?; // before anything that takes time
    }
    let recipe = recipe_of(config, *limit, request.test)?;
    let device = device::open(&config.train.device)?;
    let threads = rayon::current_num_threads();
    site.note(&format!("device {} ({}), {threads} threads", device.name, device.reason));

    let (destination, prepared, info) = if request.begin == Begin::Resume {
        let (run, saved) = resume(folder, config, recipe.sources(), *limit)?;
        let prepared = recipe.prepare(Origin::SavedRun(folder), &device.device, site)?;
        let resumed = [saved.info.resumed.clone(), vec![now()]].concat();
        let info = RunInfo { resumed, finished: None, outcome: None, ..saved.info };
        (Some(Destination::Resumed(run)), prepared, info)
    } else {
        let prepared = recipe.prepare(Origin::New, &device.device, site)?;
        let model = prepared.info.clone();
        let info = describe(config, recipe.sources(), &device, *limit, model, site.git);
        let destination = match request.begin {
            Begin::New(if_occupied) => Some(Destination::New(if_occupied)),
            Begin::Resume | Begin::DryRun => None,
        };
        (destination, prepared, info)
    };
    let mut learner = prepared.learner;
    let total = announce(config, learner.as_ref(), &info, site);
    let Some(destination) = destination else {
        site.note(&format!("dry run: nothing was written to {}", folder.display()));
        return Ok(Outcome::Planned);
    };
    let (stop_after, tensorboard) = (request.stop_after, request.tensorboard);
    let session = Session { config, path: folder, site, total, stop_after, tensorboard };
    let stop = session.train(learner.as_mut(), destination, info)?;
    drop(learner); // makes room for the best checkpoint
    if stop == Stop::Paused && site.observer.asks_to_stop() {
        return Ok(Outcome::Interrupted);
    }
    // Where the first evaluation crossed a limit there is none.
    let has_best = SavedRun::open(folder)?.checkpoint(Checkpoint::Best).is_some();
    let report = match request.test && stop != Stop::Paused && has_best {
        true => recipe.test(folder, &device.device, site.observer)?,
        false => None,
    };
    Ok(Outcome::Ended(stop, report))
}

/// What a configuration is about, with its data, of each file so many rows if not all; `judges`:
/// the model will be judged by the test split.
pub(super) fn recipe_of(
    config: &Config,
    limit: Option<usize>,
    judges: bool,
) -> Result<Box<dyn Recipe<'_> + '_>> {
    Ok(match config.task.kind {
        TaskKind::Value => Box::new(ValueRecipe::read(config, limit)?),
        TaskKind::Emotion => Box::new(EmotionRecipe::read(config, limit)?),
        TaskKind::Dialogue => Box::new(DialogueRecipe::read(config, limit, judges)?),
    })
}

/// Whether a training was stopped before its end.
pub(super) fn is_interrupted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Interrupted | Outcome::Ended(Stop::Paused, _))
}

/// Whether a run that is gone on with has come to its end before.
///
/// # Errors
/// If it has, with another configuration or other data.
pub(super) fn is_finished(request: &TrainRequest) -> Result<bool> {
    if request.begin != Begin::Resume {
        return Ok(false);
    }
    let TrainRequest { config, folder, limit, test, .. } = request;
    let saved = SavedRun::open(folder)?;
    let is_finished = matches!(saved.info.outcome, Some(Stop::Finished | Stop::Patience));
    if is_finished {
        let recipe = recipe_of(config, *limit, *test)?;
        refuse_another(folder, &saved, config, recipe.sources(), *limit)?;
    }
    Ok(is_finished)
}

/// Says what is about to be done, and returns the number of steps.
fn announce(config: &Config, learner: &dyn Learner, info: &RunInfo, site: Site) -> u64 {
    let lengths = learner.lengths();
    let plan = Plan::new(&lengths, &config.train, learner.other_every());
    site.note(&format!(
        "model {}, {:.1} M parameters; new tensors: {}",
        info.model.base,
        info.model.parameters as f64 / 1e6,
        info.model.fresh.len()
    ));
    let learned_from = info.data.iter().filter(|source| source.rows > 0);
    let learned_from = learned_from.filter(|source| !source.role.starts_with("test"));
    let rows = learned_from.map(|source| format!("{} {}", source.rows, source.role));
    site.note(&format!(
        "data {}: {}; {:.1} tokens a sample, {} at most",
        config.data.dir.display(),
        rows.collect::<Vec<_>>().join(", "),
        lengths.iter().sum::<usize>() as f64 / lengths.len() as f64,
        lengths.iter().max().copied().unwrap_or(0),
    ));
    site.note(&format!("plan {} steps, {} an epoch", plan.total_steps(), plan.steps_per_epoch()));
    plan.total_steps()
}

/// The run to go on with, if it can be gone on with.
fn resume(
    path: &Path,
    config: &Config,
    sources: &[DataFile],
    limit: Option<usize>,
) -> Result<(Run, SavedRun)> {
    let run = Run::resume(path)?;
    let saved = SavedRun::open(path)?;
    refuse_another(path, &saved, config, sources, limit)?;
    Ok((run, saved))
}

/// Refuses a configuration or data that a run was not made with.
fn refuse_another(
    path: &Path,
    saved: &SavedRun,
    config: &Config,
    sources: &[DataFile],
    limit: Option<usize>,
) -> Result<()> {
    match run::differences(saved, config, sources, limit)?.as_slice() {
        [] => Ok(()),
        found => Err(Error::usage(format!(
            "this is not the run in {}: {}",
            path.display(),
            found.join("; ")
        ))
        .help("resume with the configuration and the data of the run, or begin another with -o")),
    }
}
