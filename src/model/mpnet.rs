//! MPNet (Song et al., NeurIPS 2020) as transformers' `MPNetModel`, on packed rows: a BERT without
//! token types, in which attention scores have a learned bias for distances.

use candle_core::Result;
use serde::Deserialize;

use crate::nn::activation::Activation;
use crate::nn::attention::{DistanceBias, Mask};
use crate::nn::dropout::dropout;
use crate::nn::embedding::{Embedding, lookup};
use crate::nn::layer_norm::LayerNorm;
use crate::nn::linear::Linear;
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

use super::backbone::{Architecture, Backbone, BackboneConfig};
use super::blocks::{MultiHead, MultiHeadSettings, Residual, Rows, run_layers};
use super::head::HeadLayout;
use super::hidden_states::HiddenStates;

/// The position of a sequence's first token: that behind `MPNetEmbeddings`' `padding_idx`, which no
/// configuration changes.
const FIRST_POSITION: u32 = 2;

/// How `MPNetEncoder` puts distances into buckets, whatever the configuration says.
const BIAS: DistanceBias = DistanceBias { buckets: 32, max_distance: 128 };

/// The part of an MPNet checkpoint's `config.json` that this model reads, with the defaults of
/// `MPNetConfig`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct MpnetConfig {
    #[serde(default = "default::vocab_size")]
    pub vocab_size: usize,
    #[serde(default = "default::hidden_size")]
    pub hidden_size: usize,
    #[serde(default = "default::layers_or_heads")]
    pub num_hidden_layers: usize,
    #[serde(default = "default::layers_or_heads")]
    pub num_attention_heads: usize,
    #[serde(default = "default::intermediate_size")]
    pub intermediate_size: usize,
    #[serde(default = "default::hidden_act")]
    pub hidden_act: String,
    #[serde(default = "default::dropout")]
    pub hidden_dropout_prob: f32,
    #[serde(default = "default::dropout")]
    pub attention_probs_dropout_prob: f32,
    #[serde(default = "default::max_position_embeddings")]
    pub max_position_embeddings: usize,
    #[serde(default = "default::layer_norm_eps")]
    pub layer_norm_eps: f64,
    #[serde(default = "default::relative_attention_num_buckets")]
    pub relative_attention_num_buckets: usize,
}

mod default {
    pub fn vocab_size() -> usize {
        30_527
    }
    pub fn hidden_size() -> usize {
        768
    }
    pub fn layers_or_heads() -> usize {
        12
    }
    pub fn intermediate_size() -> usize {
        3072
    }
    pub fn hidden_act() -> String {
        "gelu".into()
    }
    pub fn dropout() -> f32 {
        0.1
    }
    pub fn max_position_embeddings() -> usize {
        512
    }
    pub fn layer_norm_eps() -> f64 {
        1e-12
    }
    pub fn relative_attention_num_buckets() -> usize {
        32
    }
}

impl MpnetConfig {
    fn layer_norm(&self, scope: &Scope) -> Result<LayerNorm> {
        LayerNorm::load(&scope.enter("LayerNorm"), self.hidden_size, self.layer_norm_eps)
    }
}

impl BackboneConfig for MpnetConfig {
    fn architecture(&self) -> Result<Architecture> {
        Ok(Architecture {
            prefix: "mpnet",
            word_embeddings: "embeddings.word_embeddings.weight",
            hidden_size: self.hidden_size,
            max_length: self.max_position_embeddings.saturating_sub(FIRST_POSITION as usize),
            dropout_keys: &["hidden_dropout_prob", "attention_probs_dropout_prob"],
            class: "MPNetModel",
            pair_layers: None,
        })
    }

    fn classifier(&self) -> Result<Option<HeadLayout>> {
        Ok(Some(HeadLayout {
            class: "MPNetForSequenceClassification",
            dense: "classifier.dense",
            activation: Activation::Tanh,
            output: "classifier.out_proj",
            dropout_before: self.hidden_dropout_prob,
            dropout: self.hidden_dropout_prob,
            ..HeadLayout::plain()
        }))
    }

