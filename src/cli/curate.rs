//! `valuenet data curate`: value-related scenarios in large files, found by keywords.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use valuenet::data::curate::keywords::Keywords;
use valuenet::data::curate::lists::Choice;
use valuenet::data::curate::{BLOCK, Curation, CurationSettings, RecordFormat};
use valuenet::error::Error;
use valuenet::report::curated::{CuratedWriter, Detail, RowFormat, summary};

use super::output::{Console, Output, print};
use super::progress::Scoring;

#[derive(clap::Args)]
pub struct Args {
    /// Files with scenarios; `-` for stdin.
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,

    /// The column of a table, or the key of JSON lines, that holds the scenarios.
    /// [default: scenario, situation or text]
    #[arg(long, value_name = "NAME")]
    column: Option<String>,

    /// How the files hold scenarios.
    /// [default: what their names end in; otherwise CSV with --column, and text without]
    #[arg(long, value_enum)]
    input: Option<InputShape>,

    /// The keywords: the paper's Figure 2, ours, both, or those in a folder (security.toml,
    /// power.toml and so on; one that is called like a list is ./paper).
    #[arg(long, value_name = "paper|extended|paper+extended|DIR", default_value = "paper")]
    keywords: OsString,

    /// What becomes of scenarios that are like an earlier one.
    #[arg(long, value_enum, default_value = "drop")]
    duplicates: Duplicates,

    /// How like is too like: the Jaccard similarity of the pairs of neighbouring words, above 0
    /// and up to 1.
    #[arg(long, value_name = "SHARE", default_value = "0.8", value_parser = share)]
    similarity: f64,

    /// Write a row for each keyword of a scenario, not only for the best of each value.
    #[arg(long)]
    all_keywords: bool,

    /// How to write the scenarios.
    #[arg(long, value_enum, default_value = "csv")]
    format: OutputFormat,

    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum InputShape {
    /// One scenario a line.
    Text,
    /// Comma-separated, with a header.
    Csv,
    /// Separated by tabs, with a header.
    Tsv,
    /// One JSON object a line.
    Jsonl,
}

impl From<InputShape> for RecordFormat {
    fn from(shape: InputShape) -> Self {
        match shape {
            InputShape::Text => RecordFormat::Text,
            InputShape::Csv => RecordFormat::Csv,
            InputShape::Tsv => RecordFormat::Tsv,
            InputShape::Jsonl => RecordFormat::Jsonl,
        }
    }
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Duplicates {
    Keep,
    Drop,
}

#[derive(Clone, Copy, ValueEnum)]
enum OutputFormat {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl From<OutputFormat> for RowFormat {
    fn from(format: OutputFormat) -> Self {
        match format {
            OutputFormat::Csv => RowFormat::Csv,
            OutputFormat::Jsonl => RowFormat::Jsonl,
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("a number above 0 and up to 1 was expected".into()),
    }
}

fn open(file: &Path) -> anyhow::Result<Box<dyn Read>> {
    Ok(match file.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(File::open(file).map_err(|error| Error::io(file, "read", error))?),
    })
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let output = Output::open(args.output.as_deref())?;
    let keywords = Keywords::of(&Choice::from(args.keywords.as_os_str()))?;
    let settings = CurationSettings {
        shape: args.input.map(RecordFormat::from),
        column: args.column.clone(),
        similarity: (args.duplicates == Duplicates::Drop).then_some(args.similarity),
        block: BLOCK,
    };
    if args.files.iter().any(|file| file.as_os_str() == "-") && std::io::stdin().is_terminal() {
        console.note("reading scenarios from the terminal, one a line; Ctrl-D ends");
    }
    let mut curation = Curation::new(&keywords, settings);
    let mut progress = Scoring::new(console);
    let detail = Detail { file: args.files.len() > 1, all_keywords: args.all_keywords };
    let curate = |out: &mut (dyn Write + Send)| -> anyhow::Result<()> {
        let mut writer =
            CuratedWriter::new(args.format.into(), detail, &keywords, BufWriter::new(out));
        for file in &args.files {
            curation.file(file, open(file)?, &mut |found, read| {
                progress.advance(read as usize);
                writer.write(file, found)
            })?;
        }
        writer.finish()?;
        Ok(())
    };
    output.write_rows(curate)?;
    progress.finish();
    let summary = summary(curation.summary());
    match &args.output {
        Some(_) => print(&summary)?,
        None => console.note(summary.trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}
