//! `valuenet data aggregate`: annotations to a dataset.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use valuenet::data::aggregate::{self, Sifted, aggregate, sift};
use valuenet::data::annotations::{self, Annotation, Answers, Qualification};
use valuenet::error::Error;
use valuenet::report;

use super::TableFormat;
use super::output::{Console, write_result};

/// Which annotations are meant.
#[derive(clap::Args)]
pub struct Source {
    /// Files of answers: CSV or JSON Lines with the columns worker, value, answer (yes, no, unrelated, not sure), and scenario,
    /// item or both; results of a Mechanical Turk batch; JSON exports of Label Studio.
    #[arg(required = true)]
    annotations: Vec<PathBuf>,

    /// A file with the scenario of each item, in the columns item and scenario.
    #[arg(long, value_name = "FILE")]
    items: Option<PathBuf>,

    /// The right answers to hidden qualification items, in the columns item (or scenario), value and answer; workers who fail
    /// are left out, and so are these items.
    #[arg(long, value_name = "FILE")]
    qualification: Option<PathBuf>,

    /// The share of qualification items that a worker must have right; "not sure" is wrong. The paper states none.
    #[arg(long, value_name = "SHARE", default_value = "0.7", value_parser = share, requires = "qualification")]
    pass: f64,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_string())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is between 0 and 1".into()) }
}

impl Source {
    pub fn read(&self) -> anyhow::Result<Answers> {
        let read = annotations::read(&self.annotations, self.items.as_deref())?;
        match read.annotations.is_empty() {
            true => Err(Error::data(self.name(), "there are no answers in it").into()),
            false => Ok(read),
        }
    }

    /// What errors call the files.
    pub fn name(&self) -> PathBuf {
        match self.annotations.as_slice() {
            [first, rest @ ..] if !rest.is_empty() => {
                Path::new(&format!("{} and {} more", first.display(), rest.len())).into()
            }
            files => files.iter().collect(),
        }
    }

    pub fn sift<'a>(&self, annotations: &'a [Annotation]) -> anyhow::Result<Sifted<'a>> {
        let qualification = match &self.qualification {
            Some(path) => Qualification::read(path)?,
            None => Qualification::default(),
        };
        Ok(sift(annotations, &qualification, self.pass)?)
    }
}

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,

    /// A file .csv, or a new folder with a file for each value.
    #[arg(short, long, value_name = "DIR_OR_FILE")]
    output: PathBuf,

    /// How many workers must give the same answer, and more than give any other.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u16).range(1..))]
    agree: u16,

    /// Keep items on which they do not agree as neutral ones, as the paper's augmented version does.
    #[arg(long)]
    augment: bool,

    /// How to write the summary.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let answers = args.source.read()?;
    let sifted = args.source.sift(&answers.annotations)?;
    let made = aggregate(&answers, sifted, args.agree.into(), args.augment);
    if made.samples.is_empty() {
        let what = format!("there is no item on which {} workers agree", args.agree);
        return Err(Error::data(args.source.name(), what).help("ask for fewer with --agree").into());
    }
    let files = aggregate::write(&made.samples, &args.output)?;
    write_result(&report::annotations::aggregation(&made, args.format.into())?, None)?;
    let files = if files == 1 { String::new() } else { format!(" ({files} files)") };
    console.note(&format!("{} samples in {}{files}", made.samples.len(), args.output.display()));
    Ok(ExitCode::SUCCESS)
}
