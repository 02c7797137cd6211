//! The heads: from the state that stands for a prompt to a utility, by regression or through three
//! classes.

use candle_core::Result;
use serde::{Deserialize, Serialize};

use crate::nn::activation::Activation;
use crate::nn::dropout::dropout;
use crate::nn::layer_norm::LayerNorm;
use crate::nn::linear::Linear;
use crate::nn::losses::{cross_entropy, squared_error};
use crate::nn::params::Loader;
use crate::nn::tape::{Node, Tape};
use crate::value::Label;

use super::facts::{Facts, HeadLayout};
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

/// What stands between the encoder and the head's last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Nothing: the state itself.
    Cls,
    /// What the family's `…ForSequenceClassification` in transformers has: in BERT a linear layer
    /// and tanh, its pooler.
    Pooler,
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

/// Dropout and a linear layer to the logits, with or without the family's own layers before them.
#[derive(Debug)]
pub struct Head {
    pooler: Option<Pooler>,
    output: Linear,
    dropout: f32,
    settings: HeadSettings,
}

impl Head {
    /// Builds the head; what the checkpoint does not have of it starts from the seed.
    ///
    /// # Errors
    /// If a parameter has another shape.
    pub fn load(loader: &Loader, facts: &Facts, settings: HeadSettings) -> Result<Self> {
        let (hidden, layout) = (facts.hidden_size, &facts.head);
        let pooler = || Pooler::load(loader, layout, hidden);
        Ok(Self {
            pooler: (settings.pooling == Pooling::Pooler).then(pooler).transpose()?,
            output: Linear::load(
                &loader.fresh(layout.output),
                hidden,
                settings.objective.outputs(),
            )?,
            dropout: layout.dropout,
            settings,
        })
    }

    /// The logits of summary states: (sequences, hidden) to (sequences, outputs) in f32.
    ///
    /// # Errors
    /// If the states have another width.
    pub fn logits(&self, tape: &Tape, states: &Node) -> Result<Node> {
        let pooled = match &self.pooler {
            Some(pooler) => pooler.forward(tape, states)?,
            None => states.clone(),
        };
        self.output.widened(tape, &dropout(tape, &pooled, self.dropout)?)
    }

    /// The utilities that the logits of a regression stand for, in the same shape.
    ///
    /// # Errors
    /// If candle fails.
    pub fn utilities(&self, tape: &Tape, logits: &Node) -> Result<Node> {
        match self.settings.activation {
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
        match self.settings.objective {
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

    /// What the logits say of each row; none for a row of which a number is none.
    ///
    /// # Errors
    /// If candle fails.
    pub fn predictions(&self, tape: &Tape, logits: &Node) -> Result<Vec<Option<Prediction>>> {
        match self.settings.objective {
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

/// What a family puts between the summary state and the last dropout.
#[derive(Debug)]
struct Pooler {
    dropout: f32,
    dense: Linear,
    activation: Activation,
    norm: Option<LayerNorm>,
}

impl Pooler {
    fn load(loader: &Loader, layout: &HeadLayout, hidden: usize) -> Result<Self> {
        let dense = loader.fresh(layout.dense);
        let norm = layout.norm.map(|norm| match norm.bias {
            true => LayerNorm::load(&loader.fresh(norm.name), hidden, norm.eps),
            false => LayerNorm::load_without_bias(&loader.fresh(norm.name), hidden, norm.eps),
        });
        Ok(Self {
            dropout: layout.dropout_before,
            dense: match layout.dense_bias {
                true => Linear::load(&dense, hidden, hidden)?,
                false => Linear::load_without_bias(&dense, hidden, hidden)?,
            },
            activation: layout.activation,
            norm: norm.transpose()?,
        })
    }

    /// (sequences, hidden) to (sequences, hidden).
    fn forward(&self, tape: &Tape, states: &Node) -> Result<Node> {
        let states = dropout(tape, states, self.dropout)?;
        let pooled = self.dense.activated(tape, &states, self.activation)?;
        self.norm.as_ref().map_or(Ok(pooled.clone()), |norm| norm.forward(tape, &pooled))
    }
}
