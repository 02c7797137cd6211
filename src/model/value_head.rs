//! What the logits of a value model mean: a utility by regression, or classes with probabilities.

use candle_core::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nn::activation::Activation;
use crate::nn::losses::{
    continuation_ratio, divergence, either, expected_utility, soft_cross_entropy,
    squared_difference_error, squared_distance, squared_error,
};
use crate::nn::sum::sum;
use crate::nn::tape::{Node, Tape};
use crate::value::Label;

use super::head::{HeadShape, Pooling};
use super::predictor::Prediction;

/// What a head learns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The utility itself, by its squared error.
    #[default]
    Regression,
    /// The classes -1, 0 and +1, by their cross-entropy; the utility is `p(+1) - p(-1)`.
    ThreeClass,
    /// The classes and the utility together: half the cross-entropy, and the squared error of
    /// `p(+1) - p(-1)`.
    Joint,
    /// The same two, of classes in their order: the logits are those of "at least 0", and of "+1 if
    /// at least 0" (continuation ratios, as Shi, Cao and Raschka's CORN has them).
    Ordinal,
    /// Whether a text has to do with a value, for or against it, by the cross-entropy of two classes
    /// (as van der Meer et al., EMNLP 2023, and Borenstein et al., 2024, use the dataset). +1 stands for either, and
    /// the utility is its probability.
    Relevance,
}

/// The share of the cross-entropy in a loss of classes and utility.
const CLASSES_IN_JOINT: f64 = 0.5;

impl Objective {
    /// All of them.
    pub const ALL: [Objective; 5] =
        [Self::Regression, Self::ThreeClass, Self::Joint, Self::Ordinal, Self::Relevance];

    /// How many logits it takes.
    pub fn outputs(self) -> usize {
        match self {
            Self::Regression | Self::Relevance => 1,
            Self::ThreeClass | Self::Joint => Label::COUNT,
            Self::Ordinal => Label::COUNT - 1,
        }
    }

    /// Whether it gives classes probabilities.
    pub fn has_probabilities(self) -> bool {
        self != Self::Regression
    }

    /// How a class comes to be, for reports.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Regression => "nearest integer, ties to even, clamped to [-1, 1]",
            Self::Relevance => {
                "+1 for either label but 0, if that is more probable than 0; the utility is its probability"
            }
            _ => "the most probable class; the utility is p(+1) - p(-1)",
        }
    }
}

impl Objective {
    /// What a label is to it.
    pub fn meant(self, label: Label) -> Label {
        match (self, label) {
            (Self::Relevance, Label::No) => Label::Yes,
            _ => label,
        }
    }

    /// What a target is to it.
    pub fn target(self, target: Target) -> Target {
        if self != Self::Relevance {
            return target;
        }
        let [no, unrelated, yes] = target.probabilities;
        Target { utility: no + yes, probabilities: [0.0, unrelated, no + yes] }
    }
}

/// What a row teaches: its label, or what a teacher says of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// The utility.
    pub utility: f32,
    /// The probabilities of the classes -1, 0 and +1.
    pub probabilities: [f32; Label::COUNT],
}

impl Target {
    /// What lies between two targets, this one at 0 and the other at 1.
    pub fn towards(self, other: Self, share: f32) -> Self {
        let between = |here: f32, there: f32| here + share * (there - here);
        Self {
            utility: between(self.utility, other.utility),
            probabilities: std::array::from_fn(|class| {
                between(self.probabilities[class], other.probabilities[class])
            }),
        }
    }
}

impl From<[f32; Label::COUNT]> for Target {
    fn from(probabilities: [f32; Label::COUNT]) -> Self {
        let utility = probabilities[Label::Yes.index()] - probabilities[Label::No.index()];
        Self { utility, probabilities }
    }
}

impl From<Label> for Target {
    fn from(label: Label) -> Self {
        let mut probabilities = [0.0; Label::COUNT];
        probabilities[label.index()] = 1.0;
        Self { utility: label.utility(), probabilities }
    }
}

