//! One recipe over parts of its data, each left out once.

use super::train::{Outcome, TrainRequest};
use super::{Site, emotion, value};
use crate::config::TaskKind;
use crate::error::{Error, Result};
use crate::train::Stop;

/// Trains what the request says once for each of so many parts of the data, without that part. Of a
/// classifier of texts the whole is trained first, and predicts what was not left out; a value model
/// is judged by all parts together, and has a report.
///
/// # Errors
/// If a training fails, or the task is another.
pub fn train_folds(request: &TrainRequest, folds: usize, site: Site) -> Result<Outcome> {
    let report = match request.config.task.kind {
        TaskKind::Emotion => emotion::train_folds(request, folds, site)?.then_some(None),
        TaskKind::Value => value::train_folds(request, folds, site)?.map(Some),
        TaskKind::Dialogue => {
            return Err(Error::usage("--folds are for value models and classifiers of emotions"));
        }
    };
    Ok(match report {
        Some(report) => Outcome::Ended(Stop::Finished, report),
        None => Outcome::Interrupted,
    })
}
