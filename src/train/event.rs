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
    /// The model has learned from replies of its own.
    Rollout(RolloutRow),
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
    /// The norm of the gradients of the last of these steps before clipping, if it was measured.
    pub gradient_norm: Option<f64>,
    /// The seconds that training has taken, evaluations included.
    pub seconds: f64,
}

/// What was found of the replies that a model has learned from, which were its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RolloutFigures {
    /// The mean reward of a dialogue with them.
    pub reward: f64,
    /// The same with the persona of another dialogue, if the reward knows personas.
    pub reward_other: Option<f64>,
    /// The divergence from the model at the start, in nats a reply (Schulman's k3 estimator).
    pub kl: f64,
    /// The mean of `-log p` of a token, which estimates the entropy, in nats.
    pub entropy: f64,
    /// The standard deviation of the advantages.
    pub advantage_sd: f64,
    /// The share of replies that were not ended, or say nothing.
    pub unfinished: f64,
    /// The mean number of tokens of a reply.
    pub tokens: f64,
    /// Different pairs of neighbouring words by such pairs.
    pub distinct_2: f64,
}

/// A step that learned from replies of the model's own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RolloutRow {
    /// How many steps are done.
    pub step: u64,
    /// The same in epochs.
    pub epoch: f64,
    /// What was found.
    #[serde(flatten)]
    pub figures: RolloutFigures,
    /// The learning rate.
    pub learning_rate: f64,
    /// The norm of the gradients before clipping.
    pub gradient_norm: Option<f64>,
    /// The seconds that training has taken, evaluations included.
    pub seconds: f64,
}

/// A reply of the model in an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpokenSample {
    /// The number of its dialogue, from 1.
    pub dialogue: usize,
    /// What was said before it last.
    pub before: String,
    /// What the model says.
    pub text: String,
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
    /// Some replies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<SpokenSample>,
    /// The seconds that training has taken, evaluations included.
    pub seconds: f64,
}

fn as_map<S: serde::Serializer>(
    scores: &[Score],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(scores.iter().map(|score| (score.name, score.value)))
}
