//! `valuenet reproduce`: the models of the paper's Tables 2 and 3, trained, evaluated and put
//! beside the paper's figures.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use valuenet::recipe::reproduce::{ReproduceRequest, reproduce, row_names};

use super::TableFormat;
use super::output::{Console, print};
use super::site::Here;

#[derive(clap::Args)]
pub struct Args {
    /// A folder with the versions of the data, original/ balanced/ augmented/, or with one
    /// dataset.
    #[arg(long, value_name = "DIR", default_value = "data/valuenet")]
    data: PathBuf,

    /// The versions; by default those that the folder has.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    versions: Vec<String>,

    /// The models.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", value_parser = PossibleValuesParser::new(row_names()),
          default_values = ["linear", "bert", "distilbert", "roberta", "bart"])]
    rows: Vec<String>,

    /// The seeds: one run each.
    #[arg(long, value_delimiter = ',', default_value = "1", value_name = "N,…")]
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

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let request = ReproduceRequest {
        data: args.data.clone(),
        versions: args.versions.clone(),
        rows: args.rows.clone(),
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
    if !made.entries.is_empty() {
        print(&made.render(args.format.into())?)?;
        console.note(&format!("tables.{{txt,md,tex,csv,json}} are in {}", args.output.display()));
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
