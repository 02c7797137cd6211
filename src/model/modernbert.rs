//! ModernBERT (Warner et al., 2024) as transformers' `ModernBertModel`, on packed rows: rotary
//! positions, most layers see a window only, gated feed-forward networks, norms before each part,
//! hardly a bias.

use candle_core::Result;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::nn::activation::Activation;
use crate::nn::attention::{Attention, Mask};
use crate::nn::dropout::dropout;
use crate::nn::embedding::{Embedding, lookup, select_rows};
use crate::nn::gated::gated;
use crate::nn::layer_norm::LayerNorm;
use crate::nn::linear::Linear;
use crate::nn::params::Scope;
use crate::nn::rotary::{Angles, Rotary, frequencies};
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

use super::backbone::{Architecture, Backbone, BackboneConfig};
use super::blocks::{Rows, check_heads, run_layers};
use super::head::{HeadLayout, NormLayout};
use super::hidden_states::HiddenStates;

/// The part of a ModernBERT checkpoint's `config.json` that this model reads, with the defaults of
/// `ModernBertConfig`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct ModernBertConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    #[serde(default = "default::hidden_activation")]
    pub hidden_activation: String,
    #[serde(default = "default::max_position_embeddings")]
    pub max_position_embeddings: usize,
    #[serde(default = "default::norm_eps")]
    pub norm_eps: f64,
    #[serde(default)]
    pub norm_bias: bool,
    #[serde(default)]
    pub attention_bias: bool,
    #[serde(default)]
    pub mlp_bias: bool,
    #[serde(default)]
    pub attention_dropout: f32,
    #[serde(default)]
    pub embedding_dropout: f32,
    #[serde(default)]
    pub mlp_dropout: f32,
    #[serde(default = "default::global_attn_every_n_layers")]
    pub global_attn_every_n_layers: usize,
    #[serde(default = "default::local_attention")]
    pub local_attention: usize,
    #[serde(default = "default::global_rope_theta")]
    pub global_rope_theta: f64,
    #[serde(default)]
    pub local_rope_theta: Option<f64>,
    #[serde(default)]
    pub rope_parameters: Json,
    #[serde(default)]
    pub layer_types: Option<Vec<String>>,
    #[serde(default)]
    pub classifier_bias: bool,
    #[serde(default = "default::hidden_activation")]
    pub classifier_activation: String,
    #[serde(default)]
    pub classifier_dropout: f32,
}

mod default {
    pub fn hidden_activation() -> String {
        "gelu".into()
    }
    pub fn max_position_embeddings() -> usize {
        8192
    }
    pub fn norm_eps() -> f64 {
        1e-5
    }
    pub fn global_attn_every_n_layers() -> usize {
        3
    }
    pub fn local_attention() -> usize {
        128
    }
    pub fn global_rope_theta() -> f64 {
        160_000.0
    }
}

impl ModernBertConfig {
    /// Whether a layer sees whole sequences.
    fn is_global(&self, layer: usize) -> bool {
        match self.layer_types.as_ref().and_then(|types| types.get(layer)) {
            Some(kind) => kind == "full_attention",
            None => layer.is_multiple_of(self.global_attn_every_n_layers.max(1)),
        }
    }

    /// The base of a layer's rotary angles.
    fn theta(&self, global: bool) -> f64 {
        let kind = if global { "full_attention" } else { "sliding_attention" };
        let before = if global { Some(self.global_rope_theta) } else { self.local_rope_theta };
        let stated = self.rope_parameters[kind]["rope_theta"].as_f64().or(before);
        stated.unwrap_or(if global { self.global_rope_theta } else { 10_000.0 })
    }

    fn linear(&self, scope: &Scope, bias: bool, inputs: usize, outputs: usize) -> Result<Linear> {
        match bias {
            true => Linear::load(scope, inputs, outputs),
            false => Linear::load_without_bias(scope, inputs, outputs),
        }
    }

    fn norm(&self, scope: &Scope) -> Result<LayerNorm> {
        match self.norm_bias {
            true => LayerNorm::load(scope, self.hidden_size, self.norm_eps),
            false => LayerNorm::load_without_bias(scope, self.hidden_size, self.norm_eps),
        }
    }
}

impl BackboneConfig for ModernBertConfig {
    fn architecture(&self) -> Result<Architecture> {
        Ok(Architecture {
            prefix: "model",
            word_embeddings: "embeddings.tok_embeddings.weight",
            hidden_size: self.hidden_size,
            max_length: self.max_position_embeddings,
            dropout_keys: &[
                "attention_dropout",
                "embedding_dropout",
                "mlp_dropout",
                "classifier_dropout",
            ],
            class: "ModernBertModel",
            pair_layers: None,
        })
    }

    fn classifier(&self) -> Result<Option<HeadLayout>> {
        Ok(Some(HeadLayout {
            class: "ModernBertForSequenceClassification",
            dense: "head.dense",
            dense_bias: self.classifier_bias,
            activation: Activation::from_config(
                "classifier_activation",
                &self.classifier_activation,
            )?,
            norm: Some(NormLayout { name: "head.norm", eps: self.norm_eps, bias: self.norm_bias }),
            output: "classifier",
            dropout: self.classifier_dropout,
            settings: &[("classifier_pooling", "cls")],
            ..HeadLayout::plain()
        }))
    }

    fn load(&self, scope: &Scope) -> Result<Box<dyn Backbone>> {
        Ok(Box::new(ModernBert::load(scope, self)?))
    }
}

