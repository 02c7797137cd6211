//! What finished runs keep, gathered: as pages for a report, or as predictions to compare.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::value::{read_report, seed_reports};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::eval::compare::Comparison;
use crate::eval::{Bootstrap, Scored};
use crate::report::chart::Curve;
use crate::report::comparison::ComparisonReport;
use crate::report::html::{self, RunPage, largest_misses};
use crate::report::predictions::{self, Read};
use crate::report::seeds::Seeds;
use crate::run::{self, Saved};

/// The reports of several runs on a split.
#[derive(Debug)]
pub struct Gathered {
    /// A page for each run.
    pub pages: Vec<RunPage>,
    /// The runs that differ by their seed only.
    pub recipes: Vec<Seeds>,
}

/// Gathers what runs, or the runs under several seeds in a folder, keep of a split; each page
/// quotes so many of the largest misses.
///
/// # Errors
/// If a run has not been judged on the split, or what it keeps is damaged.
pub fn gather(folders: &[PathBuf], split: Split, misses: usize) -> Result<Gathered> {
    let runs = folders.iter().flat_map(|folder| runs_of(folder));
    let recipes = folders.iter().filter(|folder| is_recipe(folder));
    Ok(Gathered {
        pages: runs.map(|folder| page(&folder, split, misses)).collect::<Result<_>>()?,
        recipes: recipes.map(|folder| seed_reports(folder, split.name())).collect::<Result<_>>()?,
    })
}

/// Compares each run, or file of predictions, with the first, on the rows of a split.
///
/// # Errors
/// If a run has no predictions, or they are of other rows.
pub fn compare(
    runs: &[PathBuf],
    split: Split,
    bootstrap: Bootstrap,
) -> Result<Vec<ComparisonReport>> {
    let all = runs.iter().map(|run| predictions_of(run, split)).collect::<Result<Vec<_>>>()?;
    let pairs = runs.iter().zip(&all).skip(1);
    pairs
        .map(|(run, rows)| compare_two((&runs[0], &all[0]), (run, rows), split, bootstrap))
        .collect()
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

fn page(folder: &Path, split: Split, misses: usize) -> Result<RunPage> {
    let saved = Saved::open(folder)?;
    let evaluation = read_report(&saved, split.name())?;
    let Course { losses, scores } = course(&saved)?;
    let predictions = predictions::read(&saved.predictions(split.name()))?;
    Ok(RunPage {
        name: folder.display().to_string(),
        facts: facts(&saved),
        losses,
        scores,
        evaluation,
        means: html::means(&predictions),
        misses: largest_misses(predictions, misses),
    })
}

/// What the run was made of.
fn facts(saved: &Saved) -> Vec<(String, String)> {
    let (info, train) = (&saved.info, &saved.info.config.train);
    let data = info.data.iter().map(|source| format!("{} {}", source.rows, source.role));
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

fn compare_two(
    (first_run, first): (&Path, &[Read]),
    (run, rows): (&Path, &[Read]),
    split: Split,
    bootstrap: Bootstrap,
) -> Result<ComparisonReport> {
    let key = |row: &Read| (row.scored.value, row.scored.label, row.scenario.clone());
    let differing = first.iter().zip(rows).position(|(a, b)| key(a) != key(b));
    if first.len() != rows.len() || differing.is_some() {
        let at =
            differing.map_or(String::new(), |place| format!(", from prediction {} on", place + 1));
        let what = format!("these are not predictions for the rows of {}{at}", first_run.display());
        return Err(Error::data(run, what).help("judge both with `valuenet eval` on the same data"));
    }
    let scored = |rows: &[Read]| rows.iter().map(|row| row.scored).collect::<Vec<Scored>>();
    Ok(ComparisonReport {
        a: first_run.display().to_string(),
        b: run.display().to_string(),
        split: split.name().into(),
        bootstrap,
        comparison: Comparison::of(&scored(first), &scored(rows), bootstrap),
    })
}

/// The predictions of a run, or those in a file.
fn predictions_of(run: &Path, split: Split) -> Result<Vec<Read>> {
    let path = match Saved::is_run(run) {
        true => Saved::open(run)?.predictions(split.name()),
        false => run.to_path_buf(),
    };
    if !path.is_file() {
        return Err(Error::file(&path, "there are no such predictions")
            .help(format!("`valuenet eval {} --split {split}` makes them", run.display())));
    }
    predictions::read(&path)
}
