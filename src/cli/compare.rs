//! `valuenet compare`: are two models different beyond chance?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use valuenet::data::Split;
use valuenet::error::{Error, Result};
use valuenet::eval::compare::Comparison;
use valuenet::eval::{Bootstrap, Scored};
use valuenet::report::comparison::Report;
use valuenet::report::predictions::{self, Read};
use valuenet::run::Saved;

use super::TableFormat;
use super::output::write_result;

#[derive(clap::Args)]
pub struct Args {
    /// Run directories that `valuenet eval` has judged, or files of predictions; each is compared with the first.
    #[arg(required = true, num_args = 2..)]
    runs: Vec<PathBuf>,

    /// The split whose predictions are compared.
    #[arg(long, default_value = "test")]
    split: Split,

    /// How many bootstrap replicates intervals and p-values are made of.
    #[arg(long, value_name = "N", default_value = "2000", value_parser = clap::value_parser!(u32).range(100..))]
    bootstrap: u32,

    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,

    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let all = args.runs.iter().map(|run| predictions_of(run, args.split)).collect::<Result<Vec<_>>>()?;
    let mut texts = Vec::new();
    for (run, rows) in args.runs.iter().zip(&all).skip(1) {
        let comparison = compare(args, rows, run, &all[0])?;
        texts.push(comparison);
    }
    write_result(&texts.join("\n"), args.output.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

fn compare(args: &Args, rows: &[Read], run: &Path, first: &[Read]) -> Result<String> {
    let key = |row: &Read| (row.scored.value, row.scored.label, row.scenario.clone());
    let differing = first.iter().zip(rows).position(|(a, b)| key(a) != key(b));
    if first.len() != rows.len() || differing.is_some() {
        let at = differing.map_or(String::new(), |place| format!(", from prediction {} on", place + 1));
        let what = format!("these are not predictions for the rows of {}{at}", args.runs[0].display());
        return Err(Error::data(run, what).help("judge both with `valuenet eval` on the same data"));
    }
    let scored = |rows: &[Read]| rows.iter().map(|row| row.scored).collect::<Vec<Scored>>();
    let bootstrap = Bootstrap { replicates: args.bootstrap, seed: 1 };
    let report = Report {
        a: args.runs[0].display().to_string(),
        b: run.display().to_string(),
        split: args.split.name().into(),
        bootstrap,
        comparison: &Comparison::of(&scored(first), &scored(rows), bootstrap),
    };
    report.render(args.format.into())
}

/// The predictions of a run, or those in a file.
fn predictions_of(run: &Path, split: Split) -> Result<Vec<Read>> {
    let path = match Saved::is_run(run) {
        true => Saved::open(run)?.predictions(split.name()),
        false => run.to_path_buf(),
    };
    if !path.is_file() {
        return Err(Error::file(&path, "there are no such predictions")
            .help(format!("`valuenet eval {} --split {split}` makes them", run.display())));
    }
    predictions::read(&path)
}
