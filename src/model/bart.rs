//! BART (Lewis et al., ACL 2020) as transformers' `BartModel`, on packed rows: an encoder reads the prompt, a decoder reads it
//! again, and the decoder's state at the end stands for the whole. mBART (Liu et al., 2020) is the same with its norms before
//! each part, and one more at the end of either side.

use std::collections::HashMap;

use candle_core::{Result, Tensor};
use serde::Deserialize;

use crate::nn::activation::Activation;
use crate::nn::attention::{Offsets, Visible};
use crate::nn::dropout::dropout;
use crate::nn::embedding::{Embedding, lookup_scaled, select_rows};
use crate::nn::layer_norm::LayerNorm;
use crate::nn::linear::Linear;
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::Packed;

use super::backbone::{Backbone, BackboneConfig};
use super::blocks::{MultiHead, MultiHeadSettings, check_heads};
use super::facts::{Facts, HeadLayout};
use super::wanted::Wanted;

/// The epsilon of every norm: torch's own, which the reference does not change.
const NORM_EPS: f64 = 1e-5;

/// `BartLearnedPositionalEmbedding.offset`: rows of the position table that no token uses.
const FIRST_POSITION: u32 = 2;

/// The part of a BART checkpoint's `config.json` that this model reads, with the defaults of `BartConfig`.
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
    /// Norms stand before each part, and behind either side: what makes an mBART, whatever a checkpoint says.
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
}

impl BackboneConfig for BartConfig {
    fn facts(&self) -> Result<Facts> {
        Ok(Facts {
            prefix: "model",
            word_embeddings: "shared.weight",
            hidden_size: self.d_model,
            max_length: self.max_position_embeddings,
            dropout_keys: &["dropout", "attention_dropout", "activation_dropout", "classifier_dropout"],
            class: if self.normalize_before { "MBartModel" } else { "BartModel" },
            head: HeadLayout {
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
            },
        })
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
    /// If the configuration asks for what this model cannot do, or a parameter is missing or of another shape.
    pub fn load(scope: &Scope, config: &BartConfig) -> Result<Self> {
        let (encoder, decoder) = (scope.enter("encoder"), scope.enter("decoder"));
        Ok(Self {
            shared: Embedding::load(&scope.enter("shared"), config.vocab_size, config.d_model)?,
            encoder: Side::load(&encoder, config, config.encoder_layers, EncoderLayer::load)?,
            decoder: Side::load(&decoder, config, config.decoder_layers, DecoderLayer::load)?,
            decoder_start: config.decoder_start_token_id,
        })
    }

    /// What the decoder reads: each sequence behind a start token, without its end, as `shift_tokens_right`.
    fn shifted(&self, batch: &Packed) -> Packed {
        let mut ids = batch.ids.clone();
        for bounds in batch.offsets.windows(2) {
            let sequence = &mut ids[bounds[0]..bounds[1]];
            sequence.rotate_right(1);
            sequence.iter_mut().take(1).for_each(|first| *first = self.decoder_start);
        }
        Packed { ids, ..batch.clone() }
    }
}

impl Backbone for Bart {
    /// The decoder's last hidden states: (tokens, hidden), or (sequences, hidden) if only each sequence's last is wanted.
    fn forward(&self, tape: &Tape, batch: &Packed, wanted: Wanted) -> Result<Node> {
        let batch = batch.clone().moved(FIRST_POSITION);
        let mut memory = self.encoder.embed(tape, &self.shared, &batch)?;
        for layer in &self.encoder.layers {
            memory = layer.forward(tape, &memory, &batch)?;
        }
        let memory = self.encoder.finish(tape, memory)?;
        let shifted = self.shifted(&batch);
        let mut x = self.decoder.embed(tape, &self.shared, &shifted)?;
        for (number, layer) in self.decoder.layers.iter().enumerate() {
            let last = number + 1 == self.decoder.layers.len();
            x = match wanted {
                Wanted::Summary if last => layer.forward_last(tape, &x, &memory, &batch)?,
                _ => layer.forward(tape, &x, &memory, &batch)?,
            };
        }
        if wanted == Wanted::Summary && self.decoder.layers.is_empty() {
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
            embed_positions: Embedding::load(&scope.enter("embed_positions"), positions, config.d_model)?,
            layernorm_embedding: norm(&scope.enter("layernorm_embedding"), config)?,
            layers: (0..layers).map(of_layer).collect::<Result<_>>()?,
            layer_norm: config
                .normalize_before
                .then(|| norm(&scope.enter("layer_norm"), config))
                .transpose()?,
            scale: if config.scale_embedding { (config.d_model as f32).sqrt() } else { 1.0 },
            dropout: config.dropout,
        })
    }

