//! DistilBERT (Sanh et al., 2019) as transformers' `DistilBertModel`, on packed rows.

use candle_core::Result;
use serde::Deserialize;

use crate::nn::activation::Activation;
use crate::nn::attention::Mask;
use crate::nn::dropout::dropout;
use crate::nn::embedding::{Embedding, lookup};
use crate::nn::layer_norm::LayerNorm;
use crate::nn::linear::Linear;
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

use super::backbone::{Architecture, Backbone, BackboneConfig};
use super::blocks::{MultiHead, MultiHeadSettings, Residual, Rows, check_heads, run_layers};
use super::head::HeadLayout;
use super::hidden_states::HiddenStates;

/// The epsilon of every norm, which the reference does not read from the config.
const NORM_EPS: f64 = 1e-12;

/// The part of a DistilBERT checkpoint's `config.json` that this model reads, with the defaults of
/// `DistilBertConfig`.
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

impl BackboneConfig for DistilBertConfig {
    fn architecture(&self) -> Result<Architecture> {
        Ok(Architecture {
            prefix: "distilbert",
            word_embeddings: "embeddings.word_embeddings.weight",
            hidden_size: self.dim,
            max_length: self.max_position_embeddings,
            dropout_keys: &["dropout", "attention_dropout", "seq_classif_dropout"],
            class: "DistilBertModel",
            pair_layers: Some(self.n_layers),
        })
    }

    fn classifier(&self) -> Result<Option<HeadLayout>> {
        Ok(Some(HeadLayout {
            class: "DistilBertForSequenceClassification",
            dense: "pre_classifier",
            activation: Activation::Relu,
            output: "classifier",
            dropout: self.seq_classif_dropout,
            ..HeadLayout::plain()
        }))
    }

    fn load(&self, scope: &Scope) -> Result<Box<dyn Backbone>> {
        Ok(Box::new(DistilBert::load(scope, self)?))
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
    /// If the configuration asks for what this model cannot do, or a parameter is missing or of
    /// another shape.
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
}

impl Backbone for DistilBert {
    /// The last hidden states: (tokens, hidden) or (sequences, hidden).
    fn forward(&self, tape: &Tape, batch: &PackedBatch, states: HiddenStates) -> Result<Node> {
        let x = self.embeddings.forward(tape, batch)?;
        run_layers(tape, &self.layer, x, batch, states, |layer, rows, x, batch| {
            layer.forward(tape, rows, x, batch)
        })
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
    fn forward(&self, tape: &Tape, batch: &PackedBatch) -> Result<Node> {
        let tables: [(&Embedding, &[u32]); 2] =
            [(&self.word_embeddings, &batch.ids), (&self.position_embeddings, &batch.positions)];
        let x = lookup(tape, &tables)?;
        dropout(tape, &self.layer_norm.forward(tape, &x)?, self.dropout)
    }
}

/// `TransformerBlock`: attention and a feed-forward network, each with a residual connection and a
/// norm.
#[derive(Debug)]
struct TransformerBlock {
    attention: MultiHead,
    attention_output: Residual, // attention.out_lin and sa_layer_norm
    lin1: Linear,               // ffn.lin1
    activation: Activation,
    output: Residual, // ffn.lin2 and output_layer_norm
}

impl TransformerBlock {
    fn load(scope: &Scope, config: &DistilBertConfig) -> Result<Self> {
        let (hidden, inner) = (config.dim, config.hidden_dim);
        let attention = MultiHeadSettings {
            hidden,
            heads: config.n_heads,
            mask: Mask::All,
            dropout: config.attention_dropout,
        };
        let names = ["q_lin", "k_lin", "v_lin"];
        let residual = |dense: &str, inputs: usize, norm: &str, dropout: f32| -> Result<Residual> {
            let dense = Linear::load(&scope.enter(dense), inputs, hidden)?;
            Ok(Residual::new(
                dense,
                LayerNorm::load(&scope.enter(norm), hidden, NORM_EPS)?,
                dropout,
            ))
        };
        Ok(Self {
            attention: MultiHead::load(&scope.enter("attention"), names, attention)?,
            attention_output: residual("attention.out_lin", hidden, "sa_layer_norm", 0.0)?,
            lin1: Linear::load(&scope.enter("ffn.lin1"), hidden, inner)?,
            activation: Activation::from_config("activation", &config.activation)?,
            output: residual("ffn.lin2", inner, "output_layer_norm", config.dropout)?,
        })
    }

    /// (rows, hidden) and (tokens, hidden) to (rows, hidden).
    fn forward(
        &self,
        tape: &Tape,
        rows: &Rows,
        tokens: &Node,
        batch: &PackedBatch,
    ) -> Result<Node> {
        let attended = self.attention.of_rows(tape, rows, tokens, batch)?;
        let x = self.attention_output.forward(tape, &attended, &rows.x)?;
        let inner = self.lin1.activated(tape, &x, self.activation)?; // (rows, inner)
        self.output.forward(tape, &inner, &x)
    }
}
