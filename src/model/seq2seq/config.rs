//! The sizes and settings of a sequence-to-sequence network, and the `config.json` they are kept
//! in.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};

/// What `model_type` says.
const MODEL_TYPE: &str = "valuenet-seq2seq";

/// Sizes and settings, under their keys in `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seq2SeqConfig {
    /// The number of tokens that are known.
    pub vocab_size: usize,
    /// The width of a token's embedding.
    pub embedding_size: usize,
    /// The width of hidden states.
    pub hidden_size: usize,
    /// The number of layers of the encoder, and of the decoder.
    pub num_layers: usize,
    /// The dropout probability.
    pub dropout: f32,
    /// The token that stands before each reply.
    pub bos_token_id: u32,
    /// The token that ends a reply.
    pub eos_token_id: u32,
}

impl Seq2SeqConfig {
    /// Whether `config.json` is that of such a network.
    pub fn is_of(config: &Json) -> bool {
        config["model_type"] == MODEL_TYPE
    }

    /// Reads it from `config.json`.
    ///
    /// # Errors
    /// A sentence that says which key is wrong.
    pub fn from_json(config: &Json) -> Result<Self, String> {
        if !Self::is_of(config) {
            return Err(format!("model_type is {}, not \"{MODEL_TYPE}\"", config["model_type"]));
        }
        let config = Self::deserialize(config).map_err(|error| error.to_string())?;
        config.check().map(|()| config)
    }

    /// `config.json`.
    ///
    /// # Errors
    /// If a number in it has no form in JSON.
    pub fn to_json(&self) -> Result<Json> {
        let mut config =
            serde_json::to_value(self).map_err(Error::failure_because("cannot write JSON"))?;
        config["model_type"] = json!(MODEL_TYPE);
        config["architectures"] = json!(["Seq2SeqAttention"]);
        config["torch_dtype"] = json!("float32");
        Ok(config)
    }

    /// Whether such a network can be.
    ///
    /// # Errors
    /// A sentence that says which key is wrong.
    pub fn check(&self) -> Result<(), String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("embedding_size", self.embedding_size),
            ("hidden_size", self.hidden_size),
            ("num_layers", self.num_layers),
        ];
        if let Some((key, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(format!("{key} is 0"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(format!("dropout is {}, not at least 0 and below 1", self.dropout));
        }
        let tokens = [("bos_token_id", self.bos_token_id), ("eos_token_id", self.eos_token_id)];
        match tokens.iter().find(|(_, id)| *id as usize >= self.vocab_size) {
            Some((key, id)) => Err(format!("{key} is {id}, but vocab_size {}", self.vocab_size)),
            None => Ok(()),
        }
    }
}
