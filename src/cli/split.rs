//! `valuenet data split`: a dataset dealt out to train, eval and test.

use std::path::PathBuf;
use std::process::ExitCode;

use valuenet::data::partition::{Shares, partition};
use valuenet::data::{Part, Sample, SampleTable};
use valuenet::error::Result;
use valuenet::report::render;

use super::TableFormat;
use super::output::print;

#[derive(clap::Args)]
pub struct Args {
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

    /// Deal out row by row, so that a text may stand in train under one value and in test under
    /// another, as it does in the published splits.
    #[arg(long)]
    no_group_by_text: bool,

    /// How to write the table.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let tables = Part::read_all(&args.data)?.into_iter().flat_map(|part| part.tables);
    let tables = tables.map(SampleTable::strict).collect::<Result<Vec<_>>>()?;
    let samples: Vec<Sample> =
        tables.into_iter().flat_map(|table| table.rows).map(|row| row.sample).collect();
    let by_text = args.group_by_text || !args.no_group_by_text;
    let made = partition(&samples, args.shares, by_text, args.seed)?;
    made.write(&args.output)?;
    print(&render(&made, args.format.into())?)?;
    Ok(ExitCode::SUCCESS)
}
