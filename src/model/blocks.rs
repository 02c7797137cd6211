//! What most families share: attention, residual connections, and the loop over the layers.

use candle_core::Result;

use super::hidden_states::HiddenStates;
use crate::nn::attention::{Attention, DistanceBias, Mask, Offsets};
use crate::nn::embedding::{Embedding, merge_rows, select_rows};
use crate::nn::layer_norm::LayerNorm;
use crate::nn::linear::{Linear, concatenated};
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

/// Multi-head attention without its output layer.
#[derive(Debug)]
pub struct MultiHead {
    query: Linear,
    key: Linear,
    value: Linear,
    heads: usize,
    mask: Mask,
    dropout: f32,
    /// The bias of scores for distances, and its table: (buckets, heads).
    bias: Option<(DistanceBias, Embedding)>,
}

/// What attention is told beside its weights.
#[derive(Debug, Clone, Copy)]
pub struct MultiHeadSettings {
    /// The width of hidden states.
    pub hidden: usize,
    /// The number of heads.
    pub heads: usize,
    /// Which tokens a token may see.
    pub mask: Mask,
    /// The dropout probability of attention probabilities.
    pub dropout: f32,
}

impl MultiHead {
    /// Takes the layers of queries, keys and values, under these names, from the scope.
    ///
    /// # Errors
    /// If a parameter is missing or of another shape, or the heads cannot share the hidden size.
    pub fn load(scope: &Scope, names: [&str; 3], settings: MultiHeadSettings) -> Result<Self> {
        let MultiHeadSettings { hidden, heads, mask, dropout } = settings;
        check_heads(hidden, heads)?;
        let linear = |name: &str| Linear::load(&scope.enter(name), hidden, hidden);
        let [query, key, value] = names;
        Ok(Self {
            query: linear(query)?,
            key: linear(key)?,
            value: linear(value)?,
            heads,
            mask,
            dropout,
            bias: None,
        })
    }

    /// The same with scores that are biased by distances, from a table of (buckets, heads) that
    /// other layers may share.
    pub fn with_bias(self, bias: DistanceBias, table: &Embedding) -> Self {
        Self { bias: Some((bias, table.clone())), ..self }
    }

    /// Each token looks at its own sequence: (tokens, hidden) to (tokens, hidden).
    ///
    /// # Errors
    /// If the rows do not fit.
    pub fn forward(&self, tape: &Tape, x: &Node, tokens: &Offsets) -> Result<Node> {
        let qkv = self.projected(tape, x)?;
        self.attend(tape, self.mask, tokens.clone(), tokens.clone(), &[&qkv])
    }

    /// Queries, keys and values: (tokens, hidden) to (tokens, 3 hidden).
    fn projected(&self, tape: &Tape, x: &Node) -> Result<Node> {
        concatenated(tape, x, &[&self.query, &self.key, &self.value])
    }

    /// Queries, and keys beside values: (queries, hidden) and (tokens, 2 hidden).
    fn projected_across(&self, tape: &Tape, x: &Node, memory: &Node) -> Result<[Node; 2]> {
        let q = self.query.forward(tape, x)?;
        Ok([q, concatenated(tape, memory, &[&self.key, &self.value])?])
    }

    /// Some rows look at their own sequences' `tokens`: (rows, hidden) to (rows, hidden).
    ///
    /// # Errors
    /// If the rows do not fit.
    pub fn of_rows(
        &self,
        tape: &Tape,
        rows: &Rows,
        tokens: &Node,
        batch: &PackedBatch,
    ) -> Result<Node> {
        let mask = batch.pairs.map_or(self.mask, |pairs| Mask::Pairs(pairs.count));
        let tokens_at = &batch.offsets;
        match &rows.sequences {
            None => {
                let qkv = self.projected(tape, &rows.x)?;
                self.attend(tape, mask, tokens_at.clone(), tokens_at.clone(), &[&qkv])
            }
            Some(sequences) => {
                let [q, kv] = self.projected_across(tape, &rows.x, tokens)?;
                self.attend(tape, mask, sequences.clone(), tokens_at.clone(), &[&q, &kv])
            }
        }
    }

    /// The rows of `x`, sequence by sequence as `queries` says, look at those of `memory`:
    /// (queries, hidden) to (queries, hidden).
    ///
    /// # Errors
    /// If the rows do not fit.
    pub fn across(
        &self,
        tape: &Tape,
        x: &Node,
        queries: Offsets,
        memory: &Node,
        tokens: &Offsets,
    ) -> Result<Node> {
        let [q, kv] = self.projected_across(tape, x, memory)?;
        self.attend(tape, self.mask, queries, tokens.clone(), &[&q, &kv])
    }

