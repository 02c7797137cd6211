//! `valuenet reward`: what dialogues are worth for the personas of those who speak.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::Value as Json;
use valuenet::data::dialogue::{self, Dialogue, Vector};
use valuenet::error::Error;
use valuenet::eval::Bootstrap;
use valuenet::recipe::{center, distinct_profiles, reward};
use valuenet::report::rewards;
use valuenet::reward::{Center, Form};

use super::MOST_REPLICATES;
use super::model::ModelArgs;
use super::output::{Console, Output};
use super::progress::Scoring;
use super::texts::open;

/// What `--vectors` does without.
const MODEL_AND_TEXTS: [&str; 7] =
    ["run", "checkpoint", "device", "dtype", "file", "persona", "utterances"];

#[derive(clap::Args)]
#[command(
    override_usage = "valuenet reward [OPTIONS] <RUN> [FILE]\n       valuenet reward [OPTIONS] --vectors <FILE>"
)]
pub struct Args {
    #[command(flatten)]
    model: Option<ModelArgs>,

    /// Dialogues as JSON lines {"persona": [...], "utterances": [...]} or with the turns of both
    /// speakers, in ConvAI2's text format, where "your persona" is that of the second column, or
    /// as transfer-learning-conv-ai's JSON; `-` for stdin.
    #[arg(default_value = "-", conflicts_with_all = ["persona", "utterances"])]
    file: PathBuf,

    /// One dialogue from two text files instead: sentences about the speaker, one a line.
    #[arg(long, value_name = "FILE", requires = "utterances")]
    persona: Option<PathBuf>,

    /// What the speaker says, one utterance a line.
    #[arg(long, value_name = "FILE", requires = "persona")]
    utterances: Option<PathBuf>,

    /// Value vectors in place of RUN and texts: JSON lines {"persona_vectors": [[...]],
    /// "utterance_vectors": [[...]]}, all vectors of one length; `-` for stdin.
    #[arg(long, value_name = "FILE", conflicts_with_all = MODEL_AND_TEXTS)]
    vectors: Option<PathBuf>,

    /// The sum as the paper's listing has it, which has no bound below 0.
    #[arg(long)]
    literal: bool,

    /// Subtract from all vectors the mean vector of the dialogues' persona sentences, before they
    /// are scaled to length 1.
    #[arg(long)]
    center: bool,

    /// Subtract the mean vector of this file's persona sentences instead: dialogues, or one
    /// sentence a line.
    #[arg(long, value_name = "FILE")]
    center_on: Option<PathBuf>,

    /// Compare with dialogues that are given another one's persona, as this seed decides.
    #[arg(long, value_name = "SEED")]
    against_shuffled: Option<u64>,

    /// How many bootstrap replicates the intervals of that comparison are made of.
    #[arg(long, value_name = "N", default_value = "2000", value_parser = clap::value_parser!(u32).range(100..=MOST_REPLICATES))]
    bootstrap: u32,

    /// Only the first N dialogues.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: RewardFormat,

    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum RewardFormat {
    /// Two tables for each dialogue: its utterances, its persona.
    Table,
    /// One JSON object a dialogue.
    Jsonl,
    /// A row for each utterance.
    Csv,
}

impl From<RewardFormat> for rewards::RewardsFormat {
    fn from(format: RewardFormat) -> Self {
        match format {
            RewardFormat::Table => rewards::RewardsFormat::Table,
            RewardFormat::Jsonl => rewards::RewardsFormat::Jsonl,
            RewardFormat::Csv => rewards::RewardsFormat::Csv,
        }
    }
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let output = Output::open(args.output.as_deref())?;
    let text = match (&args.vectors, &args.model) {
        (Some(file), _) => {
            let dialogues = args.limited(dialogue::read_vectors(file, open(file)?)?);
            let center_on =
                args.center_on.as_ref().map(|other| vectors_like(&dialogues, file, other));
            args.written(file, &dialogues, center_on.transpose()?.as_deref(), Vector::clone)?
        }
        (None, Some(model)) => {
            let dialogues = args.limited(read(args)?);
            let center_on = |file: &PathBuf| dialogue::sentences(file, open(file)?);
            let center_on = args.center_on.as_ref().map(center_on).transpose()?;
            let texts = dialogues.iter().flat_map(Dialogue::all).chain(center_on.iter().flatten());
            let model = model.open()?;
            let mut progress = Scoring::new(console);
            let vectors = distinct_profiles(model.predictor(), texts, &mut |texts| {
                progress.advance(texts);
            })?;
            progress.finish();
            let vector = |text: &String| {
                vectors.get(text.as_str()).map(|profile| profile.map(f64::from).to_vec())
            };
            args.written(&args.file, &dialogues, center_on.as_deref(), |text| {
                vector(text).unwrap_or_default()
            })?
        }
        (None, None) => return Err(Error::usage("a RUN is needed, or --vectors FILE").into()),
    };
    output.write(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The personas of another file of vectors, which are as long as those of the dialogues.
fn vectors_like(
    dialogues: &[Dialogue<Vector>],
    file: &Path,
    other: &Path,
) -> Result<Vec<Vector>, Error> {
    let read = dialogue::read_vectors(other, open(other)?)?;
    let sentences: Vec<Vector> = read.into_iter().flat_map(|dialogue| dialogue.persona).collect();
    let length = |vectors: Option<&Vector>| vectors.map_or(0, Vec::len);
    let (own, found) =
        (length(dialogues.iter().flat_map(|one| &one.persona).next()), length(sentences.first()));
    if own == found {
        return Ok(sentences);
    }
    let what = format!("its vectors have {found} numbers, and those of {} {own}", file.display());
    Err(Error::data(other, what))
}

impl Args {
    fn limited<T>(&self, mut dialogues: Vec<Dialogue<T>>) -> Vec<Dialogue<T>> {
        dialogues.truncate(self.limit.map_or(usize::MAX, |limit| limit as usize));
        dialogues
    }

    /// What is written of the dialogues of a file, whose sentences have the vectors that `vector`
    /// gives.
    fn written<T: Clone + Into<Json>>(
        &self,
        file: &Path,
        dialogues: &[Dialogue<T>],
        center_on: Option<&[T]>,
        vector: impl Fn(&T) -> Vector,
    ) -> Result<String, Error> {
        let vectors: Vec<Dialogue<Vector>> =
            dialogues.iter().map(|dialogue| dialogue.map(&vector)).collect();
        let center = match center_on {
            Some(sentences) => Center::of(sentences.iter().map(&vector)),
            None if self.center => center(&vectors),
            None => None,
        };
        let form = if self.literal { Form::Literal } else { Form::Bounded };
        let rewarded = reward(vectors, center.as_ref(), form);
        let (settings, format) = (rewarded.settings, self.format.into());
        let Some(seed) = self.against_shuffled else {
            return rewards::rewards(dialogues, &rewarded.rewards, settings, format);
        };
        let bootstrap = Bootstrap { replicates: self.bootstrap, seed: 1 };
        let comparison = rewarded.against_shuffled(file, dialogues, seed, bootstrap)?;
        rewards::comparison(&comparison, settings, format)
    }
}

fn read(args: &Args) -> anyhow::Result<Vec<Dialogue>> {
    if let (Some(persona), Some(utterances)) = (&args.persona, &args.utterances) {
        return Ok(vec![dialogue::of_files(
            (persona, open(persona)?),
            (utterances, open(utterances)?),
        )?]);
    }
    Ok(dialogue::read(&args.file, open(&args.file)?)?)
}
