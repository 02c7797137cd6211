//! `valuenet eval`: the scores of a trained model.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use valuenet::data::Split;
use valuenet::recipe::{JudgeRequest, Judged, Measures, PersonaRequest, judge};
use valuenet::report::render;

use super::model::{LayoutArgs, ModelArgs};
use super::output::{Console, Output};
use super::site::Here;
use super::{MOST_REPLICATES, TableFormat};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// The split of the run's own data.
    #[arg(long, default_value = "test", conflicts_with = "data")]
    split: Split,

    /// Evaluate on this file instead: rows for a value model, dialogues for a language model,
    /// labelled texts for a classifier.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// How many bootstrap replicates the 95% intervals are made of; 0 for none [default: 2000 for
    /// test, otherwise 0].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=MOST_REPLICATES))]
    bootstrap: Option<u32>,

    /// Also cut classes at thresholds fitted on the run's eval split, beside the paper's rounding.
    #[arg(long, conflicts_with = "data")]
    thresholds: bool,

    /// Judge the value models of a folder of seeds as one, by the mean of what they say, and not each.
    #[arg(long)]
    ensemble: bool,

    /// Only the first N rows or dialogues.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// What is measured of a dialogue model [default: what its run is judged by, perplexity,hits,f1
    /// if it does not say so, and persona with --values].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "M,…")]
    measure: Vec<Measure>,

    /// A value model, by which a dialogue model's replies are held against the speakers' personas.
    #[arg(long, value_name = "RUN")]
    values: Option<PathBuf>,

    /// With --values: subtract from all vectors the mean vector of a file's persona sentences,
    /// before they are scaled to length 1.
    #[arg(long, requires = "values")]
    center: bool,

    #[command(flatten)]
    layout: LayoutArgs,

    /// How to write the report.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,

    /// Write the report to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// How well the replies are predicted.
    Perplexity,
    /// How often they are found among their candidates.
    Hits,
    /// What generated replies are like.
    F1,
    /// How near they are to the speakers' personas; needs --values.
    Persona,
}

impl Args {
    fn measures(&self) -> Option<Measures> {
        let has = |measure: Measure| self.measure.contains(&measure);
        (!self.measure.is_empty()).then(|| Measures {
            perplexity: has(Measure::Perplexity),
            hits: has(Measure::Hits),
            f1: has(Measure::F1),
            persona: has(Measure::Persona),
        })
    }
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let output = Output::open(args.output.as_deref())?;
    let request = JudgeRequest {
        folder: args.model.run.clone(),
        checkpoint: args.model.checkpoint.into(),
        device: args.model.device.clone(),
        precision: args.model.dtype.into(),
        rows: match &args.data {
            Some(path) => Judged::File(path.clone()),
            None => Judged::Split(args.split),
        },
        bootstrap: args.bootstrap,
        thresholds: args.thresholds,
        ensemble: args.ensemble,
        limit: args.limit.map(|limit| limit as usize),
        measures: args.measures(),
        persona: args.values.clone().map(|values| PersonaRequest { values, center: args.center }),
        layout: args.layout.settings(),
    };
    let report = judge(&request, Here::new(console).site().observer)?;
    output.write(&render(report.as_ref(), args.format.into())?)?;
    Ok(ExitCode::SUCCESS)
}
