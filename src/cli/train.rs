//! `valuenet train`: from a configuration to a run directory with a trained model.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::Device;
use valuenet::config::{Config, FamilyKind};
use valuenet::data::{Split, Table};
use valuenet::error::{Error, Result};
use valuenet::hub;
use valuenet::model::linear::LinearModel;
use valuenet::model::{Model, ValueModel};
use valuenet::nn::device;
use valuenet::nn::precision::Precision;
use valuenet::report::Format;
use valuenet::run::{self, IfOccupied, Info, Run, Saved};
use valuenet::train::linear::LinearTask;
use valuenet::train::value::ValueTask;
use valuenet::train::{Descent, Learner, Plan, Stop};

use super::eval::judge_test;
use super::hub_settings;
use super::model::{self, CheckpointName, Dtype};
use super::output::{Console, write_result};
use super::progress::Download;
use super::provenance::{describe, now};
use super::train_data::Data;
use super::train_session::{Outcome, Place, Session};

#[derive(clap::Args, Clone, Default)]
pub struct Args {
    /// The configuration file.
    pub config: PathBuf,

    /// The run directory; by default runs/ and the name of the configuration.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// Change a key of the configuration, such as train.learning_rate=3e-5.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// The seed (train.seed).
    #[arg(long)]
    pub seed: Option<u64>,

    /// Several seeds: one run each, in seed-N below the run directory, and their mean at the end.
    #[arg(long, value_delimiter = ',', value_name = "N,…", conflicts_with = "seed")]
    pub seeds: Vec<u64>,

    /// auto, cpu, cuda or cuda:N (train.device).
    #[arg(long)]
    pub device: Option<String>,

    /// Several devices, such as cuda:0,cuda:1: each trains one of the seeds at a time.
    #[arg(long, value_delimiter = ',', value_name = "D,…", requires = "seeds", conflicts_with = "device")]
    pub devices: Vec<String>,

    /// In which precision linear layers are computed (train.dtype).
    #[arg(long, value_enum)]
    pub dtype: Option<Dtype>,

    /// Read only the first N rows of each split.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,

    /// Go on where the run stopped; the same configuration and data give the same model as without the stop.
    #[arg(long, conflicts_with = "overwrite")]
    pub resume: bool,

    /// Begin anew; a run that is there is kept under another name.
    #[arg(long)]
    pub overwrite: bool,

    /// Prepare everything, say what would be done, and write nothing.
    #[arg(long, conflicts_with_all = ["resume", "overwrite"])]
    pub dry_run: bool,

    /// Stop after this many steps, to be resumed later.
    #[arg(long, value_name = "STEPS")]
    pub stop_after: Option<u64>,

    /// Do not report the test split at the end.
    #[arg(long)]
    pub no_test: bool,

    /// Write event files for TensorBoard too.
    #[arg(long)]
    pub tensorboard: bool,

    /// Keep the report of the test split in the run, and do not write it to stdout.
    #[arg(skip)]
    pub unprinted: bool,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    Ok(train(args, console)?.exit_code())
}

/// Trains as the arguments say.
pub fn train(args: &Args, console: &Console) -> anyhow::Result<Outcome> {
    let config = read_config(args)?;
    let limit = args.limit.map(|limit| limit as usize);
    let data = Data::read(&config, limit)?;
    let device = device::open(&config.train.device)?;
    let threads = rayon::current_num_threads();
    console.note(&format!("device {} ({}), {threads} threads", device.name, device.reason));

    let path = run_path(args);
    let (place, model, info) = if args.resume {
        let (run, saved) = resume(&path, &config, &data, limit)?;
        let model = model::open(&path, CheckpointName::Last, &device.device, config.train.dtype)?;
        let resumed = [saved.info.resumed.clone(), vec![now()]].concat();
        let info = Info { resumed, finished: None, outcome: None, ..saved.info };
        (Place::Resumed(run), model, info)
    } else {
        let model = new_model(&config, &data.train, &device.device, console)?;
        let info = describe(&config, &data.sources, &device, limit, &model);
        let if_occupied = if args.overwrite { IfOccupied::MoveAside } else { IfOccupied::Refuse };
        (Place::New(if_occupied), model, info)
    };
    let job = Training { args, config: &config, data: &data, device: &device.device, path: &path, console };
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
struct Training<'a> {
    args: &'a Args,
    config: &'a Config,
    data: &'a Data,
    device: &'a Device,
    path: &'a Path,
    console: &'a Console,
}

