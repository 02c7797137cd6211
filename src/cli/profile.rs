//! `valuenet profile`: the value profile of a speaker, or of many. `valuenet circle`: whether a model's vectors
//! follow Schwartz's circle.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use valuenet::data::{FileKind, Keep};
use valuenet::error::Error;
use valuenet::eval::authors::Authors;
use valuenet::eval::circle::Circle;
use valuenet::eval::speaker::Speaker;
use valuenet::recipe::{author_profiles, profiles};
use valuenet::report::authors::AuthorsReport;
use valuenet::report::radar::{self, Series};
use valuenet::report::render;
use valuenet::report::speaker::SpeakerReport;
use valuenet::value::{Group, Profile};

use super::TableFormat;
use super::model::ModelArgs;
use super::output::{Console, Output, print};
use super::progress::Scoring;
use super::texts::{TextArgs, read_table, read_texts};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    texts: TextArgs,

    /// How many examples to show for each value.
    #[arg(long, value_name = "N", default_value = "1")]
    examples: usize,

    /// Draw the mean vector with its interval to this SVG file.
    #[arg(long, value_name = "FILE")]
    radar: Option<PathBuf>,

    /// The profiles of many: the column of a table that says whose a text is.
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["radar", "examples"])]
    by: Option<String>,

    /// With --by: take the mean over the ten values off each, as is done before profiles are compared.
    #[arg(long, requires = "by")]
    center: bool,

    /// With --by: the group that hedonism counts with.
    #[arg(long, value_enum, default_value = "self-enhancement", requires = "by")]
    hedonism: Hedonism,

    /// Write to this file instead of stdout; with --by it may be a Parquet file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum Hedonism {
    /// As in the paper.
    SelfEnhancement,
    /// As in Schwartz's own key.
    OpennessToChange,
}

impl From<Hedonism> for Group {
    fn from(hedonism: Hedonism) -> Self {
        match hedonism {
            Hedonism::SelfEnhancement => Group::SelfEnhancement,
            Hedonism::OpennessToChange => Group::OpennessToChange,
        }
    }
}

#[derive(clap::Args)]
pub struct CircleArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    texts: TextArgs,

    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    if args.is_parquet() && args.by.is_none() {
        let what = "a Parquet file holds the profiles of many: --by says whose";
        return Err(Error::usage(what).into());
    }
    let output = Output::open(args.output.as_deref())?;
    if let Some(by) = &args.by {
        return run_by(args, by, output, console);
    }
    let drawing = args.radar.as_deref().map(|path| Output::open(Some(path))).transpose()?;
    let (texts, profiles) = score(&args.model, &args.texts, console)?;
    let found = Speaker::of(&profiles, args.examples).ok_or_else(|| nothing(&args.texts.file))?;
    if let Some(drawing) = drawing {
        let name = format!("{} ({} texts)", args.texts.file.display(), found.texts);
        let line = Series { name, profile: found.mean(), band: found.ends() };
        drawing.write(&radar::svg(&[line]))?;
    }
    output.write(&render(&SpeakerReport { speaker: &found, said: &texts }, args.format.into())?)?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// Whether the output is named as a Parquet file.
    fn is_parquet(&self) -> bool {
        self.output.as_deref().is_some_and(|path| FileKind::of(path) == FileKind::Parquet)
    }
}

/// The profiles of many.
fn run_by(args: &Args, by: &str, output: Output, console: &Console) -> anyhow::Result<ExitCode> {
    let mut table = read_table(&args.texts, &Keep::These(vec![by.into()]), None)?;
    let model = args.model.open()?;
    let mut progress = Scoring::new(console);
    let mut authors = Authors::new(args.center, args.hedonism.into());
    let advance = &mut |texts| progress.advance(texts);
    author_profiles(model.predictor(), &mut table, &mut authors, advance)?;
    progress.finish();
    let report = AuthorsReport::new(by, args.center, authors.profiles());
    if args.is_parquet() {
        let bytes = report.parquet()?;
        output.write_rows(|out| Ok(out.write_all(&bytes)?))?;
    } else {
        output.write(&render(&report, args.format.into())?)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn circle(args: &CircleArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let (_, profiles) = score(&args.model, &args.texts, console)?;
    if profiles.len() < 3 {
        return Err(nothing(&args.texts.file).help("correlations need three texts or more").into());
    }
    print(&render(&Circle::of(&profiles), args.format.into())?)?;
    Ok(ExitCode::SUCCESS)
}

fn nothing(file: &Path) -> Error {
    Error::data(file, "there are too few texts in this file")
}

/// The texts that are not blank, and their vectors.
fn score(
    model: &ModelArgs,
    texts: &TextArgs,
    console: &Console,
) -> anyhow::Result<(Vec<String>, Vec<Profile>)> {
    let source = read_texts(texts)?;
    let model = model.open()?;
    let mut progress = Scoring::new(console);
    let scored = profiles(model.predictor(), source, &mut |texts| progress.advance(texts))?;
    progress.finish();
    Ok(scored)
}
