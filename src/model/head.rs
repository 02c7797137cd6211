//! A classification head: from the state that stands for a sequence to logits, whatever they mean.

use candle_core::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nn::activation::Activation;
use crate::nn::dropout::dropout;
use crate::nn::layer_norm::LayerNorm;
use crate::nn::linear::Linear;
use crate::nn::params::Loader;
use crate::nn::sum::sum;
use crate::nn::tape::{Node, Tape};

/// How transformers' `…ForSequenceClassification` gets from the summary state to logits: dropout, a
/// dense layer, an activation, perhaps a norm, dropout, a linear layer. Names are full names in a
/// checkpoint.
#[derive(Debug, Clone)]
pub struct HeadLayout {
    /// The class.
    pub class: &'static str,
    /// The dense layer.
    pub dense: &'static str,
    /// Whether that has a bias.
    pub dense_bias: bool,
    /// The function after it.
    pub activation: Activation,
    /// The norm after that, if there is one.
    pub norm: Option<NormLayout>,
    /// The linear layer to logits.
    pub output: &'static str,
    /// The dropout probability before the dense layer.
    pub dropout_before: f32,
    /// The dropout probability before the linear layer.
    pub dropout: f32,
    /// Text values of `config.json` that say the same, where other values would mean another head.
    pub settings: &'static [(&'static str, &'static str)],
}

/// A norm inside a head.
#[derive(Debug, Clone, Copy)]
pub struct NormLayout {
    /// Its name.
    pub name: &'static str,
    /// Keeps the square root away from zero.
    pub eps: f64,
    /// Whether it has a bias.
    pub bias: bool,
}

impl HeadLayout {
    /// The names of its layers.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        [self.dense, self.output, BESIDE].into_iter().chain(self.norm.map(|norm| norm.name))
    }

    /// A head without any name or dropout, to be filled in.
    pub fn plain() -> Self {
        Self {
            class: "",
            dense: "",
            dense_bias: true,
            activation: Activation::Tanh,
            norm: None,
            output: "",
            dropout_before: 0.0,
            dropout: 0.0,
            settings: &[],
        }
    }
}

/// What stands between the encoder and the head's last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Nothing: the state itself.
    Cls,
    /// What the family's `…ForSequenceClassification` in transformers has: in BERT a linear layer
    /// and tanh, its pooler.
    Pooler,
}

/// How large a head is, and which of its layers it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadShape {
    /// The number of logits.
    pub outputs: usize,
    /// What stands before the last layer.
    pub pooling: Pooling,
    /// How many numbers that do not come from the encoder stand beside the state in the last layer.
    pub inputs: usize,
}

/// Dropout and a linear layer to the logits, with or without the family's own layers before them,
/// and with or without further numbers beside the state: `W [h; v] + b`, of which the columns of `W`
/// for `v` are a tensor of their own.
#[derive(Debug)]
pub struct Head {
    pooler: Option<Pooler>,
    output: Linear,
    beside: Option<Linear>, // values
    dropout: f32,
}

/// The name of the weights of further numbers.
const BESIDE: &str = "values";

impl Head {
    /// Builds the head on states of width `hidden`; what the checkpoint does not have of it starts
    /// from the seed.
    ///
    /// # Errors
    /// If a parameter has another shape.
    pub fn load(
        loader: &Loader,
        layout: &HeadLayout,
        hidden: usize,
        shape: HeadShape,
    ) -> Result<Self> {
        let pooler = || Pooler::load(loader, layout, hidden);
        Ok(Self {
            pooler: (shape.pooling == Pooling::Pooler).then(pooler).transpose()?,
            output: Linear::load(&loader.optional(layout.output), hidden, shape.outputs)?,
            beside: match shape.inputs {
                0 => None,
                inputs => {
                    let scope = loader.optional(BESIDE);
                    Some(Linear::load_without_bias(&scope, inputs, shape.outputs)?)
                }
            },
            dropout: layout.dropout,
        })
    }

    /// The logits of summary states, (sequences, hidden), and of what stands beside them if the head
    /// has such inputs, (sequences, inputs): (sequences, outputs) in f32.
    ///
    /// # Errors
    /// If one has another width.
    pub fn logits(&self, tape: &Tape, states: &Node, inputs: Option<&Node>) -> Result<Node> {
        let pooled = match &self.pooler {
            Some(pooler) => pooler.forward(tape, states)?,
            None => states.clone(),
        };
        let logits = self.output.widened(tape, &dropout(tape, &pooled, self.dropout)?)?;
        match (&self.beside, inputs) {
            (Some(beside), Some(inputs)) => sum(tape, &logits, &beside.widened(tape, inputs)?),
            (None, None) => Ok(logits),
            _ => candle_core::bail!("the head has other inputs"),
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
        let dense = loader.optional(layout.dense);
        let norm = layout.norm.map(|norm| match norm.bias {
            true => LayerNorm::load(&loader.optional(norm.name), hidden, norm.eps),
            false => LayerNorm::load_without_bias(&loader.optional(norm.name), hidden, norm.eps),
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
