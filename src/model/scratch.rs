//! Models that start from nothing: a vocabulary learned from the train split and random weights.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tokenizers::Tokenizer;

use crate::error::Result;
use crate::text::vocabulary::learn_wordpiece;

/// The size of a BERT or a GPT-2 that starts from scratch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScratchSettings {
    /// The largest number of word pieces in the vocabulary.
    pub vocabulary_size: usize,
    /// The width of hidden states.
    pub hidden_size: usize,
    /// The number of layers.
    pub layers: usize,
    /// The number of attention heads; the hidden size is a multiple of it.
    pub heads: usize,
    /// The width inside the feed-forward networks.
    pub intermediate_size: usize,
}

impl Default for ScratchSettings {
    fn default() -> Self {
        Self {
            vocabulary_size: 4000,
            hidden_size: 128,
            layers: 2,
            heads: 2,
            intermediate_size: 512,
        }
    }
}

impl ScratchSettings {
    /// A `config.json` for a BERT of this size that reads at most `max_length` tokens.
    pub fn config(&self, max_length: usize) -> Json {
        json!({
            "architectures": ["BertModel"],
            "attention_probs_dropout_prob": 0.1,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "hidden_size": self.hidden_size,
            "initializer_range": super::network::INITIAL_DEVIATION,
            "intermediate_size": self.intermediate_size,
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": max_length,
            "model_type": "bert",
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "pad_token_id": 0,
            "type_vocab_size": 1,
            "vocab_size": self.vocabulary_size,
        })
    }

    /// A `config.json` for a GPT-2 of this size that reads at most `max_length` tokens and knows so
    /// many. Its dropout is that of the published ones.
    pub fn decoder_config(&self, max_length: usize, vocabulary_size: usize) -> Json {
        json!({
            "activation_function": "gelu_new",
            "architectures": ["GPT2LMHeadModel"],
            "attn_pdrop": 0.1,
            "embd_pdrop": 0.1,
            "initializer_range": super::network::INITIAL_DEVIATION,
            "layer_norm_epsilon": 1e-5,
            "model_type": "gpt2",
            "n_embd": self.hidden_size,
            "n_head": self.heads,
            "n_inner": self.intermediate_size,
            "n_layer": self.layers,
            "n_positions": max_length,
            "resid_pdrop": 0.1,
            "vocab_size": vocabulary_size,
        })
    }

    /// About how many parameters a model of this size has that reads `max_length` tokens: those of its
    /// matrices, and one for each layer at least.
    pub fn parameters(&self, max_length: usize) -> u64 {
        let [vocabulary, hidden, layers, inner, positions] = [
            self.vocabulary_size,
            self.hidden_size,
            self.layers,
            self.intermediate_size,
            max_length,
        ]
        .map(|size| size as u64);
        let of_layer =
            hidden.saturating_mul(hidden.saturating_mul(4).saturating_add(inner.saturating_mul(2)));
        let of_tables = vocabulary.saturating_add(positions).saturating_mul(hidden);
        layers.saturating_mul(of_layer.max(1)).saturating_add(of_tables)
    }

    /// A tokenizer learned from texts.
    ///
    /// # Errors
    /// If no vocabulary can be learned.
    pub fn tokenizer<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Result<Tokenizer> {
        learn_wordpiece(texts, self.vocabulary_size)
    }
}
