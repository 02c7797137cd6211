//! `valuenet eval`: the scores of a trained model.

use std::path::PathBuf;
use std::process::ExitCode;

use valuenet::data::Split;
use valuenet::recipe::{JudgeRequest, Judged, judge};
use valuenet::report::render;

use super::TableFormat;
use super::model::ModelArgs;
use super::output::{Console, Output};
use super::site::Here;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// The split of the run's own data.
    #[arg(long, default_value = "test", conflicts_with = "data")]
    split: Split,

    /// Evaluate on this file instead.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// How many bootstrap replicates the 95% intervals are made of; 0 for none [default: 2000 for
    /// test, otherwise 0].
    #[arg(long, value_name = "N")]
    bootstrap: Option<u32>,

    /// Also cut classes at thresholds fitted on the run's eval split, beside the paper's rounding.
    #[arg(long, conflicts_with = "data")]
    thresholds: bool,

    /// How to write the report.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,

    /// Write the report to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let output = Output::open(args.output.as_deref())?;
    let request = JudgeRequest {
        folder: args.model.run.clone(),
        checkpoint: args.model.checkpoint.into(),
        device: args.model.device.clone(),
        precision: args.model.dtype.into(),
        rows: match &args.data {
            Some(path) => Judged::File(path.clone()),
            None => Judged::Split(args.split),
        },
        bootstrap: args.bootstrap,
        thresholds: args.thresholds,
    };
    let report = judge(&request, Here::new(console).site().observer)?;
    output.write(&render(report.as_ref(), args.format.into())?)?;
    Ok(ExitCode::SUCCESS)
}
