//! The command line: one file for each verb, which holds its arguments and what it does with them.

mod aggregate;
mod agreement;
mod annotations;
mod compare;
mod config;
mod convert;
mod curate;
mod data;
mod dialogue;
mod download;
mod env;
pub mod error;
mod eval;
mod export;
mod infer;
mod model;
mod output;
mod profile;
mod progress;
mod report;
mod reproduce;
mod reward;
#[cfg(feature = "serve")]
mod serve;
#[cfg(not(feature = "serve"))]
#[path = "not_built.rs"]
mod serve;
mod shell;
mod site;
mod split;
mod survey;
mod texts;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use valuenet::report::Format;

use output::Console;

/// Human values in text: train, evaluate and apply Schwartz-value models.
///
/// Implements Qiu et al., "ValueNet: A New Dataset for Human Value Driven Dialogue System" (AAAI
/// 2022).
#[derive(Parser)]
#[command(version, about, long_about, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failure, 2 usage or configuration, 3 bad data, 130 interrupted."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Say nothing but results and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,

    /// Say more.
    #[arg(short, long, global = true)]
    verbose: bool,

    /// CPU threads [default: RAYON_NUM_THREADS, or all cores]. Results do not depend on it.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[derive(Subcommand)]
enum Command {
    /// Train a value model as a configuration file says.
    Train(train::Args),
    /// Report a trained model's scores on a split or a file.
    Eval(eval::Args),
    /// Train and compare the models of the paper's Tables 2 and 3.
    Reproduce(reproduce::Args),
    /// Say whether models differ beyond chance, overall and for each value.
    Compare(compare::Args),
    /// Runs as one HTML page with tables and charts, or as a table.
    Report(report::Args),
    /// Turn texts into 10-dimensional value vectors.
    Infer(infer::Args),
    /// What dialogues are worth for the personas of those who speak (the paper's Algorithm 1).
    Reward(reward::Args),
    /// Serve a model over HTTP: vectors and rewards for other programs.
    Serve(serve::Args),
    /// The value profile of a speaker: mean vector with intervals, groups, what stands out.
    Profile(profile::Args),
    /// Whether a model's vectors follow Schwartz's motivational circle.
    Circle(profile::CircleArgs),
    /// Look at ValueNet data, and make its versions.
    #[command(subcommand)]
    Data(data::Command),
    /// Prepare persona dialogues for language models.
    #[command(subcommand)]
    Dialogue(dialogue::Command),
    /// Look at configurations: in full, whether they are right, and what may stand in them.
    #[command(subcommand)]
    Config(config::Command),
    /// A model as a folder to hand on, with its card; for other runtimes as ONNX.
    Export(export::Args),
    /// Fetch a model from the hub, to be used offline later.
    Download(download::Args),
    /// Say what this build and this machine can do.
    Env,
    /// Write the completions of a shell to stdout.
    Completions(shell::CompletionArgs),
    /// Write manual pages.
    Man(shell::ManArgs),
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        const STACK: usize = 8 << 20; // as a main thread has
        let console = Console::new(self.quiet, self.verbose);
        let threads = self.threads.map_or(0, usize::from);
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK).build()?;
        // On a thread of the pool, so that handing out work wakes only the others.
        pool.install(|| match self.command {
            Command::Train(args) => train::run(&args, &console),
            Command::Eval(args) => eval::run(&args, &console),
            Command::Reproduce(args) => reproduce::run(&args, &console),
            Command::Compare(args) => compare::run(&args),
            Command::Report(args) => report::run(&args, &console),
            Command::Infer(args) => infer::run(&args, &console),
            Command::Reward(args) => reward::run(&args, &console),
            Command::Serve(args) => serve::run(&args, &console),
            Command::Profile(args) => profile::run(&args, &console),
            Command::Circle(args) => profile::circle(&args, &console),
            Command::Data(command) => data::run(&command, &console),
            Command::Dialogue(command) => dialogue::run(&command, &console),
            Command::Config(command) => config::run(&command, &console),
            Command::Export(args) => export::run(&args, &console),
            Command::Download(args) => download::run(&args, &console),
            Command::Env => env::run(),
            Command::Completions(args) => shell::completions(&args),
            Command::Man(args) => shell::man(&args, &console),
        })
    }
}

/// The largest seed: the largest number that a TOML file holds.
const LARGEST_SEED: u64 = i64::MAX as u64;

/// The most bootstrap replicates: far more than any interval needs, and a bound for the memory.
const MOST_REPLICATES: i64 = 100_000;

/// The formats of tables.
#[derive(Clone, Copy, ValueEnum)]
enum TableFormat {
    Table,
    Json,
    Csv,
    Markdown,
    Latex,
}

impl From<TableFormat> for Format {
    fn from(format: TableFormat) -> Self {
        match format {
            TableFormat::Table => Format::Table,
            TableFormat::Json => Format::Json,
            TableFormat::Csv => Format::Csv,
            TableFormat::Markdown => Format::Markdown,
            TableFormat::Latex => Format::Latex,
        }
    }
}
