//! Additive attention (Bahdanau et al., *Neural machine translation by jointly learning to align
//! and translate*, ICLR 2015).

use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use super::kernel::softmax_row;
use super::{Offsets, softmax};
use crate::nn::cpu::{self, Matrix, MatrixMut, UninitBuffer, UninitSlice, multiply};
use crate::nn::gradients::Gradient;
use crate::nn::math::tanh;
use crate::nn::tape::{CpuOp, CpuOutput, Op, TensorView};

/// `Σ softmax(e) value` for each query, where the sum goes over the keys of its sequence and
/// `e = score · tanh(query + key)`.
///
/// The inputs are queries, (query rows, width), keys, (key rows, width), the vector `score`, (1,
/// width), and a value for each key, (key rows, value width); the result is (query rows, value
/// width). It has no GPU form of its own: there it runs on candle's operations.
#[derive(Debug)]
pub struct AdditiveAttention {
    /// The sequences among the query rows.
    pub queries: Offsets,
    /// The same sequences among the key rows.
    pub keys: Offsets,
}

/// One sequence's part of the rows, and where its probabilities (queries, keys) begin among all.
#[derive(Debug, Clone, Copy)]
struct Part {
    first_query: usize,
    query_rows: usize,
    first_key: usize,
    key_rows: usize,
    start: usize,
}

impl Part {
    fn probabilities(&self) -> usize {
        self.query_rows * self.key_rows
    }
}

impl AdditiveAttention {
    fn parts(&self) -> Vec<Part> {
        let mut start = 0;
        let bounds = self.queries.windows(2).zip(self.keys.windows(2));
        let part = bounds.map(|(queries, keys)| {
            let part = Part {
                first_query: queries[0],
                query_rows: queries[1] - queries[0],
                first_key: keys[0],
                key_rows: keys[1] - keys[0],
                start,
            };
            start += part.probabilities();
            part
        });
        part.collect()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<()> {
        let fits = |offsets: &Offsets, rows: usize| {
            offsets.first() == Some(&0) && offsets.last() == Some(&rows) && offsets.is_sorted()
        };
        match inputs {
            [[query_rows, width], [key_rows, same], score, [value_rows, value_width]]
                if width == same
                    && *score == [1, *width]
                    && key_rows == value_rows
                    && *width > 0
                    && *value_width > 0
                    && self.queries.len() == self.keys.len()
                    && fits(&self.queries, *query_rows)
                    && fits(&self.keys, *key_rows)
                    && self
                        .parts()
                        .iter()
                        .all(|part| part.query_rows == 0 || part.key_rows > 0) =>
            {
                Ok(())
            }
            _ => candle_core::bail!("inputs {inputs:?} do not fit the attention's sequences"),
        }
    }
}

impl Op for AdditiveAttention {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        self.check(&inputs.iter().map(Tensor::dims).collect::<Vec<_>>())?;
        let [queries, keys, score, values] = inputs else {
            candle_core::bail!("additive attention takes queries, keys, a score and values")
        };
        let parts = self.parts();
        let with_queries = parts.iter().filter(|part| part.query_rows > 0);
        let contexts = with_queries.map(|part| {
            let rows = |x: &Tensor| x.narrow(0, part.first_key, part.key_rows)?.contiguous();
            let queries = queries.narrow(0, part.first_query, part.query_rows)?.unsqueeze(1)?;
            // (queries, keys, width)
            let sums = queries.broadcast_add(&rows(keys)?.unsqueeze(0)?)?;
            let scores = sums.tanh()?.broadcast_mul(&score.unsqueeze(0)?)?.sum(D::Minus1)?;
            softmax(&scores)?.matmul(&rows(values)?)
        });
        Tensor::cat(&contexts.collect::<Result<Vec<_>>>()?, 0)
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }
}

