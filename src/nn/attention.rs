//! Scaled dot-product attention on packed rows: sequences of different lengths behind each other, without padding.

use std::sync::Arc;

use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use super::cpu::{self, Matrix, MatrixMut, Threads, Write, matmul};
use super::gradients::Gradient;
use super::math::exp;
use super::noise::{CHUNK, Mask};
use super::tape::{Kernel, Op, Output, View};

/// Where sequences begin in packed rows: sequence `i` has the rows `offsets[i] .. offsets[i + 1]`.
pub type Offsets = Arc<[usize]>;

/// Multi-head attention: `softmax(q kᵀ / sqrt(head width)) v` for each sequence and head.
///
/// The inputs are the queries, (query rows, hidden), and keys beside values, (key rows, 2 hidden). A sequence may
/// have other numbers of queries than of keys, which also serves cross-attention and a last layer of which only the
/// first row is wanted.
#[derive(Debug)]
pub struct Attention {
    /// The number of heads; each has `hidden / heads` columns.
    pub heads: usize,
    /// The sequences among the query rows.
    pub queries: Offsets,
    /// The same sequences among the key rows.
    pub keys: Offsets,
    /// What is dropped of the attention probabilities, if anything.
    pub mask: Option<Mask>,
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
    /// The same among the mask's numbers, which leave gaps to begin each sequence with a fresh chunk.
    mask_start: usize,
}

impl Sequence {
    /// Its part of `rows`, which are as many and as wide as the queries.
    fn queries<'a>(&self, rows: &'a [f32], hidden: usize) -> Matrix<'a> {
        Matrix::new(&rows[self.first_query * hidden..][..self.query_rows * hidden], hidden)
    }

    /// Its part of the keys and values, which stand side by side.
    fn keys_and_values<'a>(&self, rows: &'a [f32], hidden: usize) -> Matrix<'a> {
        Matrix::new(&rows[self.first_key * 2 * hidden..][..self.key_rows * 2 * hidden], 2 * hidden)
    }
}

