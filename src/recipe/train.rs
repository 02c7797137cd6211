//! From a configuration to a run directory with a trained model.

use std::path::{Path, PathBuf};

use candle_core::Device;

use super::judge::judge_test;
use super::models::{LAYOUT, open_model};
use super::provenance::{describe, now};
use super::session::{Place, Session};
use super::splits::Splits;
use super::{News, Site};
use crate::config::{Config, FamilyKind};
use crate::data::{Split, Table};
use crate::error::{Error, Result};
use crate::hub;
use crate::model::linear::LinearModel;
use crate::model::{Model, ValueModel};
use crate::nn::device;
use crate::report::evaluation::EvaluationReport;
use crate::run::{self, IfOccupied, Info, Run, Saved};
use crate::train::linear::LinearTask;
use crate::train::value::ValueTask;
use crate::train::{Checkpoint, Descent, Learner, Plan, Stop};

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
#[derive(Debug)]
pub enum Outcome {
    /// By itself, or where it was to stop; with the report on the test split if there is one.
    Ended(Stop, Option<Box<EvaluationReport>>),
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
    let data = Splits::read(config, *limit)?;
    let device = device::open(&config.train.device)?;
    let threads = rayon::current_num_threads();
    site.note(&format!("device {} ({}), {threads} threads", device.name, device.reason));

    let (place, model, info) = if request.begin == Begin::Resume {
        let (run, saved) = resume(folder, config, &data, *limit)?;
        let model = open_model(folder, Checkpoint::Last, &device.device, config.train.dtype)?;
        let resumed = [saved.info.resumed.clone(), vec![now()]].concat();
        let info = Info { resumed, finished: None, outcome: None, ..saved.info };
        (Some(Place::Resumed(run)), model, info)
    } else {
        let model = new_model(config, &data.train, &device.device, site)?;
        let info = describe(config, &data.sources, &device, *limit, &model, site.git);
        let place = match request.begin {
            Begin::New(if_occupied) => Some(Place::New(if_occupied)),
            Begin::Resume | Begin::DryRun => None,
        };
        (place, model, info)
    };
    let job = Job { request, data: &data, device: &device.device, site };
    let (train, eval) = (data.samples(Split::Train), data.samples(Split::Eval));
    match model {
        Model::Encoder(model) => {
            let task = ValueTask::new(model, &train, eval)?;
            job.run(&mut Descent::new(&task, &config.train)?, place, info)
        }
        Model::Linear(model) => job.run(&mut LinearTask::new(model, &train, eval), place, info),
    }
}

/// A training of which everything is known.
struct Job<'a> {
    request: &'a TrainRequest,
    data: &'a Splits,
    device: &'a Device,
    site: Site<'a>,
}

impl Job<'_> {
    /// Trains and judges the test split; without a place it only says what would be done.
    fn run(&self, learner: &mut dyn Learner, place: Option<Place>, info: Info) -> Result<Outcome> {
        let Self { request: TrainRequest { config, folder: path, .. }, site, .. } = *self;
        let total = self.announce(learner, &info);
        let Some(place) = place else {
            site.note(&format!("dry run: nothing was written to {}", path.display()));
            return Ok(Outcome::Planned);
        };
        let (stop_after, tensorboard) = (self.request.stop_after, self.request.tensorboard);
        let session = Session { config, path, site, total, stop_after, tensorboard };
        let stop = session.train(learner, place, info)?;
        if stop == Stop::Paused && site.observer.asks_to_stop() {
            return Ok(Outcome::Interrupted);
        }
        let report =
            match &self.data.test {
                Some(test) if self.request.test && stop != Stop::Paused => Some(Box::new(
                    judge_test(path, test, self.device, config.train.dtype, site.observer)?,
                )),
                _ => None,
            };
        Ok(Outcome::Ended(stop, report))
    }

    /// Says what is about to be done, and returns the number of steps.
    fn announce(&self, learner: &dyn Learner, info: &Info) -> u64 {
        let lengths = learner.lengths();
        let config = &self.request.config;
        let plan = Plan::new(&lengths, &config.train);
        self.site.note(&format!(
            "model {}, {:.1} M parameters; new tensors: {}",
            info.model.base,
            info.model.parameters as f64 / 1e6,
            info.model.fresh.len()
        ));
        self.site.note(&format!(
            "data {}: {} train, {} eval; {:.1} tokens a prompt, {} at most",
            config.data.dir.display(),
            self.data.train.rows.len(),
            self.data.eval.rows.len(),
            lengths.iter().sum::<usize>() as f64 / lengths.len() as f64,
            lengths.iter().max().copied().unwrap_or(0),
        ));
        self.site.note(&format!(
            "plan {} steps, {} an epoch",
            plan.total_steps(),
            plan.steps_per_epoch()
        ));
        plan.total_steps()
    }
}

/// The run to go on with, if it can be gone on with.
fn resume(
    path: &Path,
    config: &Config,
    data: &Splits,
    limit: Option<usize>,
) -> Result<(Run, Saved)> {
    let run = Run::resume(path)?;
    let saved = Saved::open(path)?;
    match run::differences(&saved, config, &data.sources, limit)?.as_slice() {
        [] => Ok((run, saved)),
        found => Err(Error::usage(format!(
            "this is not the run in {}: {}",
            path.display(),
            found.join("; ")
        ))
        .help("resume with the configuration and the data of the run, or begin another with -o")),
    }
}

/// The model as it is before the first step.
fn new_model(config: &Config, train: &Table, device: &Device, site: Site) -> Result<Model> {
    if config.model.family == FamilyKind::Linear {
        let prompts = train.rows.iter().map(|row| (row.sample.value, row.sample.scenario.as_str()));
        return Ok(Model::Linear(LinearModel::new(
            &config.model.linear,
            prompts,
            config.train.seed,
        )));
    }
    let new = config.new_model();
    if config.model.base == "scratch" {
        let texts = train.rows.iter().map(|row| row.sample.scenario.as_str());
        let model = ValueModel::from_scratch(&config.model.scratch, texts, &new, device)?;
        return Ok(Model::Encoder(model.with_precision(config.train.dtype)));
    }
    let mut tell = |transfer: hub::Transfer<'_>| site.observer.tell(News::Transfer(transfer));
    let (base, revision) = (&config.model.base, &config.model.revision);
    let folder = hub::locate(base, revision, &LAYOUT, site.hub, &mut tell)?;
    let model = ValueModel::from_pretrained(&folder, &new, device)?;
    Ok(Model::Encoder(model.with_precision(config.train.dtype)))
}
