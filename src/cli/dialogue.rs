//! `valuenet dialogue`: persona dialogues for language models.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use valuenet::data::conversation::{self, candidates};
use valuenet::data::texts;
use valuenet::error::Result;
use valuenet::generate::Search;
use valuenet::generate::sampling::Sampling;
use valuenet::model::{DialogueModel, Predictor};
use valuenet::nn::device;
use valuenet::recipe::{
    Chat, Decoding, distinct_profiles, open_dialogue_model, open_model, reply_all,
};
use valuenet::reward::{Form, Reward};
use valuenet::train::Checkpoint;

use super::model::{LayoutArgs, ModelArgs};
use super::output::{Console, Output, print};
use super::texts::open;

#[derive(Subcommand)]
pub enum Command {
    /// Give each reply others to be told from, for files that come without candidates (Hits@1).
    Candidates(CandidatesArgs),
    /// What the own speaker of each dialogue says next.
    Generate(GenerateArgs),
    /// Talk with a model that has a persona.
    Chat(ChatArgs),
}

#[derive(clap::Args)]
pub struct CandidatesArgs {
    /// Dialogues as JSON lines, in ConvAI2's text format, as transfer-learning-conv-ai's JSON, or
    /// EMPATHETICDIALOGUES' CSV; `-` for stdin.
    file: PathBuf,

    /// Write the dialogues with their candidates to this file, as JSON lines, instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Decides which utterances are drawn.
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,

    /// How many utterances of other dialogues stand before each reply.
    #[arg(
        long,
        value_name = "N",
        default_value_t = candidates::OTHERS as u16,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    count: u16,
}

/// A dialogue model, and how it replies.
#[derive(clap::Args)]
struct ReplyArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    layout: LayoutArgs,

    /// How many tokens a reply has at most.
    #[arg(long, value_name = "N", default_value = "40", value_parser = clap::value_parser!(u16).range(1..))]
    max_new_tokens: u16,

    /// Beam search with so many replies side by side, instead of the likeliest token each time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "sample")]
    num_beams: Option<u16>,

    /// Draw tokens as they are likely.
    #[arg(long)]
    sample: bool,

    /// With --sample: below 1 draws likelier tokens more often.
    #[arg(long, value_name = "X", default_value = "1", requires = "sample")]
    temperature: f64,

    /// With --sample: draw from so many of the likeliest tokens only.
    #[arg(long, value_name = "N", requires = "sample")]
    top_k: Option<usize>,

    /// With --sample: draw from the likeliest tokens that have this probability together.
    #[arg(long, value_name = "P", requires = "sample")]
    top_p: Option<f64>,

    /// No so many tokens behind each other stand twice in a reply.
    #[arg(long, value_name = "N", default_value = "0")]
    no_repeat_ngram_size: usize,

    /// Decides what is drawn.
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
}

impl ReplyArgs {
    fn open(&self) -> Result<DialogueModel> {
        let ModelArgs { run, checkpoint, device, dtype } = &self.model;
        let device = device::open(device)?.device;
        open_dialogue_model(
            run,
            (*checkpoint).into(),
            self.layout.settings(),
            &device,
            (*dtype).into(),
        )
    }

    /// How `samples` replies are decoded, or the likeliest one.
    fn decoding(&self, samples: usize) -> Decoding {
        let Self { temperature, top_k, top_p, .. } = *self;
        let search = match (self.sample, self.num_beams) {
            (true, _) => Search::Sample(Sampling { temperature, top_k, top_p }, samples),
            (false, Some(beams)) if beams > 1 => {
                Search::Beam { beams: beams.into(), length_penalty: 1.0 }
            }
            _ => Search::Greedy,
        };
        Decoding {
            search,
            max_new_tokens: self.max_new_tokens.into(),
            no_repeat_ngram_size: self.no_repeat_ngram_size,
            seed: self.seed,
        }
    }
}

#[derive(clap::Args)]
pub struct GenerateArgs {
    #[command(flatten)]
    reply: ReplyArgs,

    /// Dialogues in any of the formats that `dialogue candidates` reads; `-` for stdin.
    #[arg(default_value = "-")]
    file: PathBuf,

    /// With --sample: how many replies to each dialogue.
    #[arg(long, value_name = "N", default_value = "1", requires = "sample")]
    replies: usize,

    /// How to write them.
    #[arg(long, value_enum, default_value = "table")]
    format: RepliesFormat,

    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RepliesFormat {
    /// One reply a line.
    Table,
    /// One JSON object a dialogue: {"dialogue": 1, "line": 1, "replies": [...]}.
    Jsonl,
}

#[derive(clap::Args)]
pub struct ChatArgs {
    #[command(flatten)]
    reply: ReplyArgs,

    /// Sentences about the model, one a line.
    #[arg(long, value_name = "FILE")]
    persona: Option<PathBuf>,

    /// A value model, which says after each reply which sentence of the persona it is nearest to,
    /// and how near (the paper's r_t).
    #[arg(long, value_name = "RUN", requires = "persona")]
    values: Option<PathBuf>,

