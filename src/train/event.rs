//! What a training run tells the world, and what it can be told back.

use std::path::Path;

use serde::Serialize;

use super::policy::{Best, Score};
use crate::error::Result;

/// Something that happened.
pub enum Event<'a> {
    /// A step is done.
    Step(StepDone),
    /// The mean loss of the last steps is known.
    Loss(LossRow),
    /// The eval split was predicted.
    Evaluated(EvalRow),
    /// A checkpoint is to be kept: call the function with an empty folder.
    Save(Checkpoint, &'a dyn Fn(&Path) -> Result<()>),
}

/// What the receiver of an event answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Continue,
    /// Save the state after this step, and stop.
    Pause,
}

/// A kind of checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    /// The model with the best score on the eval split.
    Best,
    /// The latest model, with all that is needed to go on.
    Last,
}

/// A step is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepDone {
    /// How many steps are done.
    pub step: u64,
    /// The mean loss of its samples.
    pub loss: f64,
    /// The number of its samples.
    pub samples: usize,
}

/// The training loss over the last steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LossRow {
    /// How many steps are done.
    pub step: u64,
    /// The same in epochs.
    pub epoch: f64,
    /// The mean loss of the samples since the last row.
    pub loss: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The norm of the last step's gradients before clipping, if it was measured.
    pub gradient_norm: Option<f64>,
    /// The seconds that training has taken, evaluations included.
    pub seconds: f64,
}

/// The scores on the eval split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalRow {
    /// How many steps are done.
    pub step: u64,
    /// The same in epochs.
    pub epoch: f64,
    /// The scores, in the order in which they are shown.
    #[serde(serialize_with = "as_map")]
    pub scores: Vec<Score>,
    /// The best evaluation up to this one.
    pub best: Option<Best>,
    /// The seconds that training has taken, evaluations included.
    pub seconds: f64,
}

fn as_map<S: serde::Serializer>(
    scores: &[Score],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(scores.iter().map(|score| (score.name, score.value)))
}
