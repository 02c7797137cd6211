//! `valuenet profile`: the value profile of a speaker. `valuenet circle`: whether a model's vectors
//! follow Schwartz's circle.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use valuenet::error::Error;
use valuenet::eval::circle::Circle;
use valuenet::eval::speaker::Speaker;
use valuenet::recipe::profiles;
use valuenet::report::radar::{self, Line};
use valuenet::report::render;
use valuenet::report::speaker::SpeakerReport;
use valuenet::value::Profile;

use super::TableFormat;
use super::model::ModelArgs;
use super::output::{Console, Output, print};
use super::progress::Scoring;
use super::texts::{Texts, read_texts};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    texts: Texts,

    /// How many examples to show for each value.
    #[arg(long, value_name = "N", default_value = "1")]
    examples: usize,

    /// Draw the mean vector with its interval to this SVG file.
    #[arg(long, value_name = "FILE")]
    radar: Option<PathBuf>,

    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

#[derive(clap::Args)]
pub struct CircleArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    texts: Texts,

    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let drawing = args.radar.as_deref().map(|path| Output::open(Some(path))).transpose()?;
    let (texts, profiles) = score(&args.model, &args.texts, console)?;
    let found = Speaker::of(&profiles, args.examples).ok_or_else(|| nothing(&args.texts.file))?;
    if let Some(drawing) = drawing {
        let name = format!("{} ({} texts)", args.texts.file.display(), found.texts);
        let line = Line { name, profile: found.mean(), band: found.ends() };
        drawing.write(&radar::svg(&[line]))?;
    }
    print(&render(&SpeakerReport { speaker: &found, said: &texts }, args.format.into())?)?;
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
    texts: &Texts,
    console: &Console,
) -> anyhow::Result<(Vec<String>, Vec<Profile>)> {
    let source = read_texts(texts)?;
    let model = model.open()?;
    let mut progress = Scoring::new(console);
    let scored = profiles(model.predictor(), source, &mut |texts| progress.advance(texts))?;
    progress.finish();
    Ok(scored)
}
