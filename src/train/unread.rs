//! The outcomes of steps whose numbers were not read yet.

use std::collections::VecDeque;

use super::learner::StepOutcome;
use super::state::State;
use crate::error::{Error, Result};

/// The outcomes of the last steps, in their order.
#[derive(Debug, Default)]
pub(super) struct Unread {
    waiting: VecDeque<(u64, StepOutcome)>,
    loss: f64,
    norm: Option<f64>,
}

impl Unread {
    /// Adds what the step with this number gave.
    pub(super) fn add(&mut self, step: u64, outcome: StepOutcome) {
        self.waiting.push_back((step, outcome));
    }

    /// Reads all but the last so many outcomes into the state.
    ///
    /// # Errors
    /// If a loss or a norm is no number, or the device fails.
    pub(super) fn read_but(&mut self, kept: usize, state: &mut State) -> Result<()> {
        while self.waiting.len() > kept
            && let Some((step, outcome)) = self.waiting.pop_front()
        {
            self.loss = outcome.loss.read()?;
            self.norm = outcome.gradient_norm.map(|norm| norm.read()).transpose()?;
            refuse_divergence(step, self.loss, self.norm.unwrap_or(0.0))?;
            if outcome.rollout.is_none() {
                state.loss_sum += self.loss * outcome.weight as f64;
                state.loss_items += outcome.weight;
                state.gradient_norm = self.norm;
            }
        }
        Ok(())
    }

    /// The loss that was read last.
    pub(super) fn last_loss(&self) -> f64 {
        self.loss
    }

    /// The norm of the gradients that was read last, if it was measured.
    pub(super) fn last_norm(&self) -> Option<f64> {
        self.norm
    }
}

fn refuse_divergence(step: u64, loss: f64, norm: f64) -> Result<()> {
    if loss.is_finite() && norm.is_finite() {
        return Ok(());
    }
    let what = format!("the training diverged at step {step}: loss {loss}, gradient norm {norm}");
    Err(Error::failure(what).help("lower train.learning_rate, or lengthen train.warmup"))
}
