//! Attention whose scores have a learned bias for how far apart a query and a key are (Raffel et
//! al., *T5*, JMLR 2020; Song et al., *MPNet*, NeurIPS 2020).

use candle_core::{Result, Tensor};

use super::Sequence;
use super::terms::Distances;
use crate::nn::cpu::{self, Matrix};

/// How scores are biased: after their scaling each has a number added that depends on its head and
/// on the distance. The numbers are a further input, (buckets, heads); distances share rows in
/// buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DistanceBias {
    /// The number of rows, at least 4: one half of them for keys up to their query, the other for
    /// keys behind it.
    pub buckets: usize,
    /// The distance from which on all share the last row of their half.
    pub max_distance: usize,
}

impl DistanceBias {
    /// The row for a query and a key at these places, as transformers' `relative_position_bucket`:
    /// near distances have rows of their own, farther ones share them, the more the farther.
    pub fn row(&self, query: usize, key: usize) -> usize {
        let half = self.buckets / 2;
        let (near, distance) = (half / 2, query.abs_diff(key));
        let row = match distance < near {
            true => distance,
            false => {
                let share = (distance as f32 / near as f32).ln();
                let whole = (self.max_distance as f64 / near as f64).ln() as f32;
                let farther = share / whole * (half - near) as f32;
                (near + farther as usize).min(half - 1)
            }
        };
        if key > query { half + row } else { row }
    }

    /// Whether a table of this shape has its rows, for so many heads.
    pub(super) fn fits(&self, table: &[usize], heads: usize) -> bool {
        let near = self.buckets / 4;
        near > 0 && self.max_distance > near && *table == [self.buckets, heads]
    }

    /// The biases of one sequence, (heads, queries, keys), from candle's own operations.
    pub(super) fn reference(&self, s: &Sequence, table: &Tensor) -> Result<Tensor> {
        let distances = Distances::of_sequence(s, |query, key| self.row(query, key));
        let rows = distances.index(table.device())?.flatten_all()?;
        let biases = table.index_select(&rows, 0)?; // (queries keys, heads)
        biases.t()?.contiguous()?.reshape((table.dim(1)?, s.query_rows, s.key_rows))
    }
}

/// The biases of one sequence.
pub(super) struct Biases<'a> {
    table: Matrix<'a>,
    distances: Distances,
}

impl<'a> Biases<'a> {
    /// Those of sequence `s`, from the table.
    pub(super) fn of_sequence(bias: DistanceBias, s: &Sequence, table: Matrix<'a>) -> Self {
        Self { table, distances: Distances::of_sequence(s, |query, key| bias.row(query, key)) }
    }

    /// Adds them to one head's scores, (queries, keys), which are to be multiplied by `scale`.
    pub(super) fn add(&self, head: usize, scale: f32, scores: &mut [f32]) {
        let of_head = self.table.columns(head, 1).blocks_below(1);
        let biases: Vec<f32> =
            self.distances.rows().iter().map(|&row| of_head[row] / scale).collect();
        cpu::vectorised!({
            for (query, scores) in scores.chunks_exact_mut(self.distances.keys()).enumerate() {
                let biases = &biases[self.distances.of_query(query)];
                scores.iter_mut().zip(biases).for_each(|(score, bias)| *score += bias);
            }
        });
    }

    /// A fresh gradient of the table: (buckets, heads).
    pub(super) fn gradient(&self) -> Vec<f32> {
        vec![0.0; self.table.row_count() * self.table.column_count()]
    }

    /// From the gradient of one head's scores before their multiplication by `scale`: adds that of
    /// its column of the table to `to`, (buckets, heads).
    pub(super) fn backward(&self, head: usize, scale: f32, ds: &[f32], to: &mut [f32]) {
        let mut sums = vec![0.0; self.distances.rows().len()];
        cpu::vectorised!({
            for (query, ds) in ds.chunks_exact(self.distances.keys()).enumerate() {
                let sums = &mut sums[self.distances.of_query(query)];
                sums.iter_mut().zip(ds).for_each(|(sum, ds)| *sum += ds);
            }
        });
        let heads = self.table.column_count();
        for (sum, row) in sums.iter().zip(self.distances.rows()) {
            to[row * heads + head] += sum / scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_transformers() {
        let bias = DistanceBias { buckets: 32, max_distance: 128 };
        // Where `MPNetEncoder.relative_position_bucket` begins a bucket.
        let begins = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91, 600];
        for (bucket, bounds) in begins.windows(2).enumerate() {
            for distance in bounds[0]..bounds[1] {
                assert_eq!(bias.row(600, 600 - distance), bucket, "{distance} before");
                let behind = if distance == 0 { 0 } else { 16 + bucket };
                assert_eq!(bias.row(0, distance), behind, "{distance} behind");
            }
        }
    }
}
