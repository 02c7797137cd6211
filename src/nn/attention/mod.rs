//! Scaled dot-product attention on packed rows: sequences of different lengths behind each other,
//! without padding.

mod additive;
mod branched;
mod cache;
mod distance_bias;
mod kernel;
mod mask;
mod one_query;
mod projections;
mod relative;
mod terms;

use std::sync::Arc;

use candle_core::{D, Result, Tensor};

pub use additive::AdditiveAttention;
pub use branched::BranchedAttention;
pub use cache::KeyValues;
pub use distance_bias::DistanceBias;
pub use mask::Mask;
pub use relative::{Buckets, Relative};

use super::gpu::GpuOp;
use super::noise::{CHUNK, DropoutMask};
use super::tape::{CpuOp, Op};

/// Where sequences begin in packed rows: sequence `i` has the rows `offsets[i] .. offsets[i + 1]`.
pub type Offsets = Arc<[usize]>;

/// Multi-head attention: `softmax(q kᵀ / sqrt(head width)) v` for each sequence and head.
///
/// The inputs are the queries, (query rows, hidden), and keys beside values, (key rows, 2 hidden);
/// or one tensor of queries, keys and values side by side, (rows, 3 hidden). A sequence may have
/// other numbers of queries than of keys, which also serves cross-attention and a last layer of
/// which only one row is needed. Scores may depend on distances: [`Relative`] attention takes its
/// tables as further inputs, and behind them [`DistanceBias`] its own. On a GPU both run on candle's
/// operations.
///
/// Where keys and values have fewer heads than queries (Ainslie et al., *GQA*, EMNLP 2023), keys
/// and values are that much narrower than queries, and each of their heads serves as many heads of
/// queries beside each other. On a GPU that runs on candle's operations.
#[derive(Debug)]
pub struct Attention {
    /// The number of heads of queries.
    pub heads: usize,
    /// The number of heads of keys and of values: as many, or a divisor of it.
    pub key_value_heads: usize,
    /// The sequences among the query rows.
    pub queries: Offsets,
    /// The same sequences among the key rows.
    pub keys: Offsets,
    /// How many of its rows there each sequence has filled with keys so far, from its first on;
    /// all of them unless it is said.
    pub filled: Option<Offsets>,
    /// Which keys a query may see.
    pub mask: Mask,
    /// Whether queries or keys meet vectors for distances.
    pub relative: Option<Relative>,
    /// Whether scores are biased by distances.
    pub bias: Option<DistanceBias>,
    /// What is dropped of the attention probabilities, if anything.
    pub dropout: Option<DropoutMask>,
}

/// One sequence's part of the work.
#[derive(Clone, Copy)]
struct Sequence {
    query_rows: usize,
    key_rows: usize,
    first_query: usize,
    first_key: usize,
    /// Where its probabilities (heads, queries, keys) begin among all of them.
    start: usize,
    /// The same among the mask's numbers, which leave gaps to begin each sequence with a fresh
    /// chunk.
    mask_start: usize,
}

/// How wide queries, keys and heads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Widths {
    /// All heads of the queries, and of the result.
    pub(super) queries: usize,
    /// All heads of the keys, or of the values.
    pub(super) keys: usize,
    /// A head.
    pub(super) head: usize,
}

impl Attention {
    /// Attention in which every query sees every key of its sequence, and each head has keys of its
    /// own.
    pub fn new(heads: usize, queries: Offsets, keys: Offsets) -> Self {
        Self {
            heads,
            key_value_heads: heads,
            queries,
            keys,
            filled: None,
            mask: Mask::All,
            relative: None,
            bias: None,
            dropout: None,
        }
    }