    /// How to write replies.
    #[arg(long, value_enum, default_value = "table")]
    format: RepliesFormat,
}

pub fn run(command: &Command, console: &Console) -> anyhow::Result<ExitCode> {
    match command {
        Command::Candidates(args) => draw(args, console),
        Command::Generate(args) => generate(args),
        Command::Chat(args) => chat(args, console),
    }
}

fn generate(args: &GenerateArgs) -> anyhow::Result<ExitCode> {
    let output = Output::open(args.output.as_deref())?;
    let dialogues = conversation::read(&args.file, open(&args.file)?)?;
    let model = args.reply.open()?;
    let found = reply_all(&model, &args.file, &dialogues, &args.reply.decoding(args.replies))?;
    output.write_rows(|out| {
        for ((number, replies), dialogue) in (1..).zip(&found).zip(&dialogues) {
            let line = dialogue.place.number();
            match args.format {
                RepliesFormat::Table => {
                    replies.iter().try_for_each(|reply| writeln!(out, "{number}  {reply}"))?;
                }
                RepliesFormat::Jsonl => {
                    let row = json!({ "dialogue": number, "line": line, "replies": replies });
                    writeln!(out, "{row}")?;
                }
            }
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn chat(args: &ChatArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let persona = match &args.persona {
        Some(file) => texts::lines(file, open(file)?).collect::<Result<Vec<String>>>()?,
        None => Vec::new(),
    };
    let persona: Vec<String> = persona.into_iter().filter(|line| !line.trim().is_empty()).collect();
    let model = args.reply.open()?;
    let values = args.values.as_ref().map(|run| {
        let device = device::open(&args.reply.model.device)?.device;
        open_model(run, Checkpoint::Best, &device, args.reply.model.dtype.into())
    });
    let values = values.transpose()?;
    let mut chat = Chat::new(&model, persona, args.reply.decoding(1));
    let is_terminal = std::io::stdin().is_terminal();
    if is_terminal {
        console.note("Say something; Ctrl-D ends the conversation.");
        chat.persona().iter().for_each(|sentence| console.note(&format!("persona: {sentence}")));
    }
    let mut lines = std::io::stdin().lines();
    loop {
        if is_terminal {
            print("you    ")?;
        }
        let Some(line) = lines.next().transpose()? else { break };
        if line.trim().is_empty() {
            continue;
        }
        let reply = chat.say(&line)?.to_string();
        let nearest = match &values {
            Some(values) => nearest(values.predictor(), chat.persona(), &reply)?,
            None => None,
        };
        print(&match args.format {
            RepliesFormat::Table => spoken(&reply, nearest.as_ref(), chat.persona(), is_terminal),
            RepliesFormat::Jsonl => {
                let sentence = nearest.as_ref().and_then(|(place, _)| chat.persona().get(*place));
                let r = nearest.as_ref().map(|(_, r)| r);
                format!("{}\n", json!({ "reply": reply, "persona": sentence, "r": r }))
            }
        })?;
    }
    if is_terminal {
        print("\n")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A reply as it stands on a terminal, or in a file.
fn spoken(
    reply: &str,
    nearest: Option<&(usize, f64)>,
    persona: &[String],
    is_terminal: bool,
) -> String {
    let name = if is_terminal { "model  " } else { "" };
    let nearest = nearest.and_then(|(place, r)| Some((persona.get(*place)?, r)));
    let value = nearest
        .map_or(String::new(), |(sentence, r)| format!("{}r {r:.3}  {sentence}\n", " ".repeat(7)));
    format!("{name}{reply}\n{value}")
}

/// The sentence of a persona that a reply is nearest to, by its place, and its cosine.
fn nearest(
    model: &dyn Predictor,
    persona: &[String],
    reply: &String,
) -> Result<Option<(usize, f64)>> {
    let texts = persona.iter().chain(std::iter::once(reply));
    let vectors = distinct_profiles(model, texts, &mut |_| ())?;
    let vector = |text: &String| {
        vectors.get(text.as_str()).map_or(Vec::new(), |it| it.map(f64::from).to_vec())
    };
    let persona: Vec<Vec<f64>> = persona.iter().map(vector).collect();
    let reward = Reward::of(&persona, &[vector(reply)], Form::Bounded);
    Ok(reward.turns.first().and_then(|turn| Some((turn.matched?, turn.r))))
}

fn draw(args: &CandidatesArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let output = Output::open(args.output.as_deref())?;
    let mut conversations = conversation::read(&args.file, open(&args.file)?)?;
    let choice = candidates::draw(&mut conversations, args.count.into(), args.seed)?;
    output.write(&conversation::to_json_lines(&conversations)?)?;
    let candidates::Choice { replies, drawn, hash } = choice;
    console
        .note(&format!("candidates drawn for {drawn} of {replies} replies (seed {})", args.seed));
    console.note(&format!("sha256 of all candidates: {hash}"));
    Ok(ExitCode::SUCCESS)
}
