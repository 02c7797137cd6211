//! Attention for f32 in CPU memory: a task for each sequence.

use std::ops::Range;

use candle_core::Result;
use rayon::prelude::*;

use super::projections::{Heads, Projections};
use super::terms::{TermGradients, Terms};
use super::{Attention, Sequence, Widths};
use crate::nn::cpu::{
    self, Matrix, MatrixMut, Packed, UninitBuffer, UninitSlice, multiply, multiply_packed,
};
use crate::nn::gradients::Gradient;
use crate::nn::math::exp;
use crate::nn::tape::{CpuOp, CpuOutput, TensorView};

impl CpuOp for Attention {
    fn forward(&self, inputs: &[TensorView<'_>], save: bool) -> Result<CpuOutput> {
        let widths = self.check(&inputs.iter().map(|input| input.dims).collect::<Vec<_>>())?;
        let hidden = widths.queries;
        let (main, tables) = self.split(inputs);
        let (all, tables) = (Projections::of(main, widths), matrices(tables));
        let sequences = self.sequences();
        let mut context = UninitBuffer::new(inputs[0].rows() * hidden);
        let saved_size = |s: &Sequence| if save { self.probabilities(s) } else { 0 };
        let mut saved = UninitBuffer::new(sequences.iter().map(saved_size).sum());
        let contexts = context.pieces(sequences.iter().map(|s| s.query_rows * hidden));
        let saved_pieces = saved.pieces(sequences.iter().map(saved_size));
        contexts.into_par_iter().zip(saved_pieces).zip(&sequences).for_each(
            |((context, saved), s)| {
                let (context, saved) = (context.zeroed(), saved.zeroed());
                if self.goes_on_by_one(s) && !save {
                    let keys = &main[main.len() - 1];
                    let saved = Matrix::new(keys.data, keys.width()).rows(s.first_key, s.key_rows);
                    self.forward_one_query(&all.of_sequence(s), saved, context);
                } else if s.query_rows > 0 {
                    let terms = Terms::of_sequence(self, s, &tables);
                    self.forward_sequence(s, all.of_sequence(s), &terms, saved, context);
                }
            },
        );
        Ok(CpuOutput {
            data: context.finish(),
            shape: (inputs[0].rows(), hidden).into(),
            saved: saved.finish(),
        })
    }

    fn backward(
        &self,
        inputs: &[TensorView<'_>],
        saved: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        if self.filled.is_some() {
            candle_core::bail!("nothing is learned from keys and values that are saved");
        }
        let widths = self.check(&inputs.iter().map(|input| input.dims).collect::<Vec<_>>())?;
        let hidden = widths.queries;
        let (main, tables) = self.split(inputs);
        let (all, tables) = (Projections::of(main, widths), matrices(tables));
        let sequences = self.sequences();
        let mut gradients: Vec<UninitBuffer> =
            main.iter().map(|input| UninitBuffer::new(input.data.len())).collect();
        let mut pieces: Vec<Vec<UninitSlice>> = sequences.iter().map(|_| Vec::new()).collect();
        for (number, (fresh, input)) in gradients.iter_mut().zip(main).enumerate() {
            let rows = |s: &Sequence| if number == 0 { s.query_rows } else { s.key_rows };
            let cut = fresh.pieces(sequences.iter().map(|s| rows(s) * input.width()));
            pieces.iter_mut().zip(cut).for_each(|(pieces, piece)| pieces.push(piece));
        }
        let of_terms = pieces.into_par_iter().zip(&sequences).map(|(pieces, s)| {
            let mut to: Vec<&mut [f32]> = pieces.into_iter().map(UninitSlice::zeroed).collect();
            if s.query_rows == 0 {
                return TermGradients::default();
            }
            let terms = Terms::of_sequence(self, s, &tables);
            let mut of_terms = terms.gradients(hidden);
            let probabilities = &saved[s.start..][..self.probabilities(s)];
            let dy = Matrix::new(gradient, hidden).rows(s.first_query, s.query_rows);
            self.backward_sequence(
                s,
                all.of_sequence(s),
                (&terms, &mut of_terms),
                probabilities,
                (dy, widths),
                &mut to,
            );
            of_terms
        });
        let of_terms: Vec<TermGradients> = of_terms.collect();
        let mut found: Vec<Vec<f32>> = gradients.into_iter().map(UninitBuffer::finish).collect();
        let mut of_tables: Vec<Vec<f32>> = tables
            .iter()
            .map(|table| vec![0.0; table.row_count() * table.column_count()])
            .collect();
        of_terms.iter().for_each(|part| part.add_to(&mut of_tables));
        found.extend(of_tables);
        Ok(found.into_iter().map(|gradient| Some(Gradient::Dense(gradient))).collect())
    }
}

fn matrices<'a>(tables: &[TensorView<'a>]) -> Vec<Matrix<'a>> {
    tables.iter().map(|table| Matrix::new(table.data, table.width())).collect()
}

