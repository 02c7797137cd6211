//! `valuenet dialogue`: persona dialogues for language models.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use valuenet::data::conversation::{self, candidates};

use super::output::{Console, Output};
use super::texts::open;

#[derive(Subcommand)]
pub enum Command {
    /// Give each reply others to be told from, for files that come without candidates (Hits@1).
    Candidates(CandidatesArgs),
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

pub fn run(command: &Command, console: &Console) -> anyhow::Result<ExitCode> {
    match command {
        Command::Candidates(args) => draw(args, console),
    }
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
