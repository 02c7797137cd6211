//! What a training run must remember to go on as if it had never stopped.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::policy::History;
use crate::disk::{read_json, write_json};
use crate::error::{Error, Result};

const STATE: &str = "trainer_state.json";

/// The state of a training run between two steps; the learner's own stands beside it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// How many optimiser steps are done.
    pub step: u64,
    /// The losses since the last row, each times its number of samples.
    pub loss_sum: f64,
    /// The number of samples since the last row.
    pub loss_items: u64,
    /// The norm of the gradients of the last step that counts for the row, if it was measured.
    #[serde(default)]
    pub gradient_norm: Option<f64>,
    /// What the evaluations said.
    pub history: History,
    /// The seconds that training has taken so far.
    pub seconds: f64,
}

impl State {
    /// Writes the state into a folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(STATE), self)
    }

    /// Reads what [`State::write`] wrote.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(STATE);
        serde_json::from_value(read_json(&path)?)
            .map_err(|error| Error::file(&path, format!("not a training state: {error}")))
    }
}
