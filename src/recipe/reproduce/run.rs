//! One run of a reproduction: trained and judged, as far as that is not done yet.

use std::path::Path;

use crate::config::{Config, TaskKind};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::nn::device;
use crate::recipe::train::{Begin, Outcome, TrainRequest, recipe_of, train};
use crate::recipe::{Recipe, Site, dialogue, emotion, value};
use crate::run::{IfOccupied, SavedRun, differences};
use crate::train::{Checkpoint, Stop};

/// How far a run has come.
enum RunProgress {
    Nothing,
    Begun,
    Trained,
    Judged,
}

/// Trains and judges the run in a folder, as far as that is not done; false if it was interrupted.
///
/// # Errors
/// If another run is there, or the training or the judgement fails.
pub(super) fn complete(
    config: &Config,
    folder: &Path,
    limit: Option<usize>,
    site: Site,
) -> Result<bool> {
    let recipe = recipe_of(config, limit, true)?;
    let begin = match progress(config, folder, limit, recipe.as_ref())? {
        RunProgress::Judged => {
            site.note("complete already");
            return Ok(true);
        }
        RunProgress::Trained => {
            let device = device::open(&config.train.device)?.device;
            recipe.test(folder, &device, site.observer)?.ok_or_else(no_test_split)?;
            return Ok(true);
        }
        RunProgress::Begun => Begin::Resume,
        RunProgress::Nothing if folder.is_dir() => Begin::New(IfOccupied::MoveAside),
        RunProgress::Nothing => Begin::New(IfOccupied::Refuse),
    };
    drop(recipe); // the training reads the data itself
    let request = TrainRequest {
        config: config.clone(),
        folder: folder.into(),
        begin,
        limit,
        stop_after: None,
        test: true,
        tensorboard: false,
    };
    match train(&request, site)? {
        Outcome::Interrupted => Ok(false),
        Outcome::Ended(_, Some(_)) => Ok(true),
        Outcome::Ended(Stop::Limit, None) => {
            let what = "a limit of [reward] was crossed before a checkpoint was kept as the best";
            Err(Error::failure(what))
        }
        Outcome::Ended(_, None) | Outcome::Planned => Err(no_test_split()),
    }
}

/// How far the run in a folder has come, if it is the run that is asked for. A report that cannot
/// be read, of another version of the program perhaps, is made again.
fn progress(
    config: &Config,
    folder: &Path,
    limit: Option<usize>,
    recipe: &dyn Recipe,
) -> Result<RunProgress> {
    let Some(saved) = SavedRun::is_run(folder).then(|| SavedRun::open(folder)).transpose()? else {
        return Ok(RunProgress::Nothing);
    };
    let differing = differences(&saved, config, recipe.sources(), limit)?;
    if !differing.is_empty() {
        let what = format!("another run is here: {}", differing.join("; "));
        return Err(Error::file(folder, what).help("begin elsewhere with -o, or move it away"));
    }
    Ok(match saved.info.outcome {
        Some(Stop::Finished | Stop::Patience | Stop::Limit) => match is_judged(&saved) {
            true => RunProgress::Judged,
            false => RunProgress::Trained,
        },
        _ if saved.checkpoint(Checkpoint::Last).is_some() => RunProgress::Begun,
        _ => RunProgress::Nothing,
    })
}

/// Whether a run keeps a whole report on its test split.
fn is_judged(saved: &SavedRun) -> bool {
    match saved.info.config.task.kind {
        TaskKind::Value => value::read_report(saved, Split::Test.name()).is_ok(),
        TaskKind::Emotion => emotion::read_report(saved, Split::Test.name()).is_ok(),
        TaskKind::Dialogue => matches!(dialogue::saved_report(saved, Split::Test), Ok(Some(_))),
    }
}

/// What is wrong with data that no run can be judged by.
pub(super) fn no_test_split() -> Error {
    Error::failure("the data has no test split")
}
