//! The attention layer that most families share: three linear layers and what they see of each other.

use candle_core::Result;

use crate::nn::attention::{Attention, Offsets, Visible};
use crate::nn::linear::{Linear, joined};
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};

/// Multi-head attention without its output layer.
#[derive(Debug)]
pub struct MultiHead {
    query: Linear,
    key: Linear,
    value: Linear,
    heads: usize,
    visible: Visible,
    dropout: f32,
}

/// What attention is told beside its weights.
#[derive(Debug, Clone, Copy)]
pub struct MultiHeadSettings {
    /// The width of hidden states.
    pub hidden: usize,
    /// The number of heads.
    pub heads: usize,
    /// Which tokens a token may see.
    pub visible: Visible,
    /// The dropout probability of attention probabilities.
    pub dropout: f32,
}

impl MultiHead {
    /// Takes the layers of queries, keys and values, under these names, from the scope.
    ///
    /// # Errors
    /// If a parameter is missing or of another shape, or the heads cannot share the hidden size.
    pub fn load(scope: &Scope, names: [&str; 3], settings: MultiHeadSettings) -> Result<Self> {
        let MultiHeadSettings { hidden, heads, visible, dropout } = settings;
        check_heads(hidden, heads)?;
        let linear = |name: &str| Linear::load(&scope.enter(name), hidden, hidden);
        let [query, key, value] = names;
        Ok(Self { query: linear(query)?, key: linear(key)?, value: linear(value)?, heads, visible, dropout })
    }

    /// Each token looks at its own sequence: (tokens, hidden) to (tokens, hidden).
    ///
    /// # Errors
    /// If the rows do not fit.
    pub fn forward(&self, tape: &Tape, x: &Node, tokens: &Offsets) -> Result<Node> {
        let qkv = joined(tape, x, &[&self.query, &self.key, &self.value])?; // (tokens, 3 hidden)
        tape.apply(self.attention(tape, tokens.clone(), tokens.clone()), &[&qkv])
    }

    /// The rows of `x`, sequence by sequence as `queries` says, look at those of `memory`: (queries, hidden) to (queries,
    /// hidden).
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
        let q = self.query.forward(tape, x)?; // (queries, hidden)
        let kv = joined(tape, memory, &[&self.key, &self.value])?; // (tokens, 2 hidden)
        tape.apply(self.attention(tape, queries, tokens.clone()), &[&q, &kv])
    }

    fn attention(&self, tape: &Tape, queries: Offsets, keys: Offsets) -> Attention {
        let (heads, visible, mask) = (self.heads, self.visible, tape.mask(self.dropout));
        Attention { heads, queries, keys, visible, relative: None, mask }
    }
}

/// Refuses heads that cannot share the hidden size.
///
/// # Errors
/// If they cannot.
pub fn check_heads(hidden: usize, heads: usize) -> Result<()> {
    match heads > 0 && hidden.is_multiple_of(heads) {
        true => Ok(()),
        false => candle_core::bail!("hidden_size {hidden} cannot be shared by num_attention_heads {heads}"),
    }
}
