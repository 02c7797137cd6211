//! Scaled dot-product attention on packed rows: sequences of different lengths behind each other, without padding.

use std::sync::Arc;

use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use super::cpu::{self, Fresh, Matrix, MatrixMut, Piece, multiply};
use super::gradients::Gradient;
use super::math::exp;
use super::noise::{CHUNK, Mask};
use super::tape::{Kernel, Op, Output, View};

/// Where sequences begin in packed rows: sequence `i` has the rows `offsets[i] .. offsets[i + 1]`.
pub type Offsets = Arc<[usize]>;

/// Multi-head attention: `softmax(q kᵀ / sqrt(head width)) v` for each sequence and head.
///
/// The inputs are the queries, (query rows, hidden), and keys beside values, (key rows, 2 hidden); or one tensor of
/// queries, keys and values side by side, (rows, 3 hidden). A sequence may have other numbers of queries than of keys,
/// which also serves cross-attention and a last layer of which only the first row is wanted.
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

/// Queries, keys and values, (rows, hidden) each.
#[derive(Clone, Copy)]
struct Projections<'a> {
    q: Matrix<'a>,
    k: Matrix<'a>,
    v: Matrix<'a>,
    hidden: usize,
}

impl<'a> Projections<'a> {
    fn of(inputs: &[View<'a>]) -> Self {
        let (q, kv) = (inputs[0], inputs[inputs.len() - 1]);
        let hidden = kv.width() / if inputs.len() == 1 { 3 } else { 2 };
        let keys = kv.width() - 2 * hidden;
        let (q, kv) = (Matrix::new(q.data, q.width()), Matrix::new(kv.data, kv.width()));
        Self {
            q: q.columns(0, hidden),
            k: kv.columns(keys, hidden),
            v: kv.columns(keys + hidden, hidden),
            hidden,
        }
    }

    /// The part of one sequence.
    fn of_sequence(&self, s: &Sequence) -> Self {
        Self {
            q: self.q.rows(s.first_query, s.query_rows),
            k: self.k.rows(s.first_key, s.key_rows),
            v: self.v.rows(s.first_key, s.key_rows),
            ..*self
        }
    }

    /// The part of one head, which is `width` columns wide.
    fn of_head(&self, head: usize, width: usize) -> Self {
        let columns = |x: Matrix<'a>| x.columns(head * width, width);
        Self { q: columns(self.q), k: columns(self.k), v: columns(self.v), hidden: width }
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

    /// The hidden size, if the inputs have the right shapes.
    fn check(&self, inputs: &[&[usize]]) -> Result<usize> {
        let hidden = match inputs {
            [[rows, width]] if width % 3 == 0 => Some((*rows, *rows, width / 3)),
            [[rows, hidden], [key_rows, width]] if *width == 2 * hidden => Some((*rows, *key_rows, *hidden)),
            _ => None,
        };
        let fits = |&(query_rows, key_rows, hidden): &(usize, usize, usize)| {
            hidden % self.heads == 0
                && self.queries.len() == self.keys.len()
                && self.queries.last() == Some(&query_rows)
                && self.keys.last() == Some(&key_rows)
                && self.sequences().iter().all(|s| s.key_rows > 0 || s.query_rows == 0)
        };
        match hidden.filter(fits) {
            Some((.., hidden)) => Ok(hidden),
            None => candle_core::bail!("inputs {inputs:?} do not fit the attention's sequences"),
        }
    }
}

impl Op for Attention {
    fn portable(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let hidden = self.check(&inputs.iter().map(Tensor::dims).collect::<Vec<_>>())?;
        let width = hidden / self.heads;
        let (q, kv) = match inputs {
            [all] => (all.narrow(1, 0, hidden)?, all.narrow(1, hidden, 2 * hidden)?),
            _ => (inputs[0].clone(), inputs[1].clone()),
        };
        let contexts = self
            .sequences()
            .iter()
            .filter(|sequence| sequence.query_rows > 0)
            .map(|sequence| {
                let heads = |x: &Tensor| {
                    x.contiguous()?.reshape(((), self.heads, width))?.transpose(0, 1)?.contiguous()
                };
                let kv = kv.narrow(0, sequence.first_key, sequence.key_rows)?;
                let q = heads(&q.narrow(0, sequence.first_query, sequence.query_rows)?)?; // (heads, queries, width)
                let k = heads(&kv.narrow(1, 0, hidden)?)?; // (heads, keys, width)
                let v = heads(&kv.narrow(1, hidden, hidden)?)?;
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

impl Kernel for Attention {
    fn forward(&self, inputs: &[View<'_>], keep: bool) -> Result<Output> {
        let hidden = self.check(&inputs.iter().map(|input| input.dims).collect::<Vec<_>>())?;
        let all = Projections::of(inputs);
        let sequences = self.sequences();
        let mut context = Fresh::new(inputs[0].rows() * hidden);
        let kept_size = |s: &Sequence| if keep { self.probabilities(s) } else { 0 };
        let mut kept = Fresh::new(sequences.iter().map(kept_size).sum());
        let contexts = context.pieces(sequences.iter().map(|s| s.query_rows * hidden));
        let kepts = kept.pieces(sequences.iter().map(kept_size));
        contexts.into_par_iter().zip(kepts).zip(&sequences).for_each(|((context, kept), s)| {
            let (context, kept) = (context.zeroed(), kept.zeroed());
            if s.query_rows > 0 {
                self.attend(s, all.of_sequence(s), kept, context);
            }
        });
        Ok(Output { data: context.finish(), shape: (inputs[0].rows(), hidden).into(), kept: kept.finish() })
    }

    fn backward(
        &self,
        inputs: &[View<'_>],
        kept: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let all = Projections::of(inputs);
        let sequences = self.sequences();
        let mut gradients: Vec<Fresh> = inputs.iter().map(|input| Fresh::new(input.data.len())).collect();
        let mut pieces: Vec<Vec<Piece>> = sequences.iter().map(|_| Vec::new()).collect();
        for (number, (fresh, input)) in gradients.iter_mut().zip(inputs).enumerate() {
            let rows = |s: &Sequence| if number == 0 { s.query_rows } else { s.key_rows };
            let cut = fresh.pieces(sequences.iter().map(|s| rows(s) * input.width()));
            pieces.iter_mut().zip(cut).for_each(|(pieces, piece)| pieces.push(piece));
        }
        pieces.into_par_iter().zip(&sequences).for_each(|(pieces, s)| {
            let mut to: Vec<&mut [f32]> = pieces.into_iter().map(Piece::zeroed).collect();
            if s.query_rows > 0 {
                let probabilities = &kept[s.start..][..self.probabilities(s)];
                let dy = Matrix::new(gradient, all.hidden).rows(s.first_query, s.query_rows);
                self.undo(s, all.of_sequence(s), probabilities, dy, &mut to);
            }
        });
        Ok(gradients.into_iter().map(|fresh| Some(Gradient::Dense(fresh.finish()))).collect())
    }
}

impl Attention {
    /// Writes the context of one sequence, and its probabilities to `kept` unless that is empty.
    fn attend(&self, s: &Sequence, all: Projections, kept: &mut [f32], context: &mut [f32]) {
        let width = all.hidden / self.heads;
        let size = s.query_rows * s.key_rows;
        let scale = 1.0 / (width as f32).sqrt();
        let mut probabilities = vec![0.0; self.probabilities(s)];
        for (head, scores) in probabilities.chunks_exact_mut(size).enumerate() {
            let part = all.of_head(head, width);
            multiply(MatrixMut::new(scores, s.key_rows), part.q, part.k.t());
        }
        cpu::vectorised!({
            for scores in probabilities.chunks_exact_mut(s.key_rows) {
                softmax_row(scores, scale);
            }
            if !kept.is_empty() {
                kept.copy_from_slice(&probabilities);
            }
            if let Some(mask) = &self.mask {
                mask.apply(s.mask_start, &mut probabilities);
            }
        });
        for (head, probabilities) in probabilities.chunks_exact(size).enumerate() {
            let to = MatrixMut::new(context, all.hidden).columns(head * width, width);
            multiply(to, Matrix::new(probabilities, s.key_rows), all.of_head(head, width).v);
        }
    }

    /// Writes the gradients of one sequence's inputs, `to`, from that of its context, `dy`.
    fn undo(&self, s: &Sequence, all: Projections, probabilities: &[f32], dy: Matrix, to: &mut [&mut [f32]]) {
        let (hidden, width) = (all.hidden, all.hidden / self.heads);
        let size = s.query_rows * s.key_rows;
        let scale = 1.0 / (width as f32).sqrt();
        // The places of the gradients of q, k and v: an input, its width, and a column.
        let (last, stride) = (to.len() - 1, if to.len() == 1 { 3 * hidden } else { 2 * hidden });
        let places = [
            (0, if last == 0 { stride } else { hidden }, 0),
            (last, stride, stride - 2 * hidden),
            (last, stride, stride - hidden),
        ];
        let mut write =
            |(input, stride, column): (usize, usize, usize), head: usize, a: Matrix, b: Matrix| {
                let to = MatrixMut::new(to[input], stride).columns(column + head * width, width);
                multiply(to, a, b);
            };
        let mut dropped = probabilities.to_vec();
        let mut ds = vec![0.0; probabilities.len()]; // (heads, queries, keys)
        if let Some(mask) = &self.mask {
            cpu::vectorised!(mask.apply(s.mask_start, &mut dropped));
        }
        for (head, (p, dp)) in dropped.chunks_exact(size).zip(ds.chunks_exact_mut(size)).enumerate() {
            let dy = dy.columns(head * width, width);
            write(places[2], head, Matrix::new(p, s.key_rows).t(), dy);
            multiply(MatrixMut::new(dp, s.key_rows), dy, all.of_head(head, width).v.t());
        }
        cpu::vectorised!({
            if let Some(mask) = &self.mask {
                mask.apply(s.mask_start, &mut ds);
            }
            for (ds, p) in ds.chunks_exact_mut(s.key_rows).zip(probabilities.chunks_exact(s.key_rows)) {
                let mean = cpu::sum(ds.len(), |i| ds[i] * p[i]);
                ds.iter_mut().zip(p).for_each(|(ds, p)| *ds = p * (*ds - mean) * scale);
            }
        });
        for (head, ds) in ds.chunks_exact(size).enumerate() {
            let (ds, part) = (Matrix::new(ds, s.key_rows), all.of_head(head, width));
            write(places[0], head, ds, part.k);
            write(places[1], head, ds.t(), part.q);
        }
    }
}

/// Softmax of one row of scores, which are first multiplied by `scale`, where it stands.
#[inline(always)]
fn softmax_row(scores: &mut [f32], scale: f32) {
    let mut largest = f32::NEG_INFINITY;
    for score in scores.iter() {
        largest = largest.max(*score);
    }
    for score in scores.iter_mut() {
        *score = exp((*score - largest) * scale);
    }
    let normalise = 1.0 / cpu::sum(scores.len(), |i| scores[i]);
    for score in scores.iter_mut() {
        *score *= normalise;
    }
}
