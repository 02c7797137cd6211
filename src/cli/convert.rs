//! `valuenet data convert`: a dataset in another shape.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use valuenet::data::convert::{LineEnd, Shape, convert};

use super::output::Console;

#[derive(clap::Args)]
pub struct Args {
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

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let line_end = if args.crlf { LineEnd::CrLf } else { LineEnd::Lf };
    for written in convert(&args.input, &args.output, args.to.map(Shape::from), line_end)? {
        console.note(&format!("{} rows in {}", written.rows, written.path.display()));
    }
    Ok(ExitCode::SUCCESS)
}
