//! BART (Lewis et al., ACL 2020) as transformers' `BartModel`, on packed rows: an encoder reads the
//! prompt, a decoder reads it again, and the decoder's state at the end stands for the whole. mBART
//! (Liu et al., 2020) is the same with its norms before each part, and one more at the end of
//! either side.

mod layers;

use std::collections::HashMap;

use candle_core::{Result, Tensor};
use serde::Deserialize;

use crate::nn::activation::Activation;
use crate::nn::dropout::dropout;
use crate::nn::embedding::{Embedding, lookup_scaled, select_rows};
use crate::nn::layer_norm::LayerNorm;
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

use super::backbone::{Architecture, Backbone, BackboneConfig};
use super::head::HeadLayout;
use super::hidden_states::HiddenStates;

use layers::{DecoderLayer, EncoderLayer};

/// The epsilon of every norm: torch's own, which the reference does not change.
const NORM_EPS: f64 = 1e-5;

/// `BartLearnedPositionalEmbedding.offset`: rows of the position table that no token uses.
const FIRST_POSITION: u32 = 2;

/// The part of a BART checkpoint's `config.json` that this model reads, with the defaults of
/// `BartConfig`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct BartConfig {
    pub vocab_size: usize,
    pub d_model: usize,
    pub encoder_layers: usize,
    pub decoder_layers: usize,
    pub encoder_attention_heads: usize,
    pub decoder_attention_heads: usize,
    pub encoder_ffn_dim: usize,
    pub decoder_ffn_dim: usize,
    #[serde(default = "default::max_position_embeddings")]
    pub max_position_embeddings: usize,
    #[serde(default = "default::activation_function")]
    pub activation_function: String,
    #[serde(default = "default::dropout")]
    pub dropout: f32,
    #[serde(default)]
    pub attention_dropout: f32,
    #[serde(default)]
    pub activation_dropout: f32,
    #[serde(default)]
    pub classifier_dropout: f32,
    #[serde(default = "default::decoder_start_token_id")]
    pub decoder_start_token_id: u32,
    #[serde(default)]
    pub scale_embedding: bool,
    /// Norms stand before each part, and behind either side: what makes an mBART, whatever a
    /// checkpoint says.
    #[serde(skip)]
    pub normalize_before: bool,
}

mod default {
    pub fn max_position_embeddings() -> usize {
        1024
    }
    pub fn activation_function() -> String {
        "gelu".into()
    }
    pub fn dropout() -> f32 {
        0.1
    }
    pub fn decoder_start_token_id() -> u32 {
        2
    }
}

impl BartConfig {
    /// The same for mBART.
    pub(super) fn mbart(self) -> Self {
        Self { normalize_before: true, ..self }
    }

    fn norm(&self, scope: &Scope) -> Result<LayerNorm> {
        LayerNorm::load(scope, self.d_model, NORM_EPS)
    }
}

impl BackboneConfig for BartConfig {
    fn architecture(&self) -> Result<Architecture> {
        Ok(Architecture {
            prefix: "model",
            word_embeddings: "shared.weight",
            hidden_size: self.d_model,
            max_length: self.max_position_embeddings,
            dropout_keys: &[
                "dropout",
                "attention_dropout",
                "activation_dropout",
                "classifier_dropout",
            ],
            class: if self.normalize_before { "MBartModel" } else { "BartModel" },
            pair_layers: None,
        })
    }

    fn classifier(&self) -> Result<Option<HeadLayout>> {
        Ok(Some(HeadLayout {
            class: match self.normalize_before {
                true => "MBartForSequenceClassification",
                false => "BartForSequenceClassification",
            },
            dense: "classification_head.dense",
            activation: Activation::Tanh,
            output: "classification_head.out_proj",
            dropout_before: self.classifier_dropout,
            dropout: self.classifier_dropout,
            ..HeadLayout::plain()
        }))
    }

    fn load(&self, scope: &Scope) -> Result<Box<dyn Backbone>> {
        Ok(Box::new(Bart::load(scope, self)?))
    }

    /// Checkpoints hold the word embeddings once, under one of three names.
    fn rename(&self, tensors: &mut HashMap<String, Tensor>) {
        for other in ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"] {
            if let Some(table) = tensors.remove(other) {
                tensors.entry("model.shared.weight".into()).or_insert(table);
            }
        }
    }
}

/// `BartModel`.
#[derive(Debug)]
pub struct Bart {
    shared: Embedding,
    encoder: Side<EncoderLayer>,
    decoder: Side<DecoderLayer>,
    decoder_start: u32,
}

