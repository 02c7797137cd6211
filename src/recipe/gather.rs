//! What finished runs keep, gathered: as a page and a table for a report, or to compare.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::{dialogue, emotion, value};
use crate::config::TaskKind;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::eval::Bootstrap;
use crate::report::Report;
use crate::report::chart::Curve;
use crate::run::{self, SavedRun};

/// The reports of several runs.
pub struct Gathered {
    /// As one HTML page that needs nothing else.
    pub page: String,
    /// As a table.
    pub table: Box<dyn Report>,
    /// How many runs there are.
    pub runs: usize,
}

/// Gathers what runs of one task, or the runs under several seeds in a folder, keep of a split; the
/// page quotes so many errors, or replies, of each.
///
/// # Errors
/// If a run has not been judged on the split, or what it keeps is damaged.
pub fn gather(folders: &[PathBuf], split: Split, quoted: usize) -> Result<Gathered> {
    match kind(folders)? {
        TaskKind::Value => value::gather(folders, split, quoted),
        TaskKind::Dialogue => dialogue::gather(folders, split, quoted),
        TaskKind::Emotion => emotion::gather(folders, split, quoted),
    }
}

/// Compares each run, or file of predictions or replies, with the first, on the rows of a split.
///
/// # Errors
/// If a run has no predictions, or they are of other rows.
pub fn compare(
    runs: &[PathBuf],
    split: Split,
    bootstrap: Bootstrap,
) -> Result<Vec<Box<dyn Report>>> {
    match kind(runs)? {
        TaskKind::Value => value::compare(runs, split, bootstrap),
        TaskKind::Dialogue => dialogue::compare(runs, split, bootstrap),
        TaskKind::Emotion => emotion::compare(runs, split, bootstrap),
    }
}

/// The task of the first of some runs.
fn kind(folders: &[PathBuf]) -> Result<TaskKind> {
    if folders.first().is_some_and(|path| dialogue::is_replies(path)) {
        return Ok(TaskKind::Dialogue);
    }
    if folders.first().is_some_and(|path| emotion::is_predictions(path)) {
        return Ok(TaskKind::Emotion);
    }
    let first = folders.first().and_then(|folder| runs_of(folder).into_iter().next());
    match first {
        Some(run) if SavedRun::is_run(&run) => Ok(SavedRun::open(&run)?.info.config.task.kind),
        _ => Ok(TaskKind::Value),
    }
}

/// Whether a folder holds runs that differ by their seed only.
pub(super) fn is_recipe(folder: &Path) -> bool {
    !SavedRun::is_run(folder) && !run::seeds(folder).is_empty()
}

/// A run, or the runs under several seeds in a folder.
pub(super) fn runs_of(folder: &Path) -> Vec<PathBuf> {
    match is_recipe(folder) {
        true => run::seeds(folder).into_iter().map(|(_, path)| path).collect(),
        false => vec![folder.into()],
    }
}

/// What the run was made of.
pub(super) fn facts(saved: &SavedRun) -> Vec<(String, String)> {
    let (info, train) = (&saved.info, &saved.info.config.train);
    let data = info.data.iter().filter(|source| source.rows > 0);
    let data = data.map(|source| format!("{} {}", source.rows, source.role));
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
pub(super) struct Course {
    pub(super) losses: Vec<(f64, f64)>,
    pub(super) scores: Vec<Curve>,
}

/// The rows of a run's metrics.jsonl.
pub(super) fn metrics(saved: &SavedRun) -> Result<Vec<Json>> {
    let path = saved.metrics();
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, "read", error))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

pub(super) fn course(rows: &[Json]) -> Course {
    let (mut losses, mut scores): (Vec<(f64, f64)>, Vec<Curve>) = (Vec::new(), Vec::new());
    for row in rows {
        let Some(epoch) = row["epoch"].as_f64() else { continue };
        losses.extend(row["loss"].as_f64().map(|loss| (epoch, loss)));
        for (name, score) in row["scores"].as_object().into_iter().flatten() {
            add_point(&mut scores, &format!("eval {name}"), epoch, score);
        }
    }
    Course { losses, scores }
}

/// Adds a point to the curve of this name, if it is a number.
pub(super) fn add_point(curves: &mut Vec<Curve>, name: &str, x: f64, y: &Json) {
    let point = y.as_f64().map(|y| (x, y));
    match curves.iter_mut().find(|curve| curve.name == name) {
        Some(curve) => curve.points.extend(point),
        None => curves.push(Curve { name: name.into(), points: point.into_iter().collect() }),
    }
}
