//! What a run remembers of its making: versions, times, data, machine.

use std::time::SystemTime;

use crate::config::Config;
use crate::nn::device::Chosen;
use crate::run::{Git, Info, ModelInfo, Source};

/// Describes a run that is about to begin.
pub fn describe(
    config: &Config,
    data: &[Source],
    device: &Chosen,
    limit: Option<usize>,
    model: ModelInfo,
    git: Option<&Git>,
) -> Info {
    Info {
        version: env!("CARGO_PKG_VERSION").into(),
        git: git.cloned(),
        started: now(),
        resumed: Vec::new(),
        finished: None,
        outcome: None,
        config: config.clone(),
        device: device.name.clone(),
        dtype: config.train.dtype.name().into(),
        threads: rayon::current_num_threads(),
        limit,
        model,
        data: data.to_vec(),
        seconds: 0.0,
    }
}

/// The time in UTC.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
