//! The regression head: from the first token's hidden state to a utility.

use candle_core::Result;
use serde::{Deserialize, Serialize};

use crate::nn::activation::Activation;
use crate::nn::dropout::dropout;
use crate::nn::linear::Linear;
use crate::nn::params::Loader;
use crate::nn::tape::{Node, Tape};

use super::encoder::Family;

/// What brings a logit into [-1, 1].
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
    /// Nothing: the first token's hidden state itself.
    Cls,
    /// A linear layer and tanh, BERT's pooler, as in transformers' `BertForSequenceClassification`.
    Pooler,
}

/// A choice of head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadSettings {
    /// What brings a logit into [-1, 1].
    pub activation: Range,
    /// What stands before the last layer.
    pub pooling: Pooling,
}

/// Dropout and a linear layer to one number, with or without a pooler before them.
#[derive(Debug)]
pub struct Head {
    pooler: Option<Linear>, // pooler.dense
    classifier: Linear,
    dropout: f32,
    activation: Range,
}

impl Head {
    /// Builds the head; what the checkpoint does not have of it starts from the seed.
    ///
    /// # Errors
    /// If a parameter has another shape.
    pub fn load(loader: &Loader, family: &Family, settings: HeadSettings) -> Result<Self> {
        let hidden = family.hidden_size();
        let pooler = || Linear::load(&loader.fresh(family.prefix()).enter("pooler.dense"), hidden, hidden);
        Ok(Self {
            pooler: (settings.pooling == Pooling::Pooler).then(pooler).transpose()?,
            classifier: Linear::load(&loader.fresh("classifier"), hidden, 1)?,
            dropout: family.dropout(),
            activation: settings.activation,
        })
    }

    /// The logits of first hidden states: (sequences, hidden) to (sequences, 1).
    ///
    /// # Errors
    /// If the states have another width.
    pub fn logits(&self, tape: &Tape, states: &Node) -> Result<Node> {
        let pooled = match &self.pooler {
            Some(pooler) => Activation::Tanh.forward(tape, &pooler.forward(tape, states)?)?,
            None => states.clone(),
        };
        self.classifier.forward(tape, &dropout(tape, &pooled, self.dropout)?)
    }

    /// The utilities that logits stand for, in the same shape.
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
}