    fn load(&self, scope: &Scope) -> Result<Box<dyn Backbone>> {
        Ok(Box::new(Mpnet::load(scope, self)?))
    }
}

/// `MPNetModel` without its pooler, which the classification head does not use.
#[derive(Debug)]
pub struct Mpnet {
    embeddings: Embeddings,
    layer: Vec<Layer>, // encoder.layer
}

impl Mpnet {
    /// Builds the model from the parameters below `scope`.
    ///
    /// # Errors
    /// If the configuration asks for what this model cannot do, or a parameter is missing or of
    /// another shape.
    pub fn load(scope: &Scope, config: &MpnetConfig) -> Result<Self> {
        if config.relative_attention_num_buckets != BIAS.buckets {
            candle_core::bail!(
                "relative_attention_num_buckets {} is not known, only {}",
                config.relative_attention_num_buckets,
                BIAS.buckets
            );
        }
        let encoder = scope.enter("encoder");
        let bias = Embedding::load(
            &encoder.enter("relative_attention_bias"),
            BIAS.buckets,
            config.num_attention_heads,
        )?;
        let layers = encoder.enter("layer");
        Ok(Self {
            embeddings: Embeddings::load(&scope.enter("embeddings"), config)?,
            layer: (0..config.num_hidden_layers)
                .map(|number| Layer::load(&layers.enter(number), &bias, config))
                .collect::<Result<_>>()?,
        })
    }
}

impl Backbone for Mpnet {
    /// The last hidden states: (tokens, hidden) or (sequences, hidden).
    fn forward(&self, tape: &Tape, batch: &PackedBatch, states: HiddenStates) -> Result<Node> {
        let batch = batch.clone().with_positions_from(FIRST_POSITION);
        let x = self.embeddings.forward(tape, &batch)?;
        run_layers(tape, &self.layer, x, &batch, states, |layer, rows, x, batch| {
            layer.forward(tape, rows, x, batch)
        })
    }
}

/// `MPNetEmbeddings`.
#[derive(Debug)]
struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    layer_norm: LayerNorm, // LayerNorm
    dropout: f32,
}

impl Embeddings {
    fn load(scope: &Scope, config: &MpnetConfig) -> Result<Self> {
        let table =
            |name: &str, entries| Embedding::load(&scope.enter(name), entries, config.hidden_size);
        Ok(Self {
            word_embeddings: table("word_embeddings", config.vocab_size)?,
            position_embeddings: table("position_embeddings", config.max_position_embeddings)?,
            layer_norm: config.layer_norm(scope)?,
            dropout: config.hidden_dropout_prob,
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

/// `MPNetLayer`: attention and a feed-forward network, each with a residual connection.
#[derive(Debug)]
struct Layer {
    attention: MultiHead,       // attention.attn
    attention_output: Residual, // attention.attn.o, attention.LayerNorm
    intermediate: Linear,       // intermediate.dense
    intermediate_act: Activation,
    output: Residual,
}

impl Layer {
    fn load(scope: &Scope, bias: &Embedding, config: &MpnetConfig) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let settings = MultiHeadSettings {
            hidden,
            heads: config.num_attention_heads,
            mask: Mask::All,
            dropout: config.attention_probs_dropout_prob,
        };
        let (attention, dropout) = (scope.enter("attention"), config.hidden_dropout_prob);
        let own = attention.enter("attn");
        let o = Linear::load(&own.enter("o"), hidden, hidden)?;
        let eps = config.layer_norm_eps;
        Ok(Self {
            attention: MultiHead::load(&own, ["q", "k", "v"], settings)?.with_bias(BIAS, bias),
            attention_output: Residual::new(o, config.layer_norm(&attention)?, dropout),
            intermediate: Linear::load(&scope.enter("intermediate.dense"), hidden, inner)?,
            intermediate_act: Activation::from_config("hidden_act", &config.hidden_act)?,
            output: Residual::load(&scope.enter("output"), inner, hidden, eps, dropout)?,
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
