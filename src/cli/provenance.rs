//! What a run remembers of its making: versions, times, data, machine.

use std::time::SystemTime;

use valuenet::config::Config;
use valuenet::model;
use valuenet::nn::device::Chosen;
use valuenet::run::{Git, Info, Model, Source};

/// Describes a run that is about to begin.
pub fn describe(
    config: &Config,
    data: &[Source],
    device: &Chosen,
    limit: Option<usize>,
    model: &model::Model,
) -> Info {
    Info {
        version: env!("CARGO_PKG_VERSION").into(),
        git: git(),
        started: now(),
        resumed: Vec::new(),
        finished: None,
        outcome: None,
        config: config.clone(),
        device: device.name.clone(),
        dtype: config.train.dtype.name().into(),
        threads: rayon::current_num_threads(),
        limit,
        model: Model { base: config.base().into(), parameters: model.parameters(), fresh: model.fresh() },
        data: data.to_vec(),
        seconds: 0.0,
    }
}

/// The time in UTC.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The repository that the program was started in, if it is one.
fn git() -> Option<Git> {
    let ask = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    Some(Git { commit: ask(&["rev-parse", "HEAD"])?, dirty: !ask(&["status", "--porcelain"])?.is_empty() })
}
