//! DistilBERT (Sanh et al., 2019) as transformers' `DistilBertModel`, on packed rows.

use candle_core::Result;
use serde::Deserialize;

use crate::nn::activation::Activation;
use crate::nn::attention::Visible;
use crate::nn::dropout::dropout;
use crate::nn::embedding::{Embedding, lookup, select_rows};
use crate::nn::layer_norm::LayerNorm;
use crate::nn::linear::Linear;
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::Packed;

use super::attention::{MultiHead, MultiHeadSettings, check_heads};
use super::facts::{Facts, HeadLayout};
use super::wanted::Wanted;

/// The epsilon of every norm, which the reference does not read from the config.
const NORM_EPS: f64 = 1e-12;

/// The part of a DistilBERT checkpoint's `config.json` that this model reads, with the defaults of `DistilBertConfig`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct DistilBertConfig {
    pub vocab_size: usize,
    pub dim: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    pub hidden_dim: usize,
    #[serde(default = "default::max_position_embeddings")]
    pub max_position_embeddings: usize,
    #[serde(default = "default::activation")]
    pub activation: String,
    #[serde(default = "default::dropout")]
    pub dropout: f32,
    #[serde(default = "default::dropout")]
    pub attention_dropout: f32,
    #[serde(default = "default::seq_classif_dropout")]
    pub seq_classif_dropout: f32,
}

mod default {
    pub fn max_position_embeddings() -> usize {
        512
    }
    pub fn activation() -> String {
        "gelu".into()
    }
    pub fn dropout() -> f32 {
        0.1
    }
    pub fn seq_classif_dropout() -> f32 {
        0.2
    }
}

impl DistilBertConfig {
    pub(super) fn facts(&self) -> Facts {
        Facts {
            prefix: "distilbert",
            word_embeddings: "embeddings.word_embeddings.weight",
            hidden_size: self.dim,
            max_length: self.max_position_embeddings,
            dropout_keys: &["dropout", "attention_dropout", "seq_classif_dropout"],
            class: "DistilBertModel",
            head: HeadLayout {
                class: "DistilBertForSequenceClassification",
                dense: "pre_classifier",
                activation: Activation::Relu,
                output: "classifier",
                dropout: self.seq_classif_dropout,
                ..HeadLayout::plain()
            },
        }
    }
}

/// `DistilBertModel`.
#[derive(Debug)]
pub struct DistilBert {
    embeddings: Embeddings,
    layer: Vec<TransformerBlock>, // transformer.layer
}

impl DistilBert {
    /// Builds the model from the parameters below `scope`.
    ///
    /// # Errors
    /// If the configuration asks for what this model cannot do, or a parameter is missing or of another shape.
    pub fn load(scope: &Scope, config: &DistilBertConfig) -> Result<Self> {
        check_heads(config.dim, config.n_heads)?;
        let layers = scope.enter("transformer.layer");
        Ok(Self {
            embeddings: Embeddings::load(&scope.enter("embeddings"), config)?,
            layer: (0..config.n_layers)
                .map(|number| TransformerBlock::load(&layers.enter(number), config))
                .collect::<Result<_>>()?,
        })
    }

    /// The last hidden states: (tokens, hidden) or (sequences, hidden).
    ///
    /// # Errors
    /// If an id or a sequence is too large for the model.
    pub fn forward(&self, tape: &Tape, batch: &Packed, wanted: Wanted) -> Result<Node> {
        let mut x = self.embeddings.forward(tape, batch)?;
        for (number, layer) in self.layer.iter().enumerate() {
            let last = number + 1 == self.layer.len();
            x = match wanted {
                Wanted::Summary if last => layer.forward_first(tape, &x, batch)?,
                _ => layer.forward(tape, &x, batch)?,
            };
        }
        match wanted {
            Wanted::Summary if self.layer.is_empty() => select_rows(tape, &x, &batch.first_rows()),
            _ => Ok(x),
        }
    }
}

