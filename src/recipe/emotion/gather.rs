//! What finished runs of classifiers keep, gathered: as a page and a table for a report, or as
//! predictions to compare.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::judge::{read_report, seed_reports};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::eval::classes::{ClassComparison, Classified};
use crate::eval::{Bootstrap, clusters};
use crate::model::emotion::EncoderUse;
use crate::recipe::gather::{Course, Gathered, course, facts, is_recipe, metrics, runs_of};
use crate::report::Report;
use crate::report::emotion_comparison::EmotionComparisonReport;
use crate::report::emotion_evaluation::{EmotionRow, EmotionSeeds, read_emotion_rows};
use crate::report::emotion_page::{EmotionPage, EmotionRuns, page};
use crate::run::SavedRun;

/// Gathers the reports of runs on a split; the page quotes so many errors of each.
pub(in crate::recipe) fn gather(
    folders: &[PathBuf],
    split: Split,
    misses: usize,
) -> Result<Gathered> {
    let of_run = |folder: PathBuf| {
        let saved = SavedRun::open(&folder)?;
        let Course { losses, scores } = course(&metrics(&saved)?);
        let mut rows = rows_of(&folder, split)?;
        rows.retain(|row| row.rank > 1);
        rows.sort_by(|a, b| b.nll.total_cmp(&a.nll));
        rows.truncate(misses);
        let report = read_report(&saved, split.name())?;
        let mut facts = facts(&saved);
        let is_frozen = saved.info.config.emotion.encoder == EncoderUse::Frozen;
        facts.extend(is_frozen.then(|| ("encoder".into(), "frozen".into())));
        Ok(EmotionPage { report, facts, losses, scores, misses: rows })
    };
    let runs = folders.iter().flat_map(|folder| runs_of(folder));
    let pages: Vec<EmotionPage> = runs.map(of_run).collect::<Result<_>>()?;
    let recipes = folders.iter().filter(|folder| is_recipe(folder));
    let recipes = recipes.map(|folder| seed_reports(folder, split.name()));
    let recipes: Vec<Option<EmotionSeeds>> = recipes.collect::<Result<_>>()?;
    let recipes: Vec<EmotionSeeds> = recipes.into_iter().flatten().collect();
    Ok(Gathered {
        runs: pages.len(),
        page: page(&pages, &recipes),
        table: Box::new(EmotionRuns(pages.into_iter().map(|page| page.report).collect())),
    })
}

/// How the names of files of predictions end.
const PREDICTIONS: &str = ".predictions.jsonl";

/// Whether a path names predictions that `eval` has kept.
pub(in crate::recipe) fn is_predictions(path: &Path) -> bool {
    path.is_file() && path.to_string_lossy().ends_with(PREDICTIONS)
}

/// Compares each run, or file of predictions, with the first, on the rows of a split.
pub(in crate::recipe) fn compare(
    runs: &[PathBuf],
    split: Split,
    bootstrap: Bootstrap,
) -> Result<Vec<Box<dyn Report>>> {
    let all = runs.iter().map(|run| rows_of(run, split)).collect::<Result<Vec<_>>>()?;
    let pairs = runs.iter().zip(&all).skip(1);
    let two = |(run, rows): (&PathBuf, &Vec<EmotionRow>)| -> Result<Box<dyn Report>> {
        Ok(Box::new(compare_two((&runs[0], &all[0]), (run, rows), split, bootstrap)?))
    };
    pairs.map(two).collect()
}

fn compare_two(
    (first_run, first): (&Path, &[EmotionRow]),
    (run, rows): (&Path, &[EmotionRow]),
    split: Split,
    bootstrap: Bootstrap,
) -> Result<EmotionComparisonReport> {
    check_same((first_run, first), (run, rows))?;
    Ok(EmotionComparisonReport {
        a: first_run.display().to_string(),
        b: run.display().to_string(),
        split: split.name().into(),
        bootstrap,
        comparison: compare_rows(first, rows, bootstrap),
    })
}

/// Compares two recipes by their runs, the first with the first and so on, on the rows of a split:
/// a text's rows are drawn together, under whatever seed.
pub(in crate::recipe) fn compare_seeds(
    a: &[PathBuf],
    b: &[PathBuf],
    split: Split,
    bootstrap: Bootstrap,
) -> Result<ClassComparison> {
    let (mut all_a, mut all_b) = (Vec::new(), Vec::new());
    for (a, b) in a.iter().zip(b) {
        let (rows_a, rows_b) = (rows_of(a, split)?, rows_of(b, split)?);
        check_same((a, &rows_a), (b, &rows_b))?;
        all_a.extend(rows_a);
        all_b.extend(rows_b);
    }
    Ok(compare_rows(&all_a, &all_b, bootstrap))
}

/// Whether two models have judged the same texts, in the same order.
fn check_same(
    (first_run, first): (&Path, &[EmotionRow]),
    (run, rows): (&Path, &[EmotionRow]),
) -> Result<()> {
    let same = |(a, b): (&EmotionRow, &EmotionRow)| a.text == b.text && a.label == b.label;
    if first.len() == rows.len() && first.iter().zip(rows).all(same) {
        return Ok(());
    }
    let what = format!("these are not predictions for the rows of {}", first_run.display());
    Err(Error::data(run, what).help("judge both with `valuenet eval` on the same data"))
}

/// Compares what two models say of the same texts.
fn compare_rows(a: &[EmotionRow], b: &[EmotionRow], bootstrap: Bootstrap) -> ClassComparison {
    let mut labels: Vec<&str> =
        a.iter().chain(b).flat_map(|row| [&*row.label, &*row.predicted]).collect();
    labels.sort_unstable();
    labels.dedup();
    let numbers: HashMap<&str, usize> = labels.iter().copied().zip(0..).collect();
    let texts = clusters(a.iter().map(|row| row.text.as_str()));
    let of = |(row, &text): (&EmotionRow, &usize)| Classified {
        label: numbers[row.label.as_str()],
        predicted: numbers[row.predicted.as_str()],
        rank: row.rank,
        nll: row.nll,
        text,
    };
    let [a, b] = [a, b].map(|rows| rows.iter().zip(&texts).map(of).collect::<Vec<Classified>>());
    ClassComparison::of(&a, &b, labels.len(), bootstrap)
}

/// The predictions of a run, or those in a file.
fn rows_of(run: &Path, split: Split) -> Result<Vec<EmotionRow>> {
    let path = match SavedRun::is_run(run) {
        true => SavedRun::open(run)?.classified(split.name()),
        false => run.to_path_buf(),
    };
    if !path.is_file() {
        return Err(Error::file(&path, "there are no such predictions")
            .help(format!("`valuenet eval {} --split {split}` makes them", run.display())));
    }
    read_emotion_rows(&path)
}
