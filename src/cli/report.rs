//! `valuenet report`: runs as one HTML page, or as a table.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::Value as Json;
use valuenet::data::Split;
use valuenet::error::{Error, Result};
use valuenet::report::Format;
use valuenet::report::chart::Curve;
use valuenet::report::html::{self, RunPage, largest_misses};
use valuenet::report::predictions;
use valuenet::report::runs;
use valuenet::report::seeds::Seeds;
use valuenet::run::{self, Saved};

use super::eval::{read_report, seed_reports};
use super::output::{Console, write_result};

#[derive(clap::Args)]
pub struct Args {
    /// Run directories that have a report on the split, or folders of such runs under several seeds.
    #[arg(required = true)]
    runs: Vec<PathBuf>,

    /// The split.
    #[arg(long, default_value = "test")]
    split: Split,

    /// How to write it.
    #[arg(long, value_enum, default_value = "html")]
    format: ReportFormat,

    /// How many of the largest misses the page quotes for each run.
    #[arg(long, value_name = "N", default_value = "12")]
    misses: usize,

    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ReportFormat {
    /// One page without scripts or other files.
    Html,
    Table,
    Json,
    Csv,
    Markdown,
    Latex,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let folders: Vec<PathBuf> = args.runs.iter().flat_map(|folder| runs_of(folder)).collect();
    let pages = folders.iter().map(|folder| page(folder, args)).collect::<Result<Vec<_>>>()?;
    let of_seeds = args.runs.iter().filter(|folder| is_recipe(folder));
    let recipes = of_seeds
        .map(|folder| Ok((folder, seed_reports(folder, args.split.name())?)))
        .collect::<Result<Vec<_>>>()?;
    let recipes: Vec<Seeds> = recipes
        .iter()
        .map(|(folder, reports)| Seeds {
            folder: folder.display().to_string(),
            split: args.split.name().into(),
            reports,
        })
        .collect();
    let entries = || pages.iter().map(|page| (page.name.as_str(), &page.evaluation));
    let text = match args.format {
        ReportFormat::Html => html::page(&pages, &recipes),
        ReportFormat::Table => runs::render(entries(), Format::Table)?,
        ReportFormat::Json => runs::render(entries(), Format::Json)?,
        ReportFormat::Csv => runs::render(entries(), Format::Csv)?,
        ReportFormat::Markdown => runs::render(entries(), Format::Markdown)?,
        ReportFormat::Latex => runs::render(entries(), Format::Latex)?,
    };
    write_result(&text, args.output.as_deref())?;
    if let Some(path) = &args.output {
        console.note(&format!("{} runs in {}", pages.len(), path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a folder holds runs that differ by their seed only.
fn is_recipe(folder: &Path) -> bool {
    !Saved::is_run(folder) && !run::seeds(folder).is_empty()
}

/// A run, or the runs under several seeds in a folder.
fn runs_of(folder: &Path) -> Vec<PathBuf> {
    match is_recipe(folder) {
        true => run::seeds(folder).into_iter().map(|(_, path)| path).collect(),
        false => vec![folder.into()],
    }
}

fn page(folder: &Path, args: &Args) -> Result<RunPage> {
    let saved = Saved::open(folder)?;
    let evaluation = read_report(&saved, args.split.name())?;
    let Course { losses, scores } = course(&saved)?;
    let predictions = predictions::read(&saved.predictions(args.split.name()))?;
    Ok(RunPage {
        name: folder.display().to_string(),
        facts: facts(&saved),
        losses,
        scores,
        evaluation,
        means: html::means(&predictions),
        misses: largest_misses(predictions, args.misses),
    })
}

/// What the run was made of.
fn facts(saved: &Saved) -> Vec<(String, String)> {
    let (info, train) = (&saved.info, &saved.info.config.train);
    let data = info.data.iter().map(|source| format!("{} {}", source.rows, source.split));
    [
        ("model", info.model.base.clone()),
        ("parameters", format!("{:.1} M", info.model.parameters as f64 / 1e6)),
        ("data", data.collect::<Vec<_>>().join(", ")),
        ("epochs", train.epochs.to_string()),
        ("batch", train.batch_size.to_string()),
        ("learning rate", format!("{:e}", train.learning_rate)),
        ("seed", train.seed.to_string()),
        ("dtype", info.dtype.clone()),
        ("device", info.device.clone()),
        ("training", format!("{:.0} s", info.seconds)),
        ("started", info.started.clone()),
        ("version", info.version.clone()),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .into()
}

/// The training loss and the eval scores over epochs.
struct Course {
    losses: Vec<(f64, f64)>,
    scores: Vec<Curve>,
}

fn course(saved: &Saved) -> Result<Course> {
    let path = saved.metrics();
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, "read", error))?;
    let (mut losses, mut scores): (Vec<(f64, f64)>, Vec<Curve>) = (Vec::new(), Vec::new());
    for row in text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok()) {
        let Some(epoch) = row["epoch"].as_f64() else { continue };
        losses.extend(row["loss"].as_f64().map(|loss| (epoch, loss)));
        for (name, score) in row["scores"].as_object().into_iter().flatten() {
            let name = format!("eval {name}");
            let point = score.as_f64().map(|score| (epoch, score));
            match scores.iter_mut().find(|curve| curve.name == name) {
                Some(curve) => curve.points.extend(point),
                None => scores.push(Curve { name, points: point.into_iter().collect() }),
            }
        }
    }
    Ok(Course { losses, scores })
}