impl Training<'_> {
    /// Trains and reports the test split, or says what would be done.
    fn run(&self, learner: &mut dyn Learner, place: Place, info: Info) -> anyhow::Result<Outcome> {
        let total = self.announce(learner, &info);
        let Self { args, config, path, console, .. } = *self;
        if args.dry_run {
            console.note(&format!("dry run: nothing was written to {}", path.display()));
            return Ok(Outcome::Planned);
        }
        let (stop_after, tensorboard) = (args.stop_after, args.tensorboard);
        let session = Session { config, path, console, total, stop_after, tensorboard };
        let outcome = session.train(learner, place, info)?;
        match (&outcome, &self.data.test) {
            (Outcome::Ended(Stop::Finished | Stop::Patience), Some(test)) if !args.no_test => {
                self.report(test)?;
            }
            _ => {}
        }
        Ok(outcome)
    }

    /// Says what is about to be done, and returns the number of steps.
    fn announce(&self, learner: &dyn Learner, info: &Info) -> u64 {
        let lengths = learner.lengths();
        let plan = Plan::new(&lengths, &self.config.train);
        self.console.note(&format!(
            "model {}, {:.1} M parameters; new tensors: {}",
            info.model.base,
            info.model.parameters as f64 / 1e6,
            info.model.fresh.len()
        ));
        self.console.note(&format!(
            "data {}: {} train, {} eval; {:.1} tokens a prompt, {} at most",
            self.config.data.dir.display(),
            self.data.train.rows.len(),
            self.data.eval.rows.len(),
            lengths.iter().sum::<usize>() as f64 / lengths.len() as f64,
            lengths.iter().max().copied().unwrap_or(0),
        ));
        self.console.note(&format!("plan {} steps, {} an epoch", plan.total_steps(), plan.steps_per_epoch()));
        plan.total_steps()
    }

    /// The best checkpoint's scores on the test split.
    fn report(&self, test: &Table) -> anyhow::Result<()> {
        let dtype = self.config.train.dtype;
        let text = judge_test(self.path, test, self.device, dtype, Format::Table, self.console)?;
        if self.args.unprinted { Ok(()) } else { write_result(&text, None) }
    }
}

/// The configuration file, then `--set`, then the flags that have a key.
pub fn read_config(args: &Args) -> Result<Config> {
    let mut sets = args.set.clone();
    sets.extend(args.seed.map(|seed| format!("train.seed={seed}")));
    sets.extend(args.device.as_ref().map(|device| format!("train.device=\"{device}\"")));
    sets.extend(args.dtype.map(|dtype| format!("train.dtype=\"{}\"", Precision::from(dtype).name())));
    Config::read(&args.config, &sets)
}

/// The run directory.
pub fn run_path(args: &Args) -> PathBuf {
    let named = || Path::new("runs").join(args.config.file_stem().unwrap_or_default());
    args.output.clone().unwrap_or_else(named)
}

/// The run to go on with, if it can be gone on with.
fn resume(path: &Path, config: &Config, data: &Data, limit: Option<usize>) -> Result<(Run, Saved)> {
    let run = Run::resume(path)?;
    let saved = Saved::open(path)?;
    match run::differences(&saved, config, &data.sources, limit)?.as_slice() {
        [] => Ok((run, saved)),
        found => {
            Err(Error::usage(format!("this is not the run in {}: {}", path.display(), found.join("; ")))
                .help("resume with the configuration and the data of the run, or begin another with -o"))
        }
    }
}

/// The model as it is before the first step.
fn new_model(config: &Config, train: &Table, device: &Device, console: &Console) -> Result<Model> {
    if config.model.family == FamilyKind::Linear {
        let prompts = train.rows.iter().map(|row| (row.sample.value, row.sample.scenario.as_str()));
        return Ok(Model::Linear(LinearModel::new(&config.model.linear, prompts, config.train.seed)));
    }
    let new = config.new_model();
    if config.model.base == "scratch" {
        let texts = train.rows.iter().map(|row| row.sample.scenario.as_str());
        let model = ValueModel::from_scratch(&config.model.scratch, texts, &new, device)?;
        return Ok(Model::Encoder(model.with_precision(config.train.dtype)));
    }
    let progress = Download::new(console);
    let mut tell = |transfer: hub::Transfer<'_>| progress.advance(transfer);
    let folder = hub::locate(&config.model.base, &config.model.revision, &hub_settings(), &mut tell)?;
    let model = ValueModel::from_pretrained(&folder, &new, device)?;
    Ok(Model::Encoder(model.with_precision(config.train.dtype)))
}
