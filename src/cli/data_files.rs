//! `valuenet data split`: a dataset dealt out to train, eval and test. `valuenet data convert`: a dataset in another shape.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use valuenet::data::convert::{LineEnd, Shape, convert};
use valuenet::data::partition::{Shares, partition};
use valuenet::data::{Part, Sample, Table};
use valuenet::error::Result;
use valuenet::report;

use super::TableFormat;
use super::output::{Console, write_result};

#[derive(clap::Args)]
pub struct SplitArgs {
    /// A dataset folder or file; splits that it has are put together first.
    data: PathBuf,

    /// The new folder.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// The shares of train, eval and test.
    #[arg(long, value_name = "TRAIN,EVAL,TEST", default_value = "75,15,10")]
    shares: Shares,

    /// Decides which rows go where.
    #[arg(long, default_value = "1")]
    seed: u64,

    /// Keep all rows of a text in one split; this is the default.
    #[arg(long, overrides_with = "no_group_by_text")]
    group_by_text: bool,

    /// Deal out row by row, so that a text may stand in train under one value and in test under another, as it does in the
    /// published splits.
    #[arg(long)]
    no_group_by_text: bool,

    /// How to write the table.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

pub fn split(args: &SplitArgs) -> anyhow::Result<ExitCode> {
    let tables = Part::read_all(&args.data)?.into_iter().flat_map(|part| part.tables);
    let tables = tables.map(Table::strict).collect::<Result<Vec<_>>>()?;
    let samples: Vec<Sample> =
        tables.into_iter().flat_map(|table| table.rows).map(|row| row.sample).collect();
    let by_text = args.group_by_text || !args.no_group_by_text;
    let made = partition(&samples, args.shares, by_text, args.seed)?;
    made.write(&args.output)?;
    write_result(&report::partition::partition(&made, args.format.into())?, None)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args)]
pub struct ConvertArgs {
    /// A dataset folder or file.
    input: PathBuf,

    /// A file .csv, .jsonl or .parquet, or a new folder for splits and for a file for each value.
    #[arg(short, long, value_name = "DIR_OR_FILE")]
    output: PathBuf,

    /// The shape of what is written [default: what the file's name says, otherwise tagged].
    #[arg(long, value_enum)]
    to: Option<ShapeName>,

    /// End the lines of CSV files with CR LF, as those of the published files do.
    #[arg(long)]
    crlf: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ShapeName {
    /// CSV with `scenario,label`, the scenario as `[VALUE] text`.
    Tagged,
    /// CSV with `value,scenario,label`.
    Columns,
    /// A folder with a CSV file for each value.
    PerValue,
    /// JSON Lines.
    Jsonl,
    /// Parquet.
    Parquet,
}

impl From<ShapeName> for Shape {
    fn from(name: ShapeName) -> Self {
        match name {
            ShapeName::Tagged => Shape::Tagged,
            ShapeName::Columns => Shape::Columns,
            ShapeName::PerValue => Shape::PerValue,
            ShapeName::Jsonl => Shape::Jsonl,
            ShapeName::Parquet => Shape::Parquet,
        }
    }
}

pub fn converted(args: &ConvertArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let line_end = if args.crlf { LineEnd::CrLf } else { LineEnd::Lf };
    for written in convert(&args.input, &args.output, args.to.map(Shape::from), line_end)? {
        console.note(&format!("{} rows in {}", written.rows, written.path.display()));
    }
    Ok(ExitCode::SUCCESS)
}
