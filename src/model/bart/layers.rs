//! The layers of a BART: attention and a feed-forward network, each with its norm and a residual
//! connection.

use candle_core::Result;

use crate::nn::activation::Activation;
use crate::nn::attention::{Mask, Offsets};
use crate::nn::dropout::dropout;
use crate::nn::embedding::select_rows;
use crate::nn::layer_norm::LayerNorm;
use crate::nn::linear::Linear;
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

use super::BartConfig;
use crate::model::blocks::{MultiHead, MultiHeadSettings, check_heads};

/// The norm of a part of a layer: before the part, or behind its residual connection.
#[derive(Debug)]
struct PartNorm {
    norm: LayerNorm,
    before: bool,
}

impl PartNorm {
    fn load(scope: &Scope, config: &BartConfig) -> Result<Self> {
        Ok(Self { norm: config.norm(scope)?, before: config.normalize_before })
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
    fn load(
        scope: &Scope,
        name: &str,
        heads: usize,
        mask: Mask,
        config: &BartConfig,
    ) -> Result<Self> {
        let hidden = config.d_model;
        check_heads(hidden, heads)?;
        let attention =
            MultiHeadSettings { hidden, heads, mask, dropout: config.attention_dropout };
        let own = scope.enter(name);
        Ok(Self {
            attention: MultiHead::load(&own, ["q_proj", "k_proj", "v_proj"], attention)?,
            out_proj: Linear::load(&own.enter("out_proj"), hidden, hidden)?,
            layer_norm: PartNorm::load(&scope.enter(format!("{name}_layer_norm")), config)?,
            dropout: config.dropout,
        })
    }

    /// Each row of `x` looks at its own sequence.
    fn within(&self, tape: &Tape, x: &Node, batch: &PackedBatch) -> Result<Node> {
        let normed = self.layer_norm.before(tape, x)?;
        self.finish(tape, &self.attention.forward(tape, &normed, &batch.offsets)?, x)
    }

    /// The last row of each sequence, whose numbers are `last`, looks at its own sequence `x`.
    fn within_last(&self, tape: &Tape, last: &Node, x: &Node, batch: &PackedBatch) -> Result<Node> {
        let (last_normed, x) =
            (self.layer_norm.before(tape, last)?, self.layer_norm.before(tape, x)?);
        let rows = batch.single_rows();
        self.finish(
            tape,
            &self.attention.across(tape, &last_normed, rows, &x, &batch.offsets)?,
            last,
        )
    }

    /// The rows of `x`, sequence by sequence as `queries` says, look at those of `memory`.
    fn across(
        &self,
        tape: &Tape,
        x: &Node,
        queries: &Offsets,
        memory: &Node,
        batch: &PackedBatch,
    ) -> Result<Node> {
        let normed = self.layer_norm.before(tape, x)?;
        let attended =
            self.attention.across(tape, &normed, queries.clone(), memory, &batch.offsets)?;
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
            activation: Activation::from_config(
                "activation_function",
                &config.activation_function,
            )?,
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
pub(super) struct EncoderLayer {
    self_attn: AttentionBlock,
    feed_forward: FeedForward,
}

impl EncoderLayer {
    pub(super) fn load(scope: &Scope, config: &BartConfig) -> Result<Self> {
        let heads = config.encoder_attention_heads;
        Ok(Self {
            self_attn: AttentionBlock::load(scope, "self_attn", heads, Mask::All, config)?,
            feed_forward: FeedForward::load(scope, config.encoder_ffn_dim, config)?,
        })
    }

    /// (tokens, hidden) to (tokens, hidden).
    pub(super) fn forward(&self, tape: &Tape, x: &Node, batch: &PackedBatch) -> Result<Node> {
        self.feed_forward.forward(tape, &self.self_attn.within(tape, x, batch)?)
    }
}

/// `BartDecoderLayer`.
#[derive(Debug)]
pub(super) struct DecoderLayer {
    self_attn: AttentionBlock,
    encoder_attn: AttentionBlock,
    feed_forward: FeedForward,
}

impl DecoderLayer {
    pub(super) fn load(scope: &Scope, config: &BartConfig) -> Result<Self> {
        let heads = config.decoder_attention_heads;
        Ok(Self {
            self_attn: AttentionBlock::load(scope, "self_attn", heads, Mask::Causal, config)?,
            encoder_attn: AttentionBlock::load(scope, "encoder_attn", heads, Mask::All, config)?,
            feed_forward: FeedForward::load(scope, config.decoder_ffn_dim, config)?,
        })
    }

    /// (tokens, hidden) to (tokens, hidden).
    pub(super) fn forward(
        &self,
        tape: &Tape,
        x: &Node,
        memory: &Node,
        batch: &PackedBatch,
    ) -> Result<Node> {
        let x = self.self_attn.within(tape, x, batch)?;
        let x = self.encoder_attn.across(tape, &x, &batch.offsets, memory, batch)?;
        self.feed_forward.forward(tape, &x)
    }

    /// The same for the last row of each sequence only: (tokens, hidden) to (sequences, hidden).
    pub(super) fn forward_last(
        &self,
        tape: &Tape,
        x: &Node,
        memory: &Node,
        batch: &PackedBatch,
    ) -> Result<Node> {
        let (last, queries) = (select_rows(tape, x, &batch.last_rows())?, batch.single_rows());
        let x = self.self_attn.within_last(tape, &last, x, batch)?;
        let x = self.encoder_attn.across(tape, &x, &queries, memory, batch)?;
        self.feed_forward.forward(tape, &x)
    }
}
