//! BERT (Devlin et al., NAACL 2019) as transformers' `BertModel`, on packed rows.
//!
//! Each struct mirrors the class of the same name there, and its fields the key tree of a
//! checkpoint.

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

/// The part of a BERT checkpoint's `config.json` that this model reads, with the defaults of
/// `BertConfig`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct BertConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    #[serde(default = "default::hidden_act")]
    pub hidden_act: String,
    #[serde(default = "default::dropout")]
    pub hidden_dropout_prob: f32,
    #[serde(default = "default::dropout")]
    pub attention_probs_dropout_prob: f32,
    #[serde(default = "default::max_position_embeddings")]
    pub max_position_embeddings: usize,
    #[serde(default = "default::type_vocab_size")]
    pub type_vocab_size: usize,
    #[serde(default = "default::layer_norm_eps")]
    pub layer_norm_eps: f64,
    #[serde(default = "default::position_embedding_type")]
    pub position_embedding_type: String,
    #[serde(default)]
    pub classifier_dropout: Option<f32>,
}

impl BertConfig {
    fn layer_norm(&self, scope: &Scope) -> Result<LayerNorm> {
        LayerNorm::load(&scope.enter("LayerNorm"), self.hidden_size, self.layer_norm_eps)
    }
}

mod default {
    pub fn hidden_act() -> String {
        "gelu".into()
    }
    pub fn dropout() -> f32 {
        0.1
    }
    pub fn max_position_embeddings() -> usize {
        512
    }
    pub fn type_vocab_size() -> usize {
        2
    }
    pub fn layer_norm_eps() -> f64 {
        1e-12
    }
    pub fn position_embedding_type() -> String {
        "absolute".into()
    }
}

impl BackboneConfig for BertConfig {
    fn architecture(&self) -> Result<Architecture> {
        Ok(Architecture {
            prefix: "bert",
            word_embeddings: "embeddings.word_embeddings.weight",
            hidden_size: self.hidden_size,
            max_length: self.max_position_embeddings,
            dropout_keys: &[
                "hidden_dropout_prob",
                "attention_probs_dropout_prob",
                "classifier_dropout",
            ],
            class: "BertModel",
            pair_layers: Some(self.num_hidden_layers),
        })
    }

    fn classifier(&self) -> Result<Option<HeadLayout>> {
        Ok(Some(HeadLayout {
            class: "BertForSequenceClassification",
            dense: "bert.pooler.dense",
            activation: Activation::Tanh,
            output: "classifier",
            dropout: self.classifier_dropout.unwrap_or(self.hidden_dropout_prob),
            ..HeadLayout::plain()
        }))
    }

    fn load(&self, scope: &Scope) -> Result<Box<dyn Backbone>> {
        Ok(Box::new(Bert::load(scope, self)?))
    }
}

/// `BertModel` without its pooler, which belongs to the head here.
#[derive(Debug)]
pub struct Bert {
    embeddings: BertEmbeddings,
    layer: Vec<BertLayer>, // encoder.layer
}

impl Bert {
    /// Builds the model from the parameters below `scope`.
    ///
    /// # Errors
    /// If the configuration asks for what this model cannot do, or a parameter is missing or of
    /// another shape.
    pub fn load(scope: &Scope, config: &BertConfig) -> Result<Self> {
        check_heads(config.hidden_size, config.num_attention_heads)?;
        if config.position_embedding_type != "absolute" {
            candle_core::bail!(
                "position_embedding_type \"{}\" is not known, only \"absolute\"",
                config.position_embedding_type
            );
        }
        let layers = scope.enter("encoder.layer");
        Ok(Self {
            embeddings: BertEmbeddings::load(&scope.enter("embeddings"), config)?,
            layer: (0..config.num_hidden_layers)
                .map(|number| BertLayer::load(&layers.enter(number), config))
                .collect::<Result<_>>()?,
        })
    }
}

impl Backbone for Bert {
    /// The last hidden states: (tokens, hidden), or (sequences, hidden) if only the first token of
    /// each is wanted. Positions are counted from `batch.positions`.
    fn forward(&self, tape: &Tape, batch: &PackedBatch, states: HiddenStates) -> Result<Node> {
        let x = self.embeddings.forward(tape, batch)?;
        run_layers(tape, &self.layer, x, batch, states, |layer, rows, x, batch| {
            layer.forward(tape, rows, x, batch)
        })
    }
}

/// `BertEmbeddings`.
#[derive(Debug)]
struct BertEmbeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Embedding,
    layer_norm: LayerNorm,
    dropout: f32,
}

impl BertEmbeddings {
    fn load(scope: &Scope, config: &BertConfig) -> Result<Self> {
        let table =
            |name: &str, entries| Embedding::load(&scope.enter(name), entries, config.hidden_size);
        Ok(Self {
            word_embeddings: table("word_embeddings", config.vocab_size)?,
            position_embeddings: table("position_embeddings", config.max_position_embeddings)?,
            token_type_embeddings: table("token_type_embeddings", config.type_vocab_size)?,
            layer_norm: config.layer_norm(scope)?,
            dropout: config.hidden_dropout_prob,
        })
    }

    /// (tokens, hidden)
    fn forward(&self, tape: &Tape, batch: &PackedBatch) -> Result<Node> {
        let types = vec![0; batch.ids.len()]; // a prompt is one segment
        let tables: [(&Embedding, &[u32]); 3] = [
            (&self.word_embeddings, &batch.ids),
            (&self.position_embeddings, &batch.positions),
            (&self.token_type_embeddings, &types),
        ];
        let x = lookup(tape, &tables)?;
        dropout(tape, &self.layer_norm.forward(tape, &x)?, self.dropout)
    }
}

/// `BertLayer`: attention and a feed-forward network, each with a residual connection.
#[derive(Debug)]
struct BertLayer {
    attention: MultiHead,       // attention.self
    attention_output: Residual, // attention.output
    intermediate: Linear,       // intermediate.dense
    intermediate_act: Activation,
    output: Residual,
}

impl BertLayer {
    fn load(scope: &Scope, config: &BertConfig) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let attention = MultiHeadSettings {
            hidden,
            heads: config.num_attention_heads,
            mask: Mask::All,
            dropout: config.attention_probs_dropout_prob,
        };
        let names = ["query", "key", "value"];
        let (eps, dropout) = (config.layer_norm_eps, config.hidden_dropout_prob);
        let residual =
            |name: &str, inputs| Residual::load(&scope.enter(name), inputs, hidden, eps, dropout);
        Ok(Self {
            attention: MultiHead::load(&scope.enter("attention.self"), names, attention)?,
            attention_output: residual("attention.output", hidden)?,
            intermediate: Linear::load(&scope.enter("intermediate.dense"), hidden, inner)?,
            intermediate_act: Activation::from_config("hidden_act", &config.hidden_act)?,
            output: residual("output", inner)?,
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
        let inner = self.intermediate.activated(tape, &x, self.intermediate_act)?; // (rows, inner)
        self.output.forward(tape, &inner, &x)
    }
}
