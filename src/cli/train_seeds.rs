//! `valuenet train --seeds`: one run for each seed, on one device or on several at a time.

use std::panic::resume_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::Context;
use valuenet::data::Split;
use valuenet::nn::device;
use valuenet::report::Format;
use valuenet::run::{self, Saved};

use super::eval::seed_means;
use super::output::{Console, write_result};
use super::train::{Args, run_path, train};
use super::train_session::Outcome;

/// Trains all seeds, and reports the means of their test reports.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let folder = run_path(args);
    if !train_seeds(args, &folder, console)? {
        return Ok(Outcome::Interrupted.exit_code());
    }
    // A run that was only begun, or whose data has no test split, has no report.
    let name = Split::Test.name();
    let is_judged = |path: &Path| Saved::open(path).is_ok_and(|saved| saved.report(name).is_file());
    let runs = run::seeds(&folder);
    if !(args.dry_run || args.no_test || runs.is_empty()) && runs.iter().all(|(_, path)| is_judged(path)) {
        write_result(&seed_means(&folder, name, Format::Table)?, None)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Trains one run for each seed, one after the other or on several devices at a time; false if it was interrupted.
fn train_seeds(args: &Args, folder: &Path, console: &Console) -> anyhow::Result<bool> {
    let one = |seed: u64, device: Option<&String>| {
        let output = run::seed_folder(folder, seed);
        let resume = args.resume && Saved::is_run(&output);
        let device = device.or(args.device.as_ref()).cloned();
        let (seed, output) = (Some(seed), Some(output));
        Args {
            seed,
            seeds: Vec::new(),
            devices: Vec::new(),
            device,
            output,
            resume,
            unprinted: true,
            ..args.clone()
        }
    };
    if let [] | [_] = args.devices.as_slice() {
        for &seed in &args.seeds {
            console.note(&format!("── seed {seed}"));
            if let Outcome::Interrupted = train(&one(seed, args.devices.first()), console)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    for device in &args.devices {
        device::open(device)?; // before the first of them has begun
    }
    // Several bars would write over each other, so each run only says when it begins and how it ends.
    let waiting = Mutex::new(args.seeds.iter().copied());
    let work = |device: &String| -> anyhow::Result<bool> {
        loop {
            let Some(seed) = waiting.lock().map_or(None, |mut seeds| seeds.next()) else { return Ok(true) };
            console.note(&format!("── seed {seed} on {device}"));
            let outcome = train(&one(seed, Some(device)), &Console::new(true, false))
                .with_context(|| format!("seed {seed} on {device}"))?;
            if let Outcome::Interrupted = outcome {
                return Ok(false);
            }
            console.note(&format!("── seed {seed} on {device} has ended"));
        }
    };
    let ends: Vec<anyhow::Result<bool>> = std::thread::scope(|scope| {
        let workers: Vec<_> = args.devices.iter().map(|device| scope.spawn(|| work(device))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    Ok(ends.into_iter().collect::<anyhow::Result<Vec<bool>>>()?.into_iter().all(|ended| ended))
}
