//! What the logits of a value model mean: a utility by regression, or three classes.

use candle_core::Result;
use serde::{Deserialize, Serialize};

use crate::nn::activation::Activation;
use crate::nn::losses::{cross_entropy, squared_error};
use crate::nn::tape::{Node, Tape};
use crate::value::Label;

use super::head::{HeadShape, Pooling};
use super::predictor::Prediction;

/// What a head learns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The utility itself, by its squared error.
    #[default]
    Regression,
    /// The classes -1, 0 and +1, by their cross-entropy; the utility is `p(+1) - p(-1)`.
    ThreeClass,
}

impl Objective {
    /// How many logits it takes.
    pub fn outputs(self) -> usize {
        match self {
            Self::Regression => 1,
            Self::ThreeClass => Label::COUNT,
        }
    }

    /// How a class comes to be, for reports.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Regression => "nearest integer, ties to even, clamped to [-1, 1]",
            Self::ThreeClass => "the most probable class; the utility is p(+1) - p(-1)",
        }
    }
}

/// What brings a logit into [-1, 1] in regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Range {
    /// `2 σ(x) - 1`, the paper's "sigmoid in [-1, 1]".
    ScaledSigmoid,
    /// `tanh(x)`.
    Tanh,
    /// `x` as it is; predictions may leave [-1, 1].
    Identity,
}

/// A choice of head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadSettings {
    /// What it learns.
    #[serde(default)]
    pub objective: Objective,
    /// What brings a logit into [-1, 1].
    pub activation: Range,
    /// What stands before the last layer.
    pub pooling: Pooling,
}

impl HeadSettings {
    /// The head that such logits come from.
    pub fn shape(&self) -> HeadShape {
        HeadShape { outputs: self.objective.outputs(), pooling: self.pooling, inputs: 0 }
    }

    /// The utilities that the logits of a regression stand for, in the same shape.
    ///
    /// # Errors
    /// If candle fails.
    pub fn utilities(&self, tape: &Tape, logits: &Node) -> Result<Node> {
        match self.activation {
            Range::ScaledSigmoid => Activation::ScaledSigmoid.forward(tape, logits),
            Range::Tanh => Activation::Tanh.forward(tape, logits),
            Range::Identity => Ok(logits.clone()),
        }
    }

    /// `weight` times the sum of the losses of these logits.
    ///
    /// # Errors
    /// If there are not as many labels as rows.
    pub fn loss(&self, tape: &Tape, logits: &Node, labels: &[Label], weight: f64) -> Result<Node> {
        match self.objective {
            Objective::Regression => {
                let targets: Vec<f32> = labels.iter().map(|label| label.utility()).collect();
                squared_error(tape, &self.utilities(tape, logits)?, &targets, weight)
            }
            Objective::ThreeClass => {
                let classes: Vec<u32> = labels.iter().map(|label| label.index() as u32).collect();
                cross_entropy(tape, logits, &classes, weight)
            }
        }
    }

    /// What the logits say of each row; None for a row with a number that is
    /// not finite.
    ///
    /// # Errors
    /// If candle fails.
    pub fn predictions(&self, tape: &Tape, logits: &Node) -> Result<Vec<Option<Prediction>>> {
        match self.objective {
            Objective::Regression => {
                let utilities =
                    self.utilities(tape, logits)?.tensor().flatten_all()?.to_vec1::<f32>()?;
                Ok(utilities.into_iter().map(Prediction::of_utility).collect())
            }
            Objective::ThreeClass => {
                let rows = logits.tensor().to_vec2::<f32>()?;
                Ok(rows
                    .iter()
                    .map(|row| Prediction::of_logits(row.as_slice().try_into().ok()?))
                    .collect())
            }
        }
    }
}
