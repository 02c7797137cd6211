//! `valuenet reward`: what dialogues are worth for the personas of those who speak.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use valuenet::data::dialogue::{self, Dialogue};
use valuenet::data::texts;
use valuenet::error::Error;
use valuenet::eval::Bootstrap;
use valuenet::infer;
use valuenet::model::Predictor;
use valuenet::report::rewards::{self, Comparison, Settings};
use valuenet::reward::{Difference, Form, GAMMA, Reward, strangers};
use valuenet::value::Profile;

use super::model::ModelArgs;
use super::output::{Console, write_result};
use super::progress::Scoring;
use super::texts::open;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// Dialogues as JSON lines {"persona": [...], "utterances": [...]}, or in ConvAI2's text format, where "your persona"
    /// is that of the second column; `-` for stdin.
    #[arg(default_value = "-", conflicts_with_all = ["persona", "utterances"])]
    file: PathBuf,

    /// One dialogue from two text files instead: sentences about the speaker, one a line.
    #[arg(long, value_name = "FILE", requires = "utterances")]
    persona: Option<PathBuf>,

    /// What the speaker says, one utterance a line.
    #[arg(long, value_name = "FILE", requires = "persona")]
    utterances: Option<PathBuf>,

    /// The discount from one utterance to the next, in [0, 1].
    #[arg(long, default_value_t = GAMMA, value_parser = discount)]
    gamma: f64,

    /// The reward of an utterance as the paper prints it: 1/s for a similarity s below 0, which has no bound.
    #[arg(long)]
    literal: bool,

    /// Compare with dialogues that are given another one's persona, as this seed decides.
    #[arg(long, value_name = "SEED")]
    against_shuffled: Option<u64>,

    /// How many bootstrap replicates the intervals of that comparison are made of.
    #[arg(long, value_name = "N", default_value = "2000", value_parser = clap::value_parser!(u32).range(100..))]
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
    /// A table for each dialogue.
    Table,
    /// One JSON object a dialogue.
    Jsonl,
    /// A row for each utterance.
    Csv,
}

impl From<RewardFormat> for rewards::Format {
    fn from(format: RewardFormat) -> Self {
        match format {
            RewardFormat::Table => rewards::Format::Table,
            RewardFormat::Jsonl => rewards::Format::Jsonl,
            RewardFormat::Csv => rewards::Format::Csv,
        }
    }
}

fn discount(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(gamma) if (0.0..=1.0).contains(&gamma) => Ok(gamma),
        _ => Err("a discount is a number from 0 to 1".into()),
    }
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let mut dialogues = read(args)?;
    dialogues.truncate(args.limit.map_or(usize::MAX, |limit| limit as usize));
    let model = args.model.open()?;
    let scored =
        Scored { vectors: score(model.predictor(), &dialogues, console)?, settings: args.settings() };
    let own: Vec<Reward> = dialogues.iter().map(|dialogue| scored.reward(dialogue, dialogue)).collect();
    let text = match args.against_shuffled {
        None => rewards::rewards(&dialogues, &own, scored.settings, args.format.into())?,
        Some(seed) => {
            let personas: Vec<Vec<String>> =
                dialogues.iter().map(|dialogue| dialogue.persona.clone()).collect();
            let others = strangers(&personas, seed).ok_or_else(|| {
                Error::data(&args.file, "there is only one persona, and none to compare it with")
            })?;
            let pairs = dialogues.iter().zip(others);
            let shuffled: Vec<Reward> =
                pairs.map(|(said, other)| scored.reward(&dialogues[other], said)).collect();
            let bootstrap = Bootstrap { replicates: args.bootstrap, seed: 1 };
            let difference = |figure: fn(&Reward) -> f64| {
                let [own, shuffled] =
                    [&own, &shuffled].map(|rewards| rewards.iter().map(figure).collect::<Vec<f64>>());
                Difference::of(&own, &shuffled, bootstrap)
            };
            let comparison = Comparison {
                dialogues: dialogues.len(),
                seed,
                reward: difference(|reward| reward.total),
                mean: difference(Reward::mean),
            };
            rewards::comparison(&comparison, scored.settings, args.format.into())?
        }
    };
    write_result(&text, args.output.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn settings(&self) -> Settings {
        Settings { gamma: self.gamma, form: if self.literal { Form::Literal } else { Form::Bounded } }
    }
}

/// The vectors of all texts, and how rewards are made of them.
struct Scored<'a> {
    vectors: HashMap<&'a str, Profile>,
    settings: Settings,
}

impl Scored<'_> {
    /// The reward of what one speaker says for the persona of another, or the same.
    fn reward(&self, persona: &Dialogue, said: &Dialogue) -> Reward {
        let vectors = |texts: &[String]| -> Vec<Profile> {
            texts.iter().filter_map(|text| self.vectors.get(text.as_str())).copied().collect()
        };
        let Settings { gamma, form } = self.settings;
        Reward::of(&vectors(&persona.persona), &vectors(&said.utterances), gamma, form)
    }
}

fn read(args: &Args) -> anyhow::Result<Vec<Dialogue>> {
    if let (Some(persona), Some(utterances)) = (&args.persona, &args.utterances) {
        return Ok(vec![dialogue::of_files((persona, lines(persona)?), (utterances, lines(utterances)?))?]);
    }
    Ok(dialogue::read(&args.file, lines(&args.file)?)?)
}

fn lines(path: &Path) -> Result<impl Iterator<Item = Result<String, Error>>, Error> {
    Ok(texts::lines(path, open(path)?))
}

/// The vectors of all different texts, each of which is scored once.
fn score<'a>(
    model: &dyn Predictor,
    dialogues: &'a [Dialogue],
    console: &Console,
) -> anyhow::Result<HashMap<&'a str, Profile>> {
    let mut vectors: HashMap<&str, Profile> = HashMap::new();
    let mut texts: Vec<&str> = Vec::new();
    for text in dialogues.iter().flat_map(|dialogue| dialogue.persona.iter().chain(&dialogue.utterances)) {
        vectors.entry(text).or_insert_with(|| {
            texts.push(text);
            Profile::default()
        });
    }
    let mut progress = Scoring::new(console);
    let mut scored = texts.iter();
    infer::stream(model, texts.iter().map(|text| Ok(text.to_string())), infer::CHUNK, &mut |rows| {
        progress.advance(rows.len());
        // In this order: the other one would take a text too many at the end of each chunk.
        for (row, text) in rows.iter().zip(scored.by_ref()) {
            vectors.insert(text, row.profile.unwrap_or_default());
        }
        Ok(())
    })?;
    progress.finish();
    Ok(vectors)
}
