//! Attention for f32 in CPU memory: a task for each sequence.

use candle_core::Result;
use rayon::prelude::*;

use super::projections::{Heads, Projections};
use super::terms::{TermGradients, Terms};
use super::{Attention, Sequence, Widths};
use crate::nn::cpu::{self, Matrix, MatrixMut, UninitBuffer, UninitSlice, multiply, multiply_few};
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
                if s.query_rows > 0 {
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
        let (width, group) = (all.width, self.group());
        let size = s.query_rows * s.key_rows;
        let scale = self.scale(width);
        let mut probabilities = vec![0.0; self.probabilities(s)];
        for (head, scores) in probabilities.chunks_exact_mut(group * size).enumerate() {
            let part = all.of_head(head, group);
            let q = Heads::of(part.q, width);
            let to = MatrixMut::new(scores, s.key_rows);
            match s.query_rows {
                // A text that goes on, for whose one query the keys are not worth packing.
                1 if self.filled.is_some() => multiply_few(to, q.matrix(), part.k.t()),
                _ => multiply(to, q.matrix(), part.k.t()),
            }
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
                saved.copy_from_slice(&probabilities);
            }
            if let Some(mask) = &self.dropout {
                mask.apply(s.mask_start, &mut probabilities);
            }
        });
        if s.query_rows == 1 {
            // Its heads lie below each other, and those that share values are multiplied at once.
            let groups = probabilities.chunks_exact(group * size);
            for (head, (p, context)) in
                groups.zip(context.chunks_exact_mut(group * width)).enumerate()
            {
                let v = all.of_head(head, group).v;
                multiply(MatrixMut::new(context, width), Matrix::new(p, s.key_rows), v);
            }
            return;
        }
        for (head, probabilities) in probabilities.chunks_exact(size).enumerate() {
            let to = MatrixMut::new(context, self.heads * width).columns(head * width, width);
            let v = all.of_head(head / group, group).v;
            multiply(to, Matrix::new(probabilities, s.key_rows), v);
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
            multiply(MatrixMut::new(dp, s.key_rows), dy, v.t());
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
                let to = of_q.of_head(head * group + number, to);
                multiply(to, Matrix::new(ds, s.key_rows), part.k);
            }
            let q = Heads::of(part.q, width);
            multiply(of_k.of_head(head, to), Matrix::new(ds, s.key_rows).t(), q.matrix());
        }
    }
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
