//! `valuenet compare`: are two models different beyond chance?

use std::path::PathBuf;
use std::process::ExitCode;

use valuenet::data::Split;
use valuenet::error::Result;
use valuenet::eval::Bootstrap;
use valuenet::recipe::compare;
use valuenet::report::render;

use super::output::Output;
use super::{MOST_REPLICATES, TableFormat};

#[derive(clap::Args)]
pub struct Args {
    /// Run directories of one task that `valuenet eval` has judged, or files of predictions, or of
    /// replies; each is compared with the first.
    #[arg(required = true, num_args = 2..)]
    runs: Vec<PathBuf>,

    /// The split whose predictions are compared.
    #[arg(long, default_value = "test")]
    split: Split,

    /// How many bootstrap replicates intervals and p-values are made of.
    #[arg(long, value_name = "N", default_value = "2000", value_parser = clap::value_parser!(u32).range(100..=MOST_REPLICATES))]
    bootstrap: u32,

    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,

    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let output = Output::open(args.output.as_deref())?;
    let bootstrap = Bootstrap { replicates: args.bootstrap, seed: 1 };
    let reports = compare(&args.runs, args.split, bootstrap)?;
    let texts = reports
        .iter()
        .map(|report| render(report.as_ref(), args.format.into()))
        .collect::<Result<Vec<_>>>()?;
    output.write(&texts.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}