/// What brings a logit into [-1, 1] in regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

    /// How the utilities of a batch come from its `logits`, in Python with torch, for those who load
    /// the model elsewhere.
    pub fn in_torch(&self) -> &'static str {
        match (self.objective, self.activation) {
            (Objective::Regression, Range::ScaledSigmoid) => "2 * logits[:, 0].sigmoid() - 1",
            (Objective::Regression, Range::Tanh) => "logits[:, 0].tanh()",
            (Objective::Regression, Range::Identity) => "logits[:, 0]",
            (Objective::ThreeClass | Objective::Joint, _) => {
                "logits.softmax(-1) @ torch.tensor([-1.0, 0.0, 1.0])"
            }
            (Objective::Relevance, _) => "logits[:, 0].sigmoid()",
            (Objective::Ordinal, _) => "logits[:, 0].sigmoid() * (1 + logits[:, 1].sigmoid()) - 1",
        }
    }

    /// `weight` times the sum of the losses of these logits.
    ///
    /// # Errors
    /// If there are not as many targets as rows.
    pub fn loss(
        &self,
        tape: &Tape,
        logits: &Node,
        targets: &[Target],
        weight: f64,
    ) -> Result<Node> {
        let utilities: Vec<f32> = targets.iter().map(|target| target.utility).collect();
        if self.objective == Objective::Regression {
            return squared_error(tape, &self.utilities(tape, logits)?, &utilities, weight);
        }
        let logits = self.class_logits(tape, logits)?;
        let shares: Vec<_> = targets.iter().map(|target| target.probabilities).collect();
        if matches!(self.objective, Objective::ThreeClass | Objective::Relevance) {
            return soft_cross_entropy(tape, &logits, &shares, weight);
        }
        let of_classes = soft_cross_entropy(tape, &logits, &shares, CLASSES_IN_JOINT * weight)?;
        let expected = expected_utility(tape, &logits)?;
        sum(tape, &of_classes, &squared_error(tape, &expected, &utilities, weight)?)
    }

    /// `weight` times the sum of the squared errors of the differences of these pairs of rows in
    /// utility.
    ///
    /// # Errors
    /// If there are not as many targets as rows.
    pub fn contrast(
        &self,
        tape: &Tape,
        logits: &Node,
        targets: &[Target],
        pairs: Vec<(u32, u32)>,
        weight: f64,
    ) -> Result<Node> {
        let utilities = match self.objective {
            Objective::Regression => self.utilities(tape, logits)?,
            _ => expected_utility(tape, &self.class_logits(tape, logits)?)?,
        };
        let difference =
            |&(a, b): &(u32, u32)| targets[a as usize].utility - targets[b as usize].utility;
        let differences = pairs.iter().map(difference).collect();
        squared_difference_error(tape, &utilities, pairs, differences, weight)
    }

    /// `weight` times how far two passes over the same rows are from saying the same: the symmetric
    /// Kullback-Leibler divergence of their classes, or of a regression the squared distance of their
    /// utilities (Liang et al., *R-Drop*, NeurIPS 2021).
    ///
    /// # Errors
    /// If they have other shapes.
    pub fn divergence(&self, tape: &Tape, a: &Node, b: &Node, weight: f64) -> Result<Node> {
        match self.objective {
            Objective::Regression => {
                let (a, b) = (self.utilities(tape, a)?, self.utilities(tape, b)?);
                squared_distance(tape, &a, &b, weight)
            }
            _ => {
                let (a, b) = (self.class_logits(tape, a)?, self.class_logits(tape, b)?);
                divergence(tape, &a, &b, weight)
            }
        }
    }

    /// The logits of the three classes, (rows, 3).
    fn class_logits(&self, tape: &Tape, logits: &Node) -> Result<Node> {
        match self.objective {
            Objective::Ordinal => continuation_ratio(tape, logits),
            Objective::Relevance => either(tape, logits),
            _ => Ok(logits.clone()),
        }
    }

    /// What the logits say of each row; None for a row with a number that is
    /// not finite.
    ///
    /// # Errors
    /// If candle fails.
    pub fn predictions(&self, tape: &Tape, logits: &Node) -> Result<Vec<Option<Prediction>>> {
        if self.objective == Objective::Regression {
            let utilities = self.utilities(tape, logits)?;
            let utilities = utilities.tensor().flatten_all()?.to_vec1::<f32>()?;
            return Ok(utilities.into_iter().map(Prediction::of_utility).collect());
        }
        let rows = self.class_logits(tape, logits)?.tensor().to_vec2::<f32>()?;
        let prediction = |row: &Vec<f32>| Prediction::of_logits(row.as_slice().try_into().ok()?);
        Ok(rows.iter().map(prediction).collect())
    }
}
