//! `valuenet reproduce`: the models of the paper's Tables 2 to 6, trained, evaluated and put beside
//! the paper's figures.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use valuenet::recipe::reproduce::{ReproduceRequest, Tables, reproduce, row_names};

use super::output::{Console, print};
use super::site::Here;
use super::{LARGEST_SEED, TableFormat};

#[derive(clap::Args)]
pub struct Args {
    /// Which tables: value models, dialogue models, classifiers of emotions, or replies that are
    /// told an emotion.
    #[arg(long, value_enum, default_value = "2,3")]
    tables: PaperTables,

    /// A folder with the versions of the data, original/ balanced/ augmented/, or with one
    /// dataset (by default data/valuenet); for Table 4 the folder of ConvAI2's files (by default
    /// data/personachat), for Tables 5 and 6 that of EMPATHETICDIALOGUES (by default
    /// data/empatheticdialogues).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The versions; by default those that the folder has. Tables 4 to 6 have none.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    versions: Vec<String>,

    /// The models; by default the paper's.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", value_parser = PossibleValuesParser::new(row_names()))]
    rows: Vec<String>,

    /// The run of the value model that the rows "+ Value" of Tables 4 and 5 learn with.
    #[arg(long, value_name = "RUN")]
    values: Option<PathBuf>,

    /// The run of the classifier that predicts the emotions of Table 6.
    #[arg(long, value_name = "RUN")]
    emotions: Option<PathBuf>,

    /// The same, of one that sees values.
    #[arg(long, value_name = "RUN")]
    value_emotions: Option<PathBuf>,

    /// The seeds: one run each [default: 1; for Table 5 1 to 5].
    #[arg(long, value_delimiter = ',', value_name = "N,…", value_parser = clap::value_parser!(u64).range(..=LARGEST_SEED))]
    seeds: Vec<u64>,

    /// Change a key of all configurations, or as minilm:model.base=DIR of one row's.
    #[arg(long, value_name = "[ROW:]KEY=VALUE")]
    set: Vec<String>,

    /// The folder of all runs and tables. What is complete there is not computed again.
    #[arg(short, long, value_name = "DIR", default_value = "runs/reproduce")]
    output: PathBuf,

    /// The paper's figures as JSON; by default those that the program knows.
    #[arg(long, value_name = "FILE")]
    paper: Option<PathBuf>,

    /// Read only the first N rows of each split.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// How to write the tables to stdout; the folder has them in every format.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum PaperTables {
    /// Value models on ValueNet.
    #[value(name = "2,3", aliases = ["2", "3"])]
    Values,
    /// Dialogue models on PERSONA-CHAT.
    #[value(name = "4")]
    Dialogues,
    /// Classifiers of emotions on EMPATHETICDIALOGUES.
    #[value(name = "5")]
    Emotions,
    /// Replies on EMPATHETICDIALOGUES that are told an emotion.
    #[value(name = "6")]
    Replies,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let (tables, data) = match args.tables {
        PaperTables::Values => (Tables::Values, "data/valuenet"),
        PaperTables::Dialogues => (Tables::Dialogues, "data/personachat"),
        PaperTables::Emotions => (Tables::Emotions, "data/empatheticdialogues"),
        PaperTables::Replies => (Tables::Replies, "data/empatheticdialogues"),
    };
    let request = ReproduceRequest {
        tables,
        data: args.data.clone().unwrap_or_else(|| data.into()),
        versions: args.versions.clone(),
        rows: args.rows.clone(),
        values: args.values.clone(),
        emotions: [args.emotions.clone(), args.value_emotions.clone()],
        seeds: args.seeds.clone(),
        set: args.set.clone(),
        output: args.output.clone(),
        paper: args.paper.clone(),
        limit: args.limit.map(|limit| limit as usize),
    };
    let made = reproduce(&request, Here::new(console).site())?;
    if made.interrupted {
        return Ok(ExitCode::from(130));
    }
    if !made.is_empty() {
        print(&made.render(args.format.into())?)?;
        let (stem, folder) = (made.stem(), args.output.display());
        console.note(&format!("{stem}.{{txt,md,tex,csv,json}} are in {folder}"));
    }
    Ok(match made.failures {
        0 => ExitCode::SUCCESS,
        count => {
            console.note(&format!(
                "{count} of the runs failed, as said above; the same command tries them again"
            ));
            ExitCode::FAILURE
        }
    })
}