impl Attention {
    fn sequences(&self) -> Vec<Sequence> {
        let (mut start, mut mask_start) = (0, 0);
        self.queries
            .windows(2)
            .zip(self.keys.windows(2))
            .map(|(queries, keys)| {
                let sequence = Sequence {
                    query_rows: queries[1] - queries[0],
                    key_rows: keys[1] - keys[0],
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

    fn probabilities(&self, sequence: &Sequence) -> usize {
        self.heads * sequence.query_rows * sequence.key_rows
    }

    fn check(&self, query_dims: &[usize], key_dims: &[usize]) -> Result<()> {
        let fits = match (query_dims, key_dims) {
            (&[query_rows, hidden], &[key_rows, width]) => {
                width == 2 * hidden
                    && hidden % self.heads == 0
                    && self.queries.len() == self.keys.len()
                    && self.queries.last() == Some(&query_rows)
                    && self.keys.last() == Some(&key_rows)
                    && self.sequences().iter().all(|s| s.key_rows > 0 || s.query_rows == 0)
            }
            _ => false,
        };
        if !fits {
            candle_core::bail!(
                "queries {query_dims:?} and keys {key_dims:?} do not fit the attention's sequences"
            );
        }
        Ok(())
    }
}

impl Op for Attention {
    fn portable(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let (q, kv) = (&inputs[0], &inputs[1]);
        self.check(q.dims(), kv.dims())?;
        let (hidden, width) = (q.dim(1)?, q.dim(1)? / self.heads);
        let contexts = self
            .sequences()
            .iter()
            .filter(|sequence| sequence.query_rows > 0)
            .map(|sequence| {
                let heads = |x: &Tensor| x.reshape(((), self.heads, width))?.transpose(0, 1)?.contiguous();
                let kv = kv.narrow(0, sequence.first_key, sequence.key_rows)?;
                let q = heads(&q.narrow(0, sequence.first_query, sequence.query_rows)?)?; // (heads, queries, width)
                let k = heads(&kv.narrow(1, 0, hidden)?.contiguous()?)?; // (heads, keys, width)
                let v = heads(&kv.narrow(1, hidden, hidden)?.contiguous()?)?;
                let scores = (q.matmul(&k.t()?.contiguous()?)? / (width as f64).sqrt())?; // (heads, queries, keys)
                let mut probabilities = softmax(&scores)?;
                if let Some(mask) = &self.mask {
                    let mask =
                        mask.starting_at(sequence.mask_start).tensor(scores.shape(), scores.device())?;
                    probabilities = (probabilities * mask.to_dtype(scores.dtype())?)?;
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

    fn kernel(&self) -> Option<&dyn Kernel> {
        Some(self)
    }
}

/// Softmax over the last dimension, from operations that candle differentiates rightly.
fn softmax(scores: &Tensor) -> Result<Tensor> {
    let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)
}

/// Cuts `data` into consecutive pieces of the given sizes.
fn pieces(mut data: &mut [f32], sizes: impl Iterator<Item = usize>) -> Vec<&mut [f32]> {
    sizes
        .map(|size| {
            let (piece, rest) = std::mem::take(&mut data).split_at_mut(size);
            data = rest;
            piece
        })
        .collect()
}

impl Kernel for Attention {
    fn forward(&self, inputs: &[View<'_>]) -> Result<Output> {
        let (q, kv) = (inputs[0], inputs[1]);
        self.check(q.dims, kv.dims)?;
        let hidden = q.width();
        let sequences = self.sequences();
        let mut context = vec![0.0; q.data.len()];
        let mut probabilities = vec![0.0; sequences.iter().map(|s| self.probabilities(s)).sum()];
        pieces(&mut context, sequences.iter().map(|s| s.query_rows * hidden))
            .into_par_iter()
            .zip(pieces(&mut probabilities, sequences.iter().map(|s| self.probabilities(s))))
            .zip(&sequences)
            .filter(|(_, s)| s.query_rows > 0)
            .for_each(|((context, probabilities), s)| {
                let (q, kv) = (s.queries(q.data, hidden), s.keys_and_values(kv.data, hidden));
                self.attend(s, q, kv, probabilities, context);
            });
        Ok(Output { data: context, shape: q.dims.into(), kept: probabilities })
    }

    fn backward(
        &self,
        inputs: &[View<'_>],
        kept: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let (q, kv) = (inputs[0], inputs[1]);
        let hidden = q.width();
        let sequences = self.sequences();
        let (mut dq, mut dkv) = (vec![0.0; q.data.len()], vec![0.0; kv.data.len()]);
        pieces(&mut dq, sequences.iter().map(|s| s.query_rows * hidden))
            .into_par_iter()
            .zip(pieces(&mut dkv, sequences.iter().map(|s| s.key_rows * 2 * hidden)))
            .zip(&sequences)
            .filter(|(_, s)| s.query_rows > 0)
            .for_each(|((dq, dkv), s)| {
                let (q, kv) = (s.queries(q.data, hidden), s.keys_and_values(kv.data, hidden));
                let probabilities = &kept[s.start..][..self.probabilities(s)];
                self.undo(s, q, kv, probabilities, s.queries(gradient, hidden), (dq, dkv));
            });
        Ok([dq, dkv].map(|gradient| Some(Gradient::Dense(gradient))).into())
    }
}

impl Attention {
    /// Writes the probabilities and the context of one sequence.
    fn attend(&self, s: &Sequence, q: Matrix, kv: Matrix, probabilities: &mut [f32], context: &mut [f32]) {
        let hidden = context.len() / s.query_rows;
        let width = hidden / self.heads;
        let size = s.query_rows * s.key_rows;
        for (head, scores) in probabilities.chunks_exact_mut(size).enumerate() {
            let (q, k) = (q.columns(head * width, width), kv.columns(head * width, width));
            let to = MatrixMut::new(scores, s.key_rows);
            matmul(to, Write::Over, q, k.t(), 1.0 / (width as f32).sqrt(), Threads::One);
        }
        cpu::vectorised(|| probabilities.chunks_exact_mut(s.key_rows).for_each(softmax_row));
        let dropped = self.mask.map(|mask| dropped(mask, s, probabilities));
        let probabilities = dropped.as_deref().unwrap_or(probabilities);
        for (head, probabilities) in probabilities.chunks_exact(size).enumerate() {
            let v = kv.columns(hidden + head * width, width);
            let to = MatrixMut::new(context, hidden).columns(head * width, width);
            matmul(to, Write::Over, Matrix::new(probabilities, s.key_rows), v, 1.0, Threads::One);
        }
    }

    /// Writes the gradients of one sequence, `to` of its queries and of its keys and values, from that of its context.
    fn undo(
        &self,
        s: &Sequence,
        q: Matrix,
        kv: Matrix,
        probabilities: &[f32],
        dy: Matrix,
        to: (&mut [f32], &mut [f32]),
    ) {
        let (dq, dkv) = to;
        let hidden = dq.len() / s.query_rows;
        let width = hidden / self.heads;
        let size = s.query_rows * s.key_rows;
        let dropped = self.mask.map(|mask| dropped(mask, s, probabilities));
        let dropped = dropped.as_deref().unwrap_or(probabilities);
        let mut ds = vec![0.0; probabilities.len()]; // (heads, queries, keys)
        for (head, (p, dp)) in dropped.chunks_exact(size).zip(ds.chunks_exact_mut(size)).enumerate() {
            let (dy, v) = (dy.columns(head * width, width), hidden + head * width);
            let dv = MatrixMut::new(dkv, 2 * hidden).columns(v, width);
            matmul(dv, Write::Over, Matrix::new(p, s.key_rows).t(), dy, 1.0, Threads::One);
            let dp = MatrixMut::new(dp, s.key_rows);
            matmul(dp, Write::Over, dy, kv.columns(v, width).t(), 1.0, Threads::One);
        }
        cpu::vectorised(|| {
            if let Some(mask) = &self.mask {
                mask.apply(s.mask_start, &mut ds);
            }
            for (ds, p) in ds.chunks_exact_mut(s.key_rows).zip(probabilities.chunks_exact(s.key_rows)) {
                let mean = cpu::sum(ds.len(), |i| ds[i] * p[i]);
                ds.iter_mut().zip(p).for_each(|(ds, p)| *ds = p * (*ds - mean));
            }
        });
        let scale = 1.0 / (width as f32).sqrt();
        for (head, ds) in ds.chunks_exact(size).enumerate() {
            let (ds, start) = (Matrix::new(ds, s.key_rows), head * width);
            let dq = MatrixMut::new(dq, hidden).columns(start, width);
            matmul(dq, Write::Over, ds, kv.columns(start, width), scale, Threads::One);
            let dk = MatrixMut::new(dkv, 2 * hidden).columns(start, width);
            matmul(dk, Write::Over, ds.t(), q.columns(start, width), scale, Threads::One);
        }
    }
}

/// The probabilities of a sequence after dropout.
fn dropped(mask: Mask, s: &Sequence, probabilities: &[f32]) -> Vec<f32> {
    let mut dropped = probabilities.to_vec();
    cpu::vectorised(|| mask.apply(s.mask_start, &mut dropped));
    dropped
}

/// Softmax of one row of scores, where it stands.
#[inline(always)]
fn softmax_row(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = exp(*score - largest));
    let scale = 1.0 / cpu::sum(scores.len(), |i| scores[i]);
    scores.iter_mut().for_each(|score| *score *= scale);
}