    /// (tokens, hidden)
    fn embed(&self, tape: &Tape, shared: &Embedding, batch: &Packed) -> Result<Node> {
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

fn norm(scope: &Scope, config: &BartConfig) -> Result<LayerNorm> {
    LayerNorm::load(scope, config.d_model, NORM_EPS)
}

/// The norm of a part of a layer: before the part, or behind its residual connection.
#[derive(Debug)]
struct PartNorm {
    norm: LayerNorm,
    before: bool,
}

impl PartNorm {
    fn load(scope: &Scope, config: &BartConfig) -> Result<Self> {
        Ok(Self { norm: norm(scope, config)?, before: config.normalize_before })
    }

    fn before(&self, tape: &Tape, x: &Node) -> Result<Node> {
        if self.before { self.norm.forward(tape, x) } else { Ok(x.clone()) }
    }

    fn behind(&self, tape: &Tape, x: Node) -> Result<Node> {
        if self.before { Ok(x) } else { self.norm.forward(tape, &x) }
    }
}

/// `BartAttention` with its norm and the residual connection.
#[derive(Debug)]
struct AttentionBlock {
    attention: MultiHead,
    out_proj: Linear,
    layer_norm: PartNorm, // <name>_layer_norm
    dropout: f32,
}

impl AttentionBlock {
    fn load(scope: &Scope, name: &str, heads: usize, visible: Visible, config: &BartConfig) -> Result<Self> {
        let hidden = config.d_model;
        check_heads(hidden, heads)?;
        let attention = MultiHeadSettings { hidden, heads, visible, dropout: config.attention_dropout };
        let own = scope.enter(name);
        Ok(Self {
            attention: MultiHead::load(&own, ["q_proj", "k_proj", "v_proj"], attention)?,
            out_proj: Linear::load(&own.enter("out_proj"), hidden, hidden)?,
            layer_norm: PartNorm::load(&scope.enter(format!("{name}_layer_norm")), config)?,
            dropout: config.dropout,
        })
    }

    /// Each row of `x` looks at its own sequence.
    fn within(&self, tape: &Tape, x: &Node, batch: &Packed) -> Result<Node> {
        let normed = self.layer_norm.before(tape, x)?;
        self.finish(tape, &self.attention.forward(tape, &normed, &batch.offsets)?, x)
    }

    /// The last row of each sequence, whose numbers are `last`, looks at its own sequence `x`.
    fn within_last(&self, tape: &Tape, last: &Node, x: &Node, batch: &Packed) -> Result<Node> {
        let (last_normed, x) = (self.layer_norm.before(tape, last)?, self.layer_norm.before(tape, x)?);
        let rows = batch.single_rows();
        self.finish(tape, &self.attention.across(tape, &last_normed, rows, &x, &batch.offsets)?, last)
    }

    /// The rows of `x`, sequence by sequence as `queries` says, look at those of `memory`.
    fn across(
        &self,
        tape: &Tape,
        x: &Node,
        queries: &Offsets,
        memory: &Node,
        batch: &Packed,
    ) -> Result<Node> {
        let normed = self.layer_norm.before(tape, x)?;
        let attended = self.attention.across(tape, &normed, queries.clone(), memory, &batch.offsets)?;
        self.finish(tape, &attended, x)
    }

    fn finish(&self, tape: &Tape, attended: &Node, x: &Node) -> Result<Node> {
        self.layer_norm.behind(tape, self.out_proj.residual(tape, attended, x, self.dropout)?)
    }
}

/// The feed-forward network of a layer, with its norm and the residual connection.
#[derive(Debug)]
struct FeedForward {
    fc1: Linear,
    activation: Activation,
    fc2: Linear,
    final_layer_norm: PartNorm,
    activation_dropout: f32,
    dropout: f32,
}

impl FeedForward {
    fn load(scope: &Scope, inner: usize, config: &BartConfig) -> Result<Self> {
        Ok(Self {
            fc1: Linear::load(&scope.enter("fc1"), config.d_model, inner)?,
            activation: Activation::from_config("activation_function", &config.activation_function)?,
            fc2: Linear::load(&scope.enter("fc2"), inner, config.d_model)?,
            final_layer_norm: PartNorm::load(&scope.enter("final_layer_norm"), config)?,
            activation_dropout: config.activation_dropout,
            dropout: config.dropout,
        })
    }

    fn forward(&self, tape: &Tape, x: &Node) -> Result<Node> {
        let normed = self.final_layer_norm.before(tape, x)?;
        let inner = self.fc1.activated(tape, &normed, self.activation)?; // (rows, inner)
        let inner = dropout(tape, &inner, self.activation_dropout)?;
        self.final_layer_norm.behind(tape, self.fc2.residual(tape, &inner, x, self.dropout)?)
    }
}

/// `BartEncoderLayer`.
#[derive(Debug)]
struct EncoderLayer {
    self_attn: AttentionBlock,
    feed_forward: FeedForward,
}

impl EncoderLayer {
    fn load(scope: &Scope, config: &BartConfig) -> Result<Self> {
        let heads = config.encoder_attention_heads;
        Ok(Self {
            self_attn: AttentionBlock::load(scope, "self_attn", heads, Visible::All, config)?,
            feed_forward: FeedForward::load(scope, config.encoder_ffn_dim, config)?,
        })
    }

    /// (tokens, hidden) to (tokens, hidden).
    fn forward(&self, tape: &Tape, x: &Node, batch: &Packed) -> Result<Node> {
        self.feed_forward.forward(tape, &self.self_attn.within(tape, x, batch)?)
    }
}

/// `BartDecoderLayer`.
#[derive(Debug)]
struct DecoderLayer {
    self_attn: AttentionBlock,
    encoder_attn: AttentionBlock,
    feed_forward: FeedForward,
}

impl DecoderLayer {
    fn load(scope: &Scope, config: &BartConfig) -> Result<Self> {
        let heads = config.decoder_attention_heads;
        Ok(Self {
            self_attn: AttentionBlock::load(scope, "self_attn", heads, Visible::Before, config)?,
            encoder_attn: AttentionBlock::load(scope, "encoder_attn", heads, Visible::All, config)?,
            feed_forward: FeedForward::load(scope, config.decoder_ffn_dim, config)?,
        })
    }

    /// (tokens, hidden) to (tokens, hidden).
    fn forward(&self, tape: &Tape, x: &Node, memory: &Node, batch: &Packed) -> Result<Node> {
        let x = self.self_attn.within(tape, x, batch)?;
        let x = self.encoder_attn.across(tape, &x, &batch.offsets, memory, batch)?;
        self.feed_forward.forward(tape, &x)
    }

    /// The same for the last row of each sequence only: (tokens, hidden) to (sequences, hidden).
    fn forward_last(&self, tape: &Tape, x: &Node, memory: &Node, batch: &Packed) -> Result<Node> {
        let (last, queries) = (select_rows(tape, x, &batch.last_rows())?, batch.single_rows());
        let x = self.self_attn.within_last(tape, &last, x, batch)?;
        let x = self.encoder_attn.across(tape, &x, &queries, memory, batch)?;
        self.feed_forward.forward(tape, &x)
    }
}
