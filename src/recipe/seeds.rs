//! One recipe under several seeds: a run for each, on one device or on several at a time.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{Begin, Outcome, Silent, Site, TrainRequest, dialogue, emotion, train, value};
use crate::config::TaskKind;
use crate::data::Split;
use crate::error::Result;
use crate::nn::device;
use crate::report::Report;
use crate::run::{self, IfOccupied, SavedRun};

/// The means over the runs under several seeds in a folder, on their test split; none if one of
/// them has not been judged by it.
///
/// # Errors
/// If a run or its report is damaged.
pub fn seeds_report(folder: &Path) -> Result<Option<Box<dyn Report>>> {
    let runs = run::seeds(folder);
    let Some((_, first)) = runs.first() else { return Ok(None) };
    match SavedRun::open(first)?.info.config.task.kind {
        TaskKind::Dialogue => Ok(match dialogue::seed_reports(folder)? {
            Some(report) => Some(Box::new(report)),
            None => None,
        }),
        TaskKind::Emotion => Ok(match emotion::seed_reports(folder, Split::Test.name())? {
            Some(report) => Some(Box::new(report)),
            None => None,
        }),
        TaskKind::Value => {
            let name = Split::Test.name();
            let is_judged = |(_, path): &(u64, PathBuf)| {
                SavedRun::open(path).is_ok_and(|saved| saved.report(name).is_file())
            };
            match runs.iter().all(is_judged) {
                true => Ok(Some(Box::new(value::seed_reports(folder, name)?))),
                false => Ok(None),
            }
        }
    }
}

/// Trains what the request says under each of these seeds, in `seed-N` below its folder: one after
/// the other on its own device, or on several devices at a time. False if it was interrupted.
///
/// # Errors
/// If a device cannot be had, or a training fails.
pub fn train_seeds(
    request: &TrainRequest,
    seeds: &[u64],
    devices: &[String],
    site: Site,
) -> Result<bool> {
    let one = |seed: u64, device: Option<&String>| {
        let mut one = request.clone();
        one.folder = run::seed_folder(&request.folder, seed);
        one.config.train.seed = seed;
        one.config.train.device = device.unwrap_or(&request.config.train.device).clone();
        if request.begin == Begin::Resume && !SavedRun::is_run(&one.folder) {
            one.begin = Begin::New(IfOccupied::Refuse);
        }
        one
    };
    if let [] | [_] = devices {
        for &seed in seeds {
            site.note(&format!("── seed {seed}"));
            if let Outcome::Interrupted = train(&one(seed, devices.first()), site)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    for device in devices {
        device::open(device)?; // before the first of them has begun
    }
    // Several bars would write over each other, so each run only says when it begins and how it
    // ends.
    let silent = Silent(site.observer);
    let waiting = Mutex::new(seeds.iter().copied());
    let work = |device: &String| -> Result<bool> {
        loop {
            let Some(seed) = waiting.lock().map_or(None, |mut seeds| seeds.next()) else {
                return Ok(true);
            };
            site.note(&format!("── seed {seed} on {device}"));
            let outcome = train(&one(seed, Some(device)), Site { observer: &silent, ..site })
                .map_err(|error| error.within(format!("seed {seed} on {device}")))?;
            if let Outcome::Interrupted = outcome {
                return Ok(false);
            }
            site.note(&format!("── seed {seed} on {device} has ended"));
        }
    };
    let ends: Vec<Result<bool>> = std::thread::scope(|scope| {
        let workers: Vec<_> = devices.iter().map(|device| scope.spawn(|| work(device))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    Ok(ends.into_iter().collect::<Result<Vec<bool>>>()?.into_iter().all(|ended| ended))
}