impl Bart {
    /// Builds the model from the parameters below `scope`.
    ///
    /// # Errors
    /// If the configuration asks for what this model cannot do, or a parameter is missing or of
    /// another shape.
    pub fn load(scope: &Scope, config: &BartConfig) -> Result<Self> {
        let (encoder, decoder) = (scope.enter("encoder"), scope.enter("decoder"));
        Ok(Self {
            shared: Embedding::load(&scope.enter("shared"), config.vocab_size, config.d_model)?,
            encoder: Side::load(&encoder, config, config.encoder_layers, EncoderLayer::load)?,
            decoder: Side::load(&decoder, config, config.decoder_layers, DecoderLayer::load)?,
            decoder_start: config.decoder_start_token_id,
        })
    }

    /// What the decoder reads: each sequence behind a start token, without its end, as
    /// `shift_tokens_right`.
    fn shifted(&self, batch: &PackedBatch) -> PackedBatch {
        let mut ids = batch.ids.clone();
        for bounds in batch.offsets.windows(2) {
            let sequence = &mut ids[bounds[0]..bounds[1]];
            sequence.rotate_right(1);
            sequence.iter_mut().take(1).for_each(|first| *first = self.decoder_start);
        }
        PackedBatch { ids, ..batch.clone() }
    }
}

impl Backbone for Bart {
    /// The decoder's last hidden states: (tokens, hidden), or (sequences, hidden) if only each
    /// sequence's last is wanted.
    fn forward(&self, tape: &Tape, batch: &PackedBatch, states: HiddenStates) -> Result<Node> {
        let batch = batch.clone().with_positions_from(FIRST_POSITION);
        let mut memory = self.encoder.embed(tape, &self.shared, &batch)?;
        for layer in &self.encoder.layers {
            memory = layer.forward(tape, &memory, &batch)?;
        }
        let memory = self.encoder.finish(tape, memory)?;
        let shifted = self.shifted(&batch);
        let mut x = self.decoder.embed(tape, &self.shared, &shifted)?;
        for (number, layer) in self.decoder.layers.iter().enumerate() {
            let last = number + 1 == self.decoder.layers.len();
            x = match states {
                HiddenStates::Summary if last => layer.forward_last(tape, &x, &memory, &batch)?,
                _ => layer.forward(tape, &x, &memory, &batch)?,
            };
        }
        if states == HiddenStates::Summary && self.decoder.layers.is_empty() {
            x = select_rows(tape, &x, &batch.last_rows())?;
        }
        self.decoder.finish(tape, x)
    }
}

/// `BartEncoder` or `BartDecoder`: positions, a norm, layers, perhaps another norm.
#[derive(Debug)]
struct Side<L> {
    embed_positions: Embedding,
    layernorm_embedding: LayerNorm,
    layers: Vec<L>,
    layer_norm: Option<LayerNorm>,
    scale: f32,
    dropout: f32,
}

impl<L> Side<L> {
    fn load(
        scope: &Scope,
        config: &BartConfig,
        layers: usize,
        load: impl Fn(&Scope, &BartConfig) -> Result<L>,
    ) -> Result<Self> {
        let positions = config.max_position_embeddings + FIRST_POSITION as usize;
        let of_layer = |number| load(&scope.enter("layers").enter(number), config);
        Ok(Self {
            embed_positions: Embedding::load(
                &scope.enter("embed_positions"),
                positions,
                config.d_model,
            )?,
            layernorm_embedding: config.norm(&scope.enter("layernorm_embedding"))?,
            layers: (0..layers).map(of_layer).collect::<Result<_>>()?,
            layer_norm: config
                .normalize_before
                .then(|| config.norm(&scope.enter("layer_norm")))
                .transpose()?,
            scale: if config.scale_embedding { (config.d_model as f32).sqrt() } else { 1.0 },
            dropout: config.dropout,
        })
    }

    /// (tokens, hidden)
    fn embed(&self, tape: &Tape, shared: &Embedding, batch: &PackedBatch) -> Result<Node> {
        let tables: [(&Embedding, &[u32]); 2] =
            [(shared, &batch.ids), (&self.embed_positions, &batch.positions)];
        let x = lookup_scaled(tape, &tables, self.scale)?;
        dropout(tape, &self.layernorm_embedding.forward(tape, &x)?, self.dropout)
    }

    /// The states behind the last layer.
    fn finish(&self, tape: &Tape, x: Node) -> Result<Node> {
        self.layer_norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(tape, &x))
    }
}