    fn sequences(&self) -> Vec<Sequence> {
        let (mut start, mut mask_start) = (0, 0);
        self.queries
            .windows(2)
            .zip(self.keys.windows(2))
            .enumerate()
            .map(|(number, (queries, keys))| {
                let filled = self.filled.as_ref().and_then(|filled| filled.get(number));
                let sequence = Sequence {
                    query_rows: queries[1] - queries[0],
                    key_rows: filled.map_or(keys[1] - keys[0], |&filled| filled),
                    first_query: queries[0],
                    first_key: keys[0],
                    start,
                    mask_start,
                };
                start += self.probabilities(&sequence);
                mask_start += self.probabilities(&sequence).next_multiple_of(CHUNK);
                sequence
            })
            .collect()
    }

    /// Where the mask's numbers of each sequence begin: a multiple of [`CHUNK`].
    pub(super) fn mask_starts(&self) -> Vec<usize> {
        self.sequences().iter().map(|sequence| sequence.mask_start).collect()
    }

    fn probabilities(&self, sequence: &Sequence) -> usize {
        self.heads * sequence.query_rows * sequence.key_rows
    }

    /// Queries, keys and values, and the tables for distances.
    fn split<'a, T>(&self, inputs: &'a [T]) -> (&'a [T], &'a [T]) {
        let tables = self.vectors() + usize::from(self.bias.is_some());
        inputs.split_at(inputs.len().saturating_sub(tables))
    }

    /// How many tables of vectors relative attention has.
    fn vectors(&self) -> usize {
        self.relative.map_or(0, |relative| relative.inputs())
    }

    /// Whether scores depend on distances.
    fn is_distance_aware(&self) -> bool {
        self.relative.is_some() || self.bias.is_some()
    }

    /// Whether the tables for distances have the right shapes.
    fn tables_fit(&self, tables: &[&[usize]], width: usize) -> bool {
        let (vectors, biases) = tables.split_at(self.vectors().min(tables.len()));
        let rows = self.relative.map_or(0, |relative| relative.rows);
        vectors.iter().all(|table| *table == [rows, width])
            && biases.iter().all(|table| self.bias.is_some_and(|bias| bias.fits(table, self.heads)))
    }

    /// What scores are multiplied by.
    pub(super) fn scale(&self, head_width: usize) -> f32 {
        let terms = self.relative.map_or(1, |relative| relative.terms());
        1.0 / ((head_width * terms) as f32).sqrt()
    }

    /// How many heads of queries a head of keys serves.
    fn group(&self) -> usize {
        self.heads / self.key_value_heads.max(1)
    }

    /// The widths, if the inputs have the right shapes.
    pub(super) fn check(&self, inputs: &[&[usize]]) -> Result<Widths> {
        let (main, tables) = self.split(inputs);
        let (heads, key_heads) = (self.heads, self.key_value_heads);
        let all_heads = heads + 2 * key_heads;
        let found = match main {
            [[rows, width]] if width.is_multiple_of(all_heads.max(1)) => {
                Some((*rows, *rows, width / all_heads))
            }
            [[rows, queries], [key_rows, width]]
                if queries.is_multiple_of(heads.max(1))
                    && *width == 2 * key_heads * (queries / heads.max(1)) =>
            {
                Some((*rows, *key_rows, queries / heads.max(1)))
            }
            _ => None,
        };
        let filled_fits = || match &self.filled {
            None => true,
            Some(filled) => {
                filled.len() + 1 == self.keys.len()
                    && self.keys.windows(2).zip(filled.iter()).all(|(k, &n)| k[0] + n <= k[1])
            }
        };
        let fits = |&(query_rows, key_rows, head): &(usize, usize, usize)| {
            heads > 0
                && key_heads > 0
                && heads.is_multiple_of(key_heads)
                && (!self.is_distance_aware() || heads == key_heads)
                && !(self.is_distance_aware() && matches!(self.mask, Mask::Pairs(_)))
                && self.queries.len() == self.keys.len()
                && self.queries.last() == Some(&query_rows)
                && self.keys.last() == Some(&key_rows)
                && filled_fits()
                && self.sequences().iter().all(|s| self.mask.fits(s.query_rows, s.key_rows))
                && self.tables_fit(tables, heads * head)
        };
        match found.filter(fits) {
            Some((.., head)) => Ok(Widths { queries: heads * head, keys: key_heads * head, head }),
            None => candle_core::bail!("inputs {inputs:?} do not fit the attention's sequences"),
        }
    }
}

