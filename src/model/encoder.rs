//! The families of encoders, chosen by a checkpoint's own `config.json`.

use std::collections::HashMap;

use candle_core::Tensor;
use serde_json::Value as Json;

use super::bert::{Bert, BertConfig};
use super::wanted::Wanted;
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::Packed;

/// What is known of a family before its weights are read.
#[derive(Debug, Clone)]
pub enum Family {
    /// `model_type = "bert"`.
    Bert(BertConfig),
}

impl Family {
    /// Reads the family and its sizes from a `config.json`.
    ///
    /// # Errors
    /// A sentence that says which key is wrong.
    pub fn from_config(config: &Json) -> Result<Self, String> {
        match config["model_type"].as_str() {
            Some("bert") => {
                serde_json::from_value(config.clone()).map(Self::Bert).map_err(|error| error.to_string())
            }
            Some(other) => Err(format!("model_type \"{other}\" is not a family that valuenet knows (bert)")),
            None => Err("model_type is missing".into()),
        }
    }

    /// The prefix of all the encoder's parameters in a checkpoint with a head.
    pub fn prefix(&self) -> &'static str {
        match self {
            Self::Bert(_) => "bert",
        }
    }

    /// The name of the word embedding table, which the value tokens lengthen.
    pub fn word_embeddings(&self) -> String {
        match self {
            Self::Bert(_) => format!("{}.embeddings.word_embeddings.weight", self.prefix()),
        }
    }

    /// The transformers classes of this encoder with and without a classification head.
    pub fn architecture(&self, with_head: bool) -> &'static str {
        match (self, with_head) {
            (Self::Bert(_), true) => "BertForSequenceClassification",
            (Self::Bert(_), false) => "BertModel",
        }
    }

    /// The width of a hidden state.
    pub fn hidden_size(&self) -> usize {
        match self {
            Self::Bert(config) => config.hidden_size,
        }
    }

    /// The longest sequence it can read, in tokens.
    pub fn max_length(&self) -> usize {
        match self {
            Self::Bert(config) => config.max_position_embeddings,
        }
    }

    /// The keys of `config.json` that hold dropout probabilities of the encoder.
    pub fn dropout_keys(&self) -> &'static [&'static str] {
        match self {
            Self::Bert(_) => &["hidden_dropout_prob", "attention_probs_dropout_prob"],
        }
    }

    /// The dropout probability of hidden states.
    pub fn dropout(&self) -> f32 {
        match self {
            Self::Bert(config) => config.hidden_dropout_prob,
        }
    }

    /// A checkpoint's tensors under the names of this family: with its prefix, TensorFlow's `gamma` and `beta` called
    /// `weight` and `bias`, and without what is no parameter of the encoder or its head.
    pub fn canonical(&self, tensors: HashMap<String, Tensor>) -> HashMap<String, Tensor> {
        let prefix = format!("{}.", self.prefix());
        tensors
            .into_iter()
            .map(|(name, tensor)| {
                let name = name.replace("LayerNorm.gamma", "LayerNorm.weight");
                let name = name.replace("LayerNorm.beta", "LayerNorm.bias");
                match name.starts_with(&prefix) || name.starts_with("classifier.") {
                    true => (name, tensor),
                    false => (format!("{prefix}{name}"), tensor),
                }
            })
            .collect()
    }

    /// Builds the encoder from the parameters below `scope`.
    ///
    /// # Errors
    /// If a parameter is missing or of another shape.
    pub fn load(&self, scope: &Scope) -> candle_core::Result<Encoder> {
        match self {
            Self::Bert(config) => Bert::load(scope, config).map(Encoder::Bert),
        }
    }
}

/// A trainable encoder.
#[derive(Debug)]
pub enum Encoder {
    /// BERT.
    Bert(Bert),
}

impl Encoder {
    /// The last hidden states of a batch: (tokens, hidden) or (sequences, hidden).
    ///
    /// # Errors
    /// If an id or a sequence is too large for the model.
    pub fn forward(&self, tape: &Tape, batch: &Packed, wanted: Wanted) -> candle_core::Result<Node> {
        match self {
            Self::Bert(bert) => bert.forward(tape, batch, wanted),
        }
    }
}