/// `ModernBertModel`.
#[derive(Debug)]
pub struct ModernBert {
    tok_embeddings: Embedding, // embeddings.tok_embeddings
    norm: LayerNorm,           // embeddings.norm
    layers: Vec<EncoderLayer>,
    final_norm: LayerNorm,
    embedding_dropout: f32,
}

impl ModernBert {
    /// Builds the model from the parameters below `scope`.
    ///
    /// # Errors
    /// If the configuration asks for what this model cannot do, or a parameter is missing or of
    /// another shape.
    pub fn load(scope: &Scope, config: &ModernBertConfig) -> Result<Self> {
        check_heads(config.hidden_size, config.num_attention_heads)?;
        let embeddings = scope.enter("embeddings");
        let layers = scope.enter("layers");
        let table = embeddings.enter("tok_embeddings");
        Ok(Self {
            tok_embeddings: Embedding::load(&table, config.vocab_size, config.hidden_size)?,
            norm: config.norm(&embeddings.enter("norm"))?,
            layers: (0..config.num_hidden_layers)
                .map(|number| EncoderLayer::load(&layers.enter(number), number, config))
                .collect::<Result<_>>()?,
            final_norm: config.norm(&scope.enter("final_norm"))?,
            embedding_dropout: config.embedding_dropout,
        })
    }
}

impl Backbone for ModernBert {
    /// The last hidden states: (tokens, hidden) or (sequences, hidden).
    fn forward(&self, tape: &Tape, batch: &PackedBatch, states: HiddenStates) -> Result<Node> {
        let x = lookup(tape, &[(&self.tok_embeddings, &batch.ids)])?;
        let x = dropout(tape, &self.norm.forward(tape, &x)?, self.embedding_dropout)?;
        let x = run_layers(tape, &self.layers, x, batch, states, |layer, rows, x, batch| {
            layer.forward(tape, rows, x, batch)
        })?;
        self.final_norm.forward(tape, &x)
    }
}

/// `ModernBertEncoderLayer`: attention and a gated feed-forward network, each behind a norm and
/// beside a residual.
#[derive(Debug)]
struct EncoderLayer {
    attn_norm: Option<LayerNorm>, // none in the first layer
    wqkv: Linear,                 // attn.Wqkv
    attn_wo: Linear,              // attn.Wo
    mlp_norm: LayerNorm,
    wi: Linear,     // mlp.Wi
    mlp_wo: Linear, // mlp.Wo
    activation: Activation,
    heads: usize,
    hidden: usize,
    frequencies: Vec<f64>,
    mask: Mask,
    attention_dropout: f32,
    mlp_dropout: f32,
}

impl EncoderLayer {
    fn load(scope: &Scope, number: usize, config: &ModernBertConfig) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let global = config.is_global(number);
        let norm = |name: &str| config.norm(&scope.enter(name));
        let linear = |name: &str, bias, inputs, outputs| {
            config.linear(&scope.enter(name), bias, inputs, outputs)
        };
        Ok(Self {
            attn_norm: (number > 0).then(|| norm("attn_norm")).transpose()?,
            wqkv: linear("attn.Wqkv", config.attention_bias, hidden, 3 * hidden)?,
            attn_wo: linear("attn.Wo", config.attention_bias, hidden, hidden)?,
            mlp_norm: norm("mlp_norm")?,
            wi: linear("mlp.Wi", config.mlp_bias, hidden, 2 * inner)?,
            mlp_wo: linear("mlp.Wo", config.mlp_bias, inner, hidden)?,
            activation: Activation::from_config("hidden_activation", &config.hidden_activation)?,
            heads: config.num_attention_heads,
            hidden,
            frequencies: frequencies(config.theta(global), hidden / config.num_attention_heads),
            mask: if global { Mask::All } else { Mask::Window(config.local_attention / 2) },
            attention_dropout: config.attention_dropout,
            mlp_dropout: config.mlp_dropout,
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
        let mut attended = self.attend(tape, tokens, batch)?;
        if rows.sequences.is_some() {
            attended = select_rows(tape, &attended, &batch.first_rows())?;
        }
        let x = self.attn_wo.residual(tape, &attended, &rows.x, self.attention_dropout)?;
        let inner = self.wi.forward(tape, &self.mlp_norm.forward(tape, &x)?)?; // (rows, 2 inner)
        let inner = dropout(tape, &gated(tape, &inner, self.activation)?, self.mlp_dropout)?;
        self.mlp_wo.residual(tape, &inner, &x, 0.0)
    }

    /// `ModernBertAttention` without its output layer: (tokens, hidden) to (tokens, hidden).
    fn attend(&self, tape: &Tape, x: &Node, batch: &PackedBatch) -> Result<Node> {
        let x = self.attn_norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(tape, x))?;
        let qkv = self.wqkv.forward(tape, &x)?; // (tokens, 3 hidden)
        let turn = Rotary {
            positions: batch.positions.clone(),
            columns: 2 * self.hidden,
            angles: Angles::new(&self.frequencies, &batch.positions),
        };
        let (queries, keys) = (batch.offsets.clone(), batch.offsets.clone());
        let (mask, dropout) = (self.mask, tape.dropout_mask(self.attention_dropout));
        let attention = Attention { mask, dropout, ..Attention::new(self.heads, queries, keys) };
        tape.apply(attention, &[&turn.forward(tape, &qkv)?])
    }
}