/// `Embeddings`.
#[derive(Debug)]
struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    layer_norm: LayerNorm, // LayerNorm
    dropout: f32,
}

impl Embeddings {
    fn load(scope: &Scope, config: &DistilBertConfig) -> Result<Self> {
        let table = |name: &str, entries| Embedding::load(&scope.enter(name), entries, config.dim);
        Ok(Self {
            word_embeddings: table("word_embeddings", config.vocab_size)?,
            position_embeddings: table("position_embeddings", config.max_position_embeddings)?,
            layer_norm: LayerNorm::load(&scope.enter("LayerNorm"), config.dim, NORM_EPS)?,
            dropout: config.dropout,
        })
    }

    /// (tokens, hidden)
    fn forward(&self, tape: &Tape, batch: &Packed) -> Result<Node> {
        let tables: [(&Embedding, &[u32]); 2] =
            [(&self.word_embeddings, &batch.ids), (&self.position_embeddings, &batch.positions)];
        let x = lookup(tape, &tables)?;
        dropout(tape, &self.layer_norm.forward(tape, &x)?, self.dropout)
    }
}

/// `TransformerBlock`: attention and a feed-forward network, each with a residual connection and a norm.
#[derive(Debug)]
struct TransformerBlock {
    attention: MultiHead,
    out_lin: Linear, // attention.out_lin
    sa_layer_norm: LayerNorm,
    lin1: Linear, // ffn.lin1
    activation: Activation,
    lin2: Linear, // ffn.lin2
    output_layer_norm: LayerNorm,
    dropout: f32,
}

impl TransformerBlock {
    fn load(scope: &Scope, config: &DistilBertConfig) -> Result<Self> {
        let (hidden, inner) = (config.dim, config.hidden_dim);
        let attention = MultiHeadSettings {
            hidden,
            heads: config.n_heads,
            visible: Visible::All,
            dropout: config.attention_dropout,
        };
        let names = ["q_lin", "k_lin", "v_lin"];
        Ok(Self {
            attention: MultiHead::load(&scope.enter("attention"), names, attention)?,
            out_lin: Linear::load(&scope.enter("attention.out_lin"), hidden, hidden)?,
            sa_layer_norm: LayerNorm::load(&scope.enter("sa_layer_norm"), hidden, NORM_EPS)?,
            lin1: Linear::load(&scope.enter("ffn.lin1"), hidden, inner)?,
            activation: Activation::from_config("activation", &config.activation)?,
            lin2: Linear::load(&scope.enter("ffn.lin2"), inner, hidden)?,
            output_layer_norm: LayerNorm::load(&scope.enter("output_layer_norm"), hidden, NORM_EPS)?,
            dropout: config.dropout,
        })
    }

    /// (tokens, hidden) to (tokens, hidden).
    fn forward(&self, tape: &Tape, x: &Node, batch: &Packed) -> Result<Node> {
        self.after_attention(tape, &self.attention.forward(tape, x, &batch.offsets)?, x)
    }

    /// The same for the first row of each sequence only: (tokens, hidden) to (sequences, hidden).
    fn forward_first(&self, tape: &Tape, x: &Node, batch: &Packed) -> Result<Node> {
        let first = select_rows(tape, x, &batch.first_rows())?;
        let attended = self.attention.across(tape, &first, batch.single_rows(), x, &batch.offsets)?;
        self.after_attention(tape, &attended, &first)
    }

    fn after_attention(&self, tape: &Tape, attended: &Node, x: &Node) -> Result<Node> {
        let x = self.sa_layer_norm.forward(tape, &self.out_lin.residual(tape, attended, x, 0.0)?)?;
        let inner = self.lin1.activated(tape, &x, self.activation)?; // (rows, inner)
        self.output_layer_norm.forward(tape, &self.lin2.residual(tape, &inner, &x, self.dropout)?)
    }
}