impl Attention {
    /// Writes the context of one sequence, and its probabilities to `saved` unless that is empty.
    fn forward_sequence(
        &self,
        s: &Sequence,
        all: Projections,
        terms: &Terms,
        saved: &mut [f32],
        context: &mut [f32],
    ) {
        // Where nothing is kept of all heads, their probabilities take turns in memory that stays in the
        // cache.
        let is_alone = saved.is_empty() && self.dropout.is_none();
        let at_once = if is_alone { 1 } else { self.key_value_heads };
        let size = self.probabilities(s) / self.key_value_heads * at_once;
        let mut probabilities = vec![0.0; size];
        for first in (0..self.key_value_heads).step_by(at_once) {
            self.forward_heads(s, (&all, first), terms, (saved, &mut probabilities), context);
        }
    }

    /// The same for the heads of keys from `first` on for which there are `probabilities`.
    fn forward_heads(
        &self,
        s: &Sequence,
        (all, first): (&Projections, usize),
        terms: &Terms,
        (saved, probabilities): (&mut [f32], &mut [f32]),
        context: &mut [f32],
    ) {
        let (width, group) = (all.width, self.group());
        let size = s.query_rows * s.key_rows;
        let scale = self.scale(width);
        let blocks = self.mask.blocks(s.query_rows, s.key_rows);
        for (head, scores) in (first..).zip(probabilities.chunks_exact_mut(group * size)) {
            let part = all.of_head(head, group);
            let q = Heads::of(part.q, width);
            multiply_seen(&blocks, (scores, s.key_rows), q.matrix(), part.k.t());
            terms.add(head, &part, scale, scores);
        }
        cpu::vectorised!({
            for (row, scores) in probabilities.chunks_exact_mut(s.key_rows).enumerate() {
                let seen = self.mask.keys(row % s.query_rows, s.query_rows, s.key_rows);
                let gathered = seen.gather(scores);
                softmax_row(&mut scores[gathered], scale);
                seen.scatter(scores);
            }
            if !saved.is_empty() {
                saved.copy_from_slice(probabilities);
            }
            if let Some(mask) = &self.dropout {
                mask.apply(s.mask_start, probabilities);
            }
        });
        for (head, p) in (first * group..).zip(probabilities.chunks_exact(size)) {
            let (p, v) = (Matrix::new(p, s.key_rows), all.of_head(head / group, group).v);
            for (queries, keys) in &blocks {
                let to = MatrixMut::new(context, self.heads * width).columns(head * width, width);
                multiply_seen_by((queries, *keys), to, p, v);
            }
        }
    }

