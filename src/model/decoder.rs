//! Decoders: backbones whose tokens see only those before them, so that a text can go on where it
//! stopped.

use candle_core::Result;

use super::backbone::Backbone;
use super::hidden_states::HiddenStates;
use crate::nn::attention::{Attention, BranchedAttention, KeyValues, Mask, Offsets};
use crate::nn::embedding::select_rows;
use crate::nn::tape::{Node, Tape};
use crate::text::{PackedBatch, Prefix};

/// A backbone of a language model.
pub trait Decoder: Backbone {
    /// The last hidden states of tokens that follow, in each sequence, those whose keys and values
    /// are kept: (tokens, hidden). Theirs are kept too from then on. `kept` is as
    /// [`Decoder::nothing_kept`] gives it.
    ///
    /// # Errors
    /// If an id or a sequence is too large for the model, or there is no room.
    fn step(&self, tape: &Tape, tokens: &PackedBatch, kept: &mut [KeyValues]) -> Result<Node>;

    /// The same where nobody asks for the states: of the last layer only keys and values are computed.
    ///
    /// # Errors
    /// As [`Decoder::step`].
    fn read(&self, tape: &Tape, tokens: &PackedBatch, kept: &mut [KeyValues]) -> Result<()>;

    /// Room for keys and values of all layers: for sequence `i` in the rows `room[i] .. room[i +
    /// 1]`.
    ///
    /// # Errors
    /// If there is no memory for it.
    fn nothing_kept(&self, room: &Offsets) -> Result<Vec<KeyValues>>;

    /// The word embeddings: (vocabulary, hidden).
    fn table(&self) -> &Node;
}

/// The layer of a language model that gives logits.
#[derive(Debug, Clone)]
pub struct LanguageHead {
    /// The transformers class of the whole.
    pub class: &'static str,
    /// The name of the linear layer in a checkpoint; it has no bias.
    pub output: &'static str,
    /// Whether its weight is that of the word embeddings.
    pub is_tied: bool,
}

/// The heads of a decoder's attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    pub(super) queries: usize,
    pub(super) keys: usize,
    /// The dropout probability of attention probabilities.
    pub(super) dropout: f32,
}

impl Heads {
    /// Each token looks at itself and at those before it: (tokens, queries + 2 keys) to (tokens,
    /// queries).
    pub(super) fn attend(
        &self,
        tape: &Tape,
        qkv: &Node,
        tokens: &PackedBatch,
        kept: Option<&mut KeyValues>,
    ) -> Result<Node> {
        let offsets = &tokens.offsets;
        let attention = Attention {
            key_value_heads: self.keys,
            mask: Mask::Causal,
            dropout: tape.dropout_mask(self.dropout),
            ..Attention::new(self.queries, offsets.clone(), offsets.clone())
        };
        match (kept, &tokens.prefixes) {
            (None, None) => tape.apply(attention, &[qkv]),
            (None, Some(prefixes)) => {
                let row = |prefix: &Prefix| (offsets[prefix.sequence], prefix.length);
                let prefixes = prefixes.iter().map(|prefix| prefix.as_ref().map(row)).collect();
                tape.apply(BranchedAttention::new(&attention, prefixes)?, &[qkv])
            }
            (Some(kept), None) => kept.attend(tape, qkv, attention),
            (Some(_), Some(_)) => {
                candle_core::bail!("what goes on from what is kept goes on from nothing else")
            }
        }
    }
}

/// Walks through the layers, each with what is kept of it, if anything is.
pub(super) fn run_layers<L>(
    layers: &[L],
    kept: Option<&mut [KeyValues]>,
    mut x: Node,
    layer: impl Fn(&L, &Node, Option<&mut KeyValues>) -> Result<Node>,
) -> Result<Node> {
    match kept {
        None => {
            for own in layers {
                x = layer(own, &x, None)?;
            }
        }
        Some(kept) if kept.len() == layers.len() => {
            for (own, kept) in layers.iter().zip(kept) {
                x = layer(own, &x, Some(kept))?;
            }
        }
        Some(kept) => candle_core::bail!("{} layers do not keep {}", layers.len(), kept.len()),
    }
    Ok(x)
}

/// Walks through all layers but the last, which is returned with what came out of the others and
/// what is kept of it.
pub(super) fn run_but_last<'l, 'k, L>(
    layers: &'l [L],
    kept: &'k mut [KeyValues],
    x: Node,
    layer: impl Fn(&L, &Node, Option<&mut KeyValues>) -> Result<Node>,
) -> Result<(&'l L, Node, &'k mut KeyValues)> {
    match (layers.split_last(), kept.split_last_mut()) {
        (Some((last, layers)), Some((kept_of_last, kept))) => {
            Ok((last, run_layers(layers, Some(kept), x, layer)?, kept_of_last))
        }
        _ => candle_core::bail!("a decoder has layers, of which something is kept"),
    }
}

/// What is wanted of the states of all tokens. The last token stands for its whole sequence.
pub(super) fn wanted(
    tape: &Tape,
    x: Node,
    batch: &PackedBatch,
    states: HiddenStates,
) -> Result<Node> {
    match states {
        HiddenStates::AllTokens => Ok(x),
        HiddenStates::Summary => select_rows(tape, &x, &batch.last_rows()),
    }
}
