//! `valuenet data`: what is in a dataset, and what is wrong with it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use valuenet::data::{Part, check, stats};
use valuenet::error::Kind;
use valuenet::report;

use super::TableFormat;
use super::output::write_result;

#[derive(Subcommand)]
pub enum Command {
    /// Count samples, tokens and labels (the paper's Table 1, Figures 4 and 8-10).
    Stats(Args),
    /// List bad rows, conflicts and duplicates, and what test shares with train.
    Check(Args),
}

#[derive(clap::Args)]
pub struct Args {
    /// A folder with train.csv, eval.csv and test.csv, or with a file for each value; or one file.
    dir: PathBuf,

    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Stats(args) => {
            let parts = Part::read_all(&args.dir)?;
            write_result(&report::dataset::stats(&stats::stats(&parts), args.format.into())?, None)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(args) => {
            let findings = check::check(&Part::read_all(&args.dir)?);
            write_result(&report::dataset::findings(&findings, args.format.into())?, None)?;
            Ok(match findings.bad.is_empty() {
                true => ExitCode::SUCCESS,
                false => ExitCode::from(Kind::Data.exit_code()),
            })
        }
    }
}
