//! `valuenet data aggregate`: annotations to a dataset.

use std::path::PathBuf;
use std::process::ExitCode;

use valuenet::data::aggregate::{self, aggregate};
use valuenet::error::Error;
use valuenet::report::render;

use super::TableFormat;
use super::annotations::AnnotationArgs;
use super::output::{Console, print};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: AnnotationArgs,

    /// A file .csv, or a new folder with a file for each value.
    #[arg(short, long, value_name = "DIR_OR_FILE")]
    output: PathBuf,

    /// How many workers must give the same answer, and more than give any other.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u16).range(1..))]
    agree: u16,

    /// Keep items on which they do not agree as neutral ones, as the paper's augmented version
    /// does.
    #[arg(long)]
    augment: bool,

    /// How to write the summary.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let answers = args.source.read()?;
    let screened = args.source.screen(&answers.annotations)?;
    let made = aggregate(&answers, screened, args.agree.into(), args.augment);
    if made.samples.is_empty() {
        let what = format!("there is no item on which {} workers agree", args.agree);
        return Err(Error::data(args.source.name(), what)
            .help("ask for fewer with --agree")
            .into());
    }
    let files = aggregate::write(&made.samples, &args.output)?;
    print(&render(&made, args.format.into())?)?;
    let files = if files == 1 { String::new() } else { format!(" ({files} files)") };
    console.note(&format!("{} samples in {}{files}", made.samples.len(), args.output.display()));
    Ok(ExitCode::SUCCESS)
}
