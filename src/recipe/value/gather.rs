//! What finished runs of value models keep, gathered: as a page and a table for a report, or as
//! predictions to compare.

use std::path::{Path, PathBuf};

use super::{read_report, seed_reports};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::eval::compare::Comparison;
use crate::eval::{Bootstrap, Scored};
use crate::recipe::gather::{Course, Gathered, course, facts, is_recipe, metrics, runs_of};
use crate::report::Report;
use crate::report::comparison::ComparisonReport;
use crate::report::html::{self, RunPage, largest_misses};
use crate::report::predictions::{self, SavedPrediction};
use crate::report::runs::Runs;
use crate::report::seeds::Seeds;
use crate::run::SavedRun;

/// Gathers what runs, or the runs under several seeds in a folder, keep of a split; each page
/// quotes so many of the largest misses.
pub(in crate::recipe) fn gather(
    folders: &[PathBuf],
    split: Split,
    misses: usize,
) -> Result<Gathered> {
    let runs = folders.iter().flat_map(|folder| runs_of(folder));
    let pages: Vec<RunPage> =
        runs.map(|folder| page(&folder, split, misses)).collect::<Result<_>>()?;
    let recipes = folders.iter().filter(|folder| is_recipe(folder));
    let recipes: Vec<Seeds> =
        recipes.map(|folder| seed_reports(folder, split.name())).collect::<Result<_>>()?;
    Ok(Gathered {
        runs: pages.len(),
        page: html::page(&pages, &recipes),
        table: Box::new(Runs(pages.into_iter().map(|page| (page.name, page.evaluation)).collect())),
    })
}

/// Compares each run, or file of predictions, with the first, on the rows of a split.
pub(in crate::recipe) fn compare(
    runs: &[PathBuf],
    split: Split,
    bootstrap: Bootstrap,
) -> Result<Vec<Box<dyn Report>>> {
    let all = runs.iter().map(|run| predictions_of(run, split)).collect::<Result<Vec<_>>>()?;
    let pairs = runs.iter().zip(&all).skip(1);
    let two = |(run, rows): (&PathBuf, &Vec<SavedPrediction>)| -> Result<Box<dyn Report>> {
        Ok(Box::new(compare_two((&runs[0], &all[0]), (run, rows), split, bootstrap)?))
    };
    pairs.map(two).collect()
}

fn page(folder: &Path, split: Split, misses: usize) -> Result<RunPage> {
    let saved = SavedRun::open(folder)?;
    let evaluation = read_report(&saved, split.name())?;
    let Course { losses, scores } = course(&metrics(&saved)?);
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

fn compare_two(
    (first_run, first): (&Path, &[SavedPrediction]),
    (run, rows): (&Path, &[SavedPrediction]),
    split: Split,
    bootstrap: Bootstrap,
) -> Result<ComparisonReport> {
    let key = |row: &SavedPrediction| (row.scored.value, row.scored.label, row.scenario.clone());
    let differing = first.iter().zip(rows).position(|(a, b)| key(a) != key(b));
    if first.len() != rows.len() || differing.is_some() {
        let at =
            differing.map_or(String::new(), |place| format!(", from prediction {} on", place + 1));
        let what = format!("these are not predictions for the rows of {}{at}", first_run.display());
        return Err(Error::data(run, what).help("judge both with `valuenet eval` on the same data"));
    }
    let scored =
        |rows: &[SavedPrediction]| rows.iter().map(|row| row.scored).collect::<Vec<Scored>>();
    Ok(ComparisonReport {
        a: first_run.display().to_string(),
        b: run.display().to_string(),
        split: split.name().into(),
        bootstrap,
        comparison: Comparison::of(&scored(first), &scored(rows), bootstrap),
    })
}

/// The predictions of a run, or those in a file.
fn predictions_of(run: &Path, split: Split) -> Result<Vec<SavedPrediction>> {
    let path = match SavedRun::is_run(run) {
        true => SavedRun::open(run)?.predictions(split.name()),
        false if is_recipe(run) => SavedRun::of_seeds(run)?.predictions(split.name()),
        false => run.to_path_buf(),
    };
    if !path.is_file() {
        let ensemble = if is_recipe(run) { " --ensemble" } else { "" };
        let command = format!("`valuenet eval {} --split {split}{ensemble}`", run.display());
        return Err(Error::file(&path, "there are no such predictions")
            .help(format!("{command} makes them")));
    }
    predictions::read(&path)
}