impl Op for Attention {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let Widths { queries: hidden, keys, head: width } =
            self.check(&inputs.iter().map(Tensor::dims).collect::<Vec<_>>())?;
        let (main, tables) = self.split(inputs);
        let (q, kv) = match main {
            [all] => (all.narrow(1, 0, hidden)?, all.narrow(1, hidden, 2 * keys)?),
            _ => (main[0].clone(), main[1].clone()),
        };
        let contexts = self
            .sequences()
            .iter()
            .filter(|sequence| sequence.query_rows > 0)
            .map(|sequence| {
                let heads = |x: &Tensor| {
                    let rows = x.dim(0)?;
                    x.contiguous()?.reshape((rows, (), width))?.transpose(0, 1)?.contiguous()
                };
                // (heads, keys, width), each as often as it serves heads of queries.
                let repeated = |x: &Tensor| {
                    let (count, rows, width) = x.dims3()?;
                    let x = x.unsqueeze(1)?.broadcast_as((count, self.group(), rows, width))?;
                    x.contiguous()?.reshape((self.heads, rows, width))
                };
                let kv = kv.narrow(0, sequence.first_key, sequence.key_rows)?;
                // (heads, queries, width)
                let q = heads(&q.narrow(0, sequence.first_query, sequence.query_rows)?)?;
                let k = repeated(&heads(&kv.narrow(1, 0, keys)?)?)?; // (heads, keys, width)
                let v = repeated(&heads(&kv.narrow(1, keys, keys)?)?)?;
                let mut scores = q.matmul(&k.t()?.contiguous()?)?; // (heads, queries, keys)
                if let Some(relative) = &self.relative {
                    scores = (scores + relative.reference(sequence, &q, &k, tables)?)?;
                }
                scores = (scores * f64::from(self.scale(width)))?;
                if let (Some(bias), Some(table)) = (&self.bias, tables.last()) {
                    scores = (scores + bias.reference(sequence, table)?)?;
                }
                let mut probabilities = softmax(&self.apply_mask(sequence, scores)?)?;
                if let Some(mask) = &self.dropout {
                    let mask = mask.starting_at(sequence.mask_start);
                    let factors = mask.tensor(probabilities.shape(), probabilities.device())?;
                    probabilities = (&probabilities * factors.to_dtype(probabilities.dtype())?)?;
                }
                probabilities
                    .matmul(&v)?
                    .transpose(0, 1)?
                    .contiguous()?
                    .reshape((sequence.query_rows, hidden))
            })
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&contexts, 0)
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        let known = !self.is_distance_aware()
            && self.heads == self.key_value_heads
            && self.filled.is_none();
        known.then_some(self as &dyn GpuOp)
    }
}

impl Attention {
    /// The scores of one sequence, (heads, queries, keys), with those of keys that a query may not
    /// see at -∞.
    fn apply_mask(&self, s: &Sequence, scores: Tensor) -> Result<Tensor> {
        if self.mask == Mask::All {
            return Ok(scores);
        }
        let hidden = (0..s.query_rows).flat_map(|query| {
            let seen = self.mask.keys(query, s.query_rows, s.key_rows);
            (0..s.key_rows).map(move |key| if seen.contains(key) { 0.0 } else { f32::NEG_INFINITY })
        });
        let hidden =
            Tensor::from_iter(hidden, scores.device())?.reshape((s.query_rows, s.key_rows))?;
        scores.broadcast_add(&hidden.to_dtype(scores.dtype())?)
    }
}

/// Softmax over the last dimension, from operations that candle differentiates rightly.
fn softmax(scores: &Tensor) -> Result<Tensor> {
    let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)
}
