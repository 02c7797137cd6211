//! `valuenet report`: runs as one HTML page, or as a table.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use valuenet::data::Split;
use valuenet::recipe::{Gathered, gather};
use valuenet::report::{Format, render};

use super::output::{Console, Output};

#[derive(clap::Args)]
pub struct Args {
    /// Run directories that have a report on the split, or folders of such runs under several
    /// seeds.
    #[arg(required = true)]
    runs: Vec<PathBuf>,

    /// The split.
    #[arg(long, default_value = "test")]
    split: Split,

    /// How to write it.
    #[arg(long, value_enum, default_value = "html")]
    format: ReportFormat,

    /// How many of the largest misses, or of the replies, the page quotes for each run.
    #[arg(long, value_name = "N", default_value = "12")]
    misses: usize,

    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ReportFormat {
    /// One page without scripts or other files.
    Html,
    Table,
    Json,
    Csv,
    Markdown,
    Latex,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let output = Output::open(args.output.as_deref())?;
    let Gathered { page, table, runs } = gather(&args.runs, args.split, args.misses)?;
    let text = match args.format {
        ReportFormat::Html => page,
        ReportFormat::Table => render(table.as_ref(), Format::Table)?,
        ReportFormat::Json => render(table.as_ref(), Format::Json)?,
        ReportFormat::Csv => render(table.as_ref(), Format::Csv)?,
        ReportFormat::Markdown => render(table.as_ref(), Format::Markdown)?,
        ReportFormat::Latex => render(table.as_ref(), Format::Latex)?,
    };
    output.write(&text)?;
    if let Some(path) = &args.output {
        console.note(&format!("{runs} runs in {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}
