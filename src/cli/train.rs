//! `valuenet train`: from a configuration to a run directory with a trained model.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use valuenet::config::Config;
use valuenet::error::Result;
use valuenet::nn::precision::Precision;
use valuenet::recipe::{
    Begin, Outcome, TrainRequest, seeds_report, train, train_folds, train_seeds,
};
use valuenet::report::{Format, render};
use valuenet::run::IfOccupied;

use super::LARGEST_SEED;
use super::model::Dtype;
use super::output::{Console, print};
use super::site::Here;

#[derive(clap::Args)]
pub struct Args {
    /// The configuration file.
    config: PathBuf,

    /// The run directory; by default runs/ and the name of the configuration.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Change a key of the configuration, such as train.learning_rate=3e-5.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// The seed (train.seed).
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=LARGEST_SEED))]
    seed: Option<u64>,

    /// Several seeds: one run each, in seed-N below the run directory, and their mean at the end.
    #[arg(long, value_delimiter = ',', value_name = "N,…", conflicts_with = "seed", value_parser = clap::value_parser!(u64).range(..=LARGEST_SEED))]
    seeds: Vec<u64>,

    /// Train so many models, each without a part of the data. Of a value model: parts of the texts of
    /// the train and eval splits, each judged by the model that has not learned from it, with one
    /// report. Of a classifier of emotions: parts of the train split, in folds/ below the run, and
    /// what is predicted of all texts is kept in emotions.jsonl there.
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "dry_run", "stop_after"], value_parser = clap::value_parser!(u16).range(2..))]
    folds: Option<u16>,

    /// auto, cpu, cuda or cuda:N (train.device).
    #[arg(long)]
    device: Option<String>,

    /// Several devices, such as cuda:0,cuda:1: each trains one of the seeds at a time.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "D,…",
        requires = "seeds",
        conflicts_with = "device"
    )]
    devices: Vec<String>,

    /// In which precision linear layers are computed (train.dtype).
    #[arg(long, value_enum)]
    dtype: Option<Dtype>,

    /// Read only the first N rows of each split.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// Go on where the run stopped; the same configuration and data give the same model as without
    /// the stop.
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,

    /// Begin anew; a run that is there is kept under another name.
    #[arg(long)]
    overwrite: bool,

    /// Prepare everything, say what would be done, and write nothing.
    #[arg(long, conflicts_with_all = ["resume", "overwrite"])]
    dry_run: bool,

    /// Stop after this many steps, to be resumed later.
    #[arg(long, value_name = "STEPS")]
    stop_after: Option<u64>,

    /// Do not report the test split at the end.
    #[arg(long)]
    no_test: bool,

    /// Write event files for TensorBoard too.
    #[arg(long)]
    tensorboard: bool,
}

/// The exit code of what was interrupted and saved.
const INTERRUPTED: u8 = 130;

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let (request, here) = (args.request()?, Here::new(console));
    if !args.seeds.is_empty() {
        let ended = train_seeds(&request, &args.seeds, &args.devices, here.site())?;
        return if ended { seeds_ended(&request) } else { Ok(ExitCode::from(INTERRUPTED)) };
    }
    let outcome = match args.folds {
        Some(folds) => train_folds(&request, folds.into(), here.site())?,
        None => train(&request, here.site())?,
    };
    match outcome {
        Outcome::Interrupted => return Ok(ExitCode::from(INTERRUPTED)),
        Outcome::Ended(_, Some(report)) => print(&render(report.as_ref(), Format::Table)?)?,
        Outcome::Ended(_, None) | Outcome::Planned => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the means over seeds, unless a run was only begun, or its data has no test split.
fn seeds_ended(request: &TrainRequest) -> anyhow::Result<ExitCode> {
    if request.test
        && request.begin != Begin::DryRun
        && let Some(report) = seeds_report(&request.folder)?
    {
        print(&render(report.as_ref(), Format::Table)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn request(&self) -> Result<TrainRequest> {
        let named = || Path::new("runs").join(self.config.file_stem().unwrap_or_default());
        Ok(TrainRequest {
            config: self.read_config()?,
            folder: self.output.clone().unwrap_or_else(named),
            begin: match (self.dry_run, self.resume, self.overwrite) {
                (true, ..) => Begin::DryRun,
                (_, true, _) => Begin::Resume,
                (.., true) => Begin::New(IfOccupied::MoveAside),
                _ => Begin::New(IfOccupied::Refuse),
            },
            limit: self.limit.map(|limit| limit as usize),
            stop_after: self.stop_after,
            test: !self.no_test,
            tensorboard: self.tensorboard,
        })
    }

    /// The configuration file, then `--set`, then the flags that have a key.
    fn read_config(&self) -> Result<Config> {
        let mut sets = self.set.clone();
        sets.extend(self.seed.map(|seed| format!("train.seed={seed}")));
        sets.extend(self.device.as_ref().map(|device| format!("train.device=\"{device}\"")));
        sets.extend(
            self.dtype.map(|dtype| format!("train.dtype=\"{}\"", Precision::from(dtype).name())),
        );
        Config::read(&self.config, &sets)
    }
}