impl CpuOp for AdditiveAttention {
    /// Saves the probabilities of each sequence, (queries, keys), behind each other.
    fn forward(&self, inputs: &[TensorView<'_>], save: bool) -> Result<CpuOutput> {
        self.check(&inputs.iter().map(|input| input.dims).collect::<Vec<_>>())?;
        let (rows, value_width) = (inputs[0].rows(), inputs[3].width());
        let parts = self.parts();
        let saved_size = |part: &Part| if save { part.probabilities() } else { 0 };
        let mut context = UninitBuffer::new(rows * value_width);
        let mut saved = UninitBuffer::new(parts.iter().map(saved_size).sum());
        let contexts = context.pieces(parts.iter().map(|part| part.query_rows * value_width));
        let saved_pieces = saved.pieces(parts.iter().map(saved_size));
        contexts.into_par_iter().zip(saved_pieces).zip(&parts).for_each(|((to, saved), part)| {
            let (to, saved) = (to.zeroed(), saved.zeroed());
            if part.query_rows > 0 {
                let mut probabilities = vec![0.0; part.probabilities()];
                cpu::vectorised!(part.score(inputs, &mut probabilities));
                let p = Matrix::new(&probabilities, part.key_rows);
                multiply(MatrixMut::new(to, value_width), p, part.values(inputs));
                saved.iter_mut().zip(probabilities).for_each(|(saved, p)| *saved = p);
            }
        });
        let shape = (rows, value_width).into();
        Ok(CpuOutput { data: context.finish(), shape, saved: saved.finish() })
    }

    fn backward(
        &self,
        inputs: &[TensorView<'_>],
        saved: &[f32],
        gradient: &[f32],
        _needed: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let (width, value_width) = (inputs[0].width(), inputs[3].width());
        let parts = self.parts();
        let [mut queries, mut keys, mut values] =
            [0, 1, 3].map(|number: usize| UninitBuffer::new(inputs[number].data.len()));
        let to_queries = queries.pieces(parts.iter().map(|part| part.query_rows * width));
        let to_keys = keys.pieces(parts.iter().map(|part| part.key_rows * width));
        let to_values = values.pieces(parts.iter().map(|part| part.key_rows * value_width));
        let pieces = to_queries.into_par_iter().zip(to_keys).zip(to_values).zip(&parts);
        let of_scores = pieces.map(|(((queries, keys), values), part)| {
            let [queries, keys, values] = [queries, keys, values].map(UninitSlice::zeroed);
            let mut of_score = vec![0.0; width];
            if part.query_rows > 0 {
                let p = &saved[part.start..][..part.probabilities()];
                let dy = Matrix::new(gradient, value_width);
                let dy = dy.rows(part.first_query, part.query_rows);
                let matrix = Matrix::new(p, part.key_rows);
                multiply(MatrixMut::new(values, value_width), matrix.t(), dy);
                let mut ds = vec![0.0; p.len()]; // (queries, keys)
                let to = MatrixMut::new(&mut ds, part.key_rows);
                multiply(to, dy, part.values(inputs).t());
                let to = [queries, keys, &mut of_score];
                cpu::vectorised!(part.backward(inputs, p, &mut ds, to));
            }
            of_score
        });
        let of_scores: Vec<Vec<f32>> = of_scores.collect();
        let mut score = vec![0.0; width];
        for part in of_scores {
            score.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        let found = [queries.finish(), keys.finish(), score, values.finish()];
        Ok(found.map(|gradient| Some(Gradient::Dense(gradient))).into())
    }
}

impl Part {
    fn values<'a>(&self, inputs: &[TensorView<'a>]) -> Matrix<'a> {
        Matrix::new(inputs[3].data, inputs[3].width()).rows(self.first_key, self.key_rows)
    }

    fn query<'a>(&self, inputs: &[TensorView<'a>], number: usize) -> &'a [f32] {
        let width = inputs[0].width();
        &inputs[0].data[(self.first_query + number) * width..][..width]
    }

    fn key<'a>(&self, inputs: &[TensorView<'a>], number: usize) -> &'a [f32] {
        let width = inputs[1].width();
        &inputs[1].data[(self.first_key + number) * width..][..width]
    }

    /// Writes the probabilities.
    #[inline(always)]
    fn score(&self, inputs: &[TensorView], probabilities: &mut [f32]) {
        let score = inputs[2].data;
        for (number, row) in probabilities.chunks_exact_mut(self.key_rows).enumerate() {
            let query = self.query(inputs, number);
            for (number, to) in row.iter_mut().enumerate() {
                let key = self.key(inputs, number);
                *to = cpu::sum(query.len(), |i| score[i] * tanh(query[i] + key[i]));
            }
            softmax_row(row, 1.0);
        }
    }

    /// Adds to the gradients of the queries, the keys and the score, from those of the
    /// probabilities `p`, which become those of what softmax was taken of.
    #[inline(always)]
    fn backward(
        &self,
        inputs: &[TensorView],
        p: &[f32],
        ds: &mut [f32],
        [queries, keys, of_score]: [&mut [f32]; 3],
    ) {
        let (score, width) = (inputs[2].data, inputs[2].data.len());
        let rows = ds.chunks_exact_mut(self.key_rows).zip(p.chunks_exact(self.key_rows));
        for ((number, (ds, p)), of_query) in rows.enumerate().zip(queries.chunks_exact_mut(width)) {
            let mean = cpu::sum(ds.len(), |i| ds[i] * p[i]);
            ds.iter_mut().zip(p).for_each(|(ds, p)| *ds = p * (*ds - mean));
            let query = &self.query(inputs, number)[..width];
            let of_score = &mut of_score[..width];
            for ((number, ds), of_key) in ds.iter().enumerate().zip(keys.chunks_exact_mut(width)) {
                let key = &self.key(inputs, number)[..width];
                for i in 0..width {
                    let y = tanh(query[i] + key[i]);
                    let of_sum = ds * score[i] * (-y).mul_add(y, 1.0);
                    of_score[i] = ds.mul_add(y, of_score[i]);
                    of_query[i] += of_sum;
                    of_key[i] += of_sum;
                }
            }
        }
    }
}