    /// Writes the gradients of one sequence's inputs, `to`, and of its rows of the tables, from
    /// that of its context, `dy`.
    fn backward_sequence(
        &self,
        s: &Sequence,
        all: Projections,
        (terms, of_terms): (&Terms, &mut TermGradients),
        probabilities: &[f32],
        (dy, widths): (Matrix, Widths),
        to: &mut [&mut [f32]],
    ) {
        let (width, group) = (all.width, self.group());
        let size = s.query_rows * s.key_rows;
        let scale = self.scale(width);
        let blocks = self.mask.blocks(s.query_rows, s.key_rows);
        let last = to.len() - 1;
        let of_keys = 2 * widths.keys;
        let stride = if last == 0 { widths.queries + of_keys } else { of_keys };
        let q_stride = if last == 0 { stride } else { widths.queries };
        let of_q = GradientColumns { input: 0, stride: q_stride, column: 0, width };
        let of_k = GradientColumns { input: last, stride, column: stride - of_keys, width };
        let of_v = GradientColumns { column: stride - widths.keys, ..of_k };
        let mut dropped = probabilities.to_vec();
        let mut ds = vec![0.0; probabilities.len()]; // (heads, queries, keys)
        if let Some(mask) = &self.dropout {
            cpu::vectorised!(mask.apply(s.mask_start, &mut dropped));
        }
        let served = dropped.chunks_exact(group * size).zip(ds.chunks_exact_mut(group * size));
        for (head, (p, dp)) in served.enumerate() {
            let dy = Heads::of(dy.columns(head * group * width, group * width), width);
            let (dy, v) = (dy.matrix(), all.of_head(head, group).v);
            multiply(of_v.of_head(head, to), Matrix::new(p, s.key_rows).t(), dy);
            multiply_seen(&blocks, (dp, s.key_rows), dy, v.t());
        }
        cpu::vectorised!({
            if let Some(mask) = &self.dropout {
                mask.apply(s.mask_start, &mut ds);
            }
            for (ds, p) in
                ds.chunks_exact_mut(s.key_rows).zip(probabilities.chunks_exact(s.key_rows))
            {
                let mean = cpu::sum(ds.len(), |i| ds[i] * p[i]);
                ds.iter_mut().zip(p).for_each(|(ds, p)| *ds = p * (*ds - mean) * scale);
            }
        });
        for (head, ds) in ds.chunks_exact(group * size).enumerate() {
            let part = all.of_head(head, group);
            if let (Some(biases), Some(of_biases)) = (&terms.bias, &mut of_terms.biases) {
                biases.backward(head, scale, ds, of_biases);
            }
            if let Some(tables) = &terms.relative {
                let matrix = Matrix::new(ds, s.key_rows);
                let mut dq = vec![0.0; s.query_rows * width];
                let mut dk = vec![0.0; s.key_rows * width];
                multiply(MatrixMut::new(&mut dq, width), matrix, part.k);
                multiply(MatrixMut::new(&mut dk, width), matrix.t(), part.q);
                tables.backward_terms(head, &part, ds, (&mut dq, &mut dk), &mut of_terms.vectors);
                of_q.of_head(head, to).copy_rows(&dq);
                of_k.of_head(head, to).copy_rows(&dk);
                continue;
            }
            for (number, ds) in ds.chunks_exact(size).enumerate() {
                for (queries, keys) in &blocks {
                    let to = of_q.of_head(head * group + number, to);
                    multiply_seen_by((queries, *keys), to, Matrix::new(ds, s.key_rows), part.k);
                }
            }
            let q = Heads::of(part.q, width);
            multiply(of_k.of_head(head, to), Matrix::new(ds, s.key_rows).t(), q.matrix());
        }
    }
}

/// `to = a b`, (queries, width) by (width, keys), for each of several heads whose queries stand below
/// each other in `a`; only as far as the queries see keys, and `to` stays as it is beyond.
fn multiply_seen(
    blocks: &[(Range<usize>, usize)],
    (to, keys): (&mut [f32], usize),
    a: Matrix,
    b: Matrix,
) {
    let [_, .., (last, _)] = blocks else { return multiply(MatrixMut::new(to, keys), a, b) };
    let b = Packed::new(b);
    for first in (0..a.row_count()).step_by(last.end) {
        for (queries, keys_seen) in blocks {
            let (first, count) = (first + queries.start, queries.len());
            let to = MatrixMut::new(to, keys).rows(first, count).columns(0, *keys_seen);
            multiply_packed(to, a.rows(first, count), &b);
        }
    }
}

/// The rows of `to = a b`, (queries, keys) by (keys, width), of some queries that see only the first
/// `keys`.
fn multiply_seen_by((queries, keys): (&Range<usize>, usize), to: MatrixMut, a: Matrix, b: Matrix) {
    let (first, count) = (queries.start, queries.len());
    multiply(to.rows(first, count), a.rows(first, count).columns(0, keys), b.rows(0, keys));
}

/// Where the gradient of the queries, keys or values goes.
#[derive(Clone, Copy)]
struct GradientColumns {
    /// To which input's gradient.
    input: usize,
    /// How wide that is.
    stride: usize,
    /// From which column on.
    column: usize,
    /// How wide a head is.
    width: usize,
}

impl GradientColumns {
    fn of_head<'a>(self, head: usize, to: &'a mut [&mut [f32]]) -> MatrixMut<'a> {
        MatrixMut::new(to[self.input], self.stride)
            .columns(self.column + head * self.width, self.width)
    }
}

/// Softmax of one row of scores, which are first multiplied by `scale`, where it stands.
#[inline(always)]
pub(super) fn softmax_row(scores: &mut [f32], scale: f32) {
    let largest = cpu::largest(scores);
    for score in scores.iter_mut() {
        *score = exp((*score - largest) * scale);
    }
    let normalise = 1.0 / cpu::sum(scores.len(), |i| scores[i]);
    for score in scores.iter_mut() {
        *score *= normalise;
    }
}