    fn attend(
        &self,
        tape: &Tape,
        mask: Mask,
        queries: Offsets,
        keys: Offsets,
        projections: &[&Node],
    ) -> Result<Node> {
        let dropout = tape.dropout_mask(self.dropout);
        let bias = self.bias.as_ref().map(|(bias, _)| *bias);
        let attention =
            Attention { mask, dropout, bias, ..Attention::new(self.heads, queries, keys) };
        let table = self.bias.as_ref().map(|(_, table)| table.table());
        let inputs: Vec<&Node> = projections.iter().copied().chain(table).collect();
        tape.apply(attention, &inputs)
    }
}

/// A linear layer, dropout, the residual connection and a norm: how each part of a post-norm layer
/// ends.
#[derive(Debug)]
pub struct Residual {
    dense: Linear,
    layer_norm: LayerNorm,
    dropout: f32,
}

impl Residual {
    /// What is made of these layers.
    pub fn new(dense: Linear, layer_norm: LayerNorm, dropout: f32) -> Self {
        Self { dense, layer_norm, dropout }
    }

    /// BERT's `dense` and `LayerNorm` below `scope`, from rows of `inputs` to rows of `outputs`.
    ///
    /// # Errors
    /// If a parameter is missing or of another shape.
    pub fn load(
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        eps: f64,
        dropout: f32,
    ) -> Result<Self> {
        let dense = Linear::load(&scope.enter("dense"), inputs, outputs)?;
        Ok(Self::new(dense, LayerNorm::load(&scope.enter("LayerNorm"), outputs, eps)?, dropout))
    }

    /// `norm(dropout(x Wᵀ + b) + input)`: (rows, in) and (rows, out) to (rows, out).
    ///
    /// # Errors
    /// If the rows do not fit.
    pub fn forward(&self, tape: &Tape, x: &Node, input: &Node) -> Result<Node> {
        self.layer_norm.forward(tape, &self.dense.residual(tape, x, input, self.dropout)?)
    }
}

/// The rows that a layer computes.
#[derive(Debug)]
pub struct Rows {
    /// Their states: (rows, hidden).
    pub x: Node,
    /// The sequences among them; none if they are all tokens.
    pub sequences: Option<Offsets>,
}

/// Runs the layers on all tokens, and the last one on the first of each sequence, or of each of its
/// pairs, only, if no more is asked for. A layer gets the rows that it computes, all tokens, (tokens,
/// hidden), and what they are: the first layers have texts alone, if pairs come later.
///
/// # Errors
/// If a layer fails.
pub fn run_layers<L>(
    tape: &Tape,
    layers: &[L],
    mut x: Node,
    batch: &PackedBatch,
    states: HiddenStates,
    layer: impl Fn(&L, &Rows, &Node, &PackedBatch) -> Result<Node>,
) -> Result<Node> {
    let first = |x: &Node| select_rows(tape, x, &batch.summary_rows());
    let alone = batch.pairs.map_or(0, |pairs| pairs.shared_layers).min(layers.len());
    if alone > 0 {
        let (texts, of_texts, of_pairs) = (batch.texts(), batch.text_rows(), batch.pair_rows());
        let pairs = select_rows(tape, &x, &of_pairs)?;
        x = select_rows(tape, &x, &of_texts)?;
        for own in &layers[..alone] {
            x = layer(own, &Rows { x: x.clone(), sequences: None }, &x, &texts)?;
        }
        x = merge_rows(tape, (&x, &of_texts), (&pairs, &of_pairs))?;
    }
    for (number, own) in layers.iter().enumerate().skip(alone) {
        let rows = match states == HiddenStates::Summary && number + 1 == layers.len() {
            true => Rows { x: first(&x)?, sequences: Some(batch.summary_offsets()) },
            false => Rows { x: x.clone(), sequences: None },
        };
        x = layer(own, &rows, &x, batch)?;
    }
    if states == HiddenStates::Summary && layers.is_empty() { first(&x) } else { Ok(x) }
}

/// Refuses heads that cannot share the hidden size.
///
/// # Errors
/// If they cannot.
pub fn check_heads(hidden: usize, heads: usize) -> Result<()> {
    match heads > 0 && hidden.is_multiple_of(heads) {
        true => Ok(()),
        false => candle_core::bail!(
            "hidden_size {hidden} cannot be shared by num_attention_heads {heads}"
        ),
    }
}
