//! Attention that also looks at how far apart a query and a key are (He et al., *DeBERTa*, ICLR
//! 2021, Equation 4).
//!
//! Beside `q · k` a score has up to two more terms: the query times a vector for the distance
//! ("content to position"), and the key times another one ("position to content"). Distances share
//! vectors in buckets.

use candle_core::{Result, Tensor};

use super::Sequence;
use super::projections::Projections;
use super::terms::Distances;
use crate::nn::cpu::{Matrix, MatrixMut, multiply};

/// Which terms a score has beside `q · k`; their vectors are further inputs, in this order, (rows,
/// hidden) each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relative {
    /// How distances share vectors.
    pub buckets: Buckets,
    /// The first of those rows that the inputs hold.
    pub first_row: usize,
    /// How many rows they hold.
    pub rows: usize,
    /// Whether the query meets a vector for the distance.
    pub content_to_position: bool,
    /// Whether the key does.
    pub position_to_content: bool,
}

/// How distances share the rows of a table of `2 span` vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets {
    /// Half the number of rows.
    pub span: usize,
    /// If distances beyond half the span share rows, the more the farther: the distance at which
    /// the rows end.
    pub logarithmic: Option<usize>,
}

impl Buckets {
    /// The row for a key that stands `distance` places before its query, as transformers'
    /// `make_log_bucket_position`.
    pub fn row(&self, distance: i64) -> usize {
        let (span, size) = (self.span as i64, distance.abs());
        let middle = span / 2;
        let bucket = match self.logarithmic {
            Some(most) if size > middle => {
                let share = |x: f32| (x / middle as f32).ln();
                let place = share(size as f32) / share(most as f32 - 1.0) * (middle as f32 - 1.0);
                (place.ceil() as i64 + middle) * distance.signum()
            }
            _ => distance,
        };
        (bucket + span).clamp(0, 2 * span - 1) as usize
    }
}

impl Relative {
    /// The same with only the rows that sequences of at most `length` tokens use.
    pub fn for_length(self, length: usize) -> Self {
        let farthest = length.saturating_sub(1) as i64;
        let first_row = self.buckets.row(-farthest);
        Self { first_row, rows: self.buckets.row(farthest) + 1 - first_row, ..self }
    }

    /// The row of the inputs for a query and a key.
    fn row(&self, query: usize, key: usize) -> usize {
        self.buckets.row(query as i64 - key as i64).saturating_sub(self.first_row)
    }

    /// How many terms a score has.
    pub(super) fn terms(&self) -> usize {
        1 + self.inputs()
    }

    /// How many tables of vectors are needed.
    pub(super) fn inputs(&self) -> usize {
        usize::from(self.content_to_position) + usize::from(self.position_to_content)
    }

    /// The further terms of one sequence, (heads, queries, keys), from candle's own operations.
    pub(super) fn reference(
        &self,
        s: &Sequence,
        q: &Tensor,
        k: &Tensor,
        tables: &[Tensor],
    ) -> Result<Tensor> {
        let (heads, width) = (q.dim(0)?, q.dim(2)?);
        let distances = Distances::of_sequence(s, |query, key| self.row(query, key));
        let index = distances.index(q.device())?; // (queries, keys)
        let of_all_heads = |index: &Tensor| index.broadcast_left(heads)?.contiguous();
        let of_heads =
            |table: &Tensor| table.reshape(((), heads, width))?.permute((1, 2, 0))?.contiguous();
        let mut tables = tables.iter();
        let mut terms = Vec::new();
        if let Some(table) = if self.content_to_position { tables.next() } else { None } {
            let all = q.matmul(&of_heads(table)?)?; // (heads, queries, rows)
            terms.push(all.gather(&of_all_heads(&index)?, 2)?);
        }
        if let Some(table) = if self.position_to_content { tables.next() } else { None } {
            let all = k.matmul(&of_heads(table)?)?; // (heads, keys, rows)
            terms.push(all.gather(&of_all_heads(&index.t()?)?, 2)?.transpose(1, 2)?);
        }
        let Some(first) = terms.pop() else {
            candle_core::bail!("relative attention without a table")
        };
        terms.into_iter().try_fold(first, |sum, term| sum + term)
    }
}

/// The tables of vectors for one sequence: only the rows that its distances use.
pub(super) struct Tables<'a> {
    /// The first of those rows in the whole table.
    first: usize,
    /// How many they are.
    count: usize,
    /// Which of the whole table's rows they are.
    distances: Distances,
    /// What queries meet.
    content_to_position: Option<Matrix<'a>>,
    /// What keys meet.
    position_to_content: Option<Matrix<'a>>,
}

impl<'a> Tables<'a> {
    /// The part that sequence `s` needs of `tables`, which are as [`Relative`] says.
    pub(super) fn of_sequence(relative: &Relative, s: &Sequence, tables: &[Matrix<'a>]) -> Self {
        let distances = Distances::of_sequence(s, |query, key| relative.row(query, key));
        // The farther behind its query a key stands, the earlier its row.
        let first = distances.rows().last().copied().unwrap_or(0);
        let count = distances.rows().first().map_or(0, |last| last + 1 - first);
        let mut parts = tables.iter().map(|table| table.rows(first, count));
        Self {
            first,
            count,
            distances,
            content_to_position: if relative.content_to_position { parts.next() } else { None },
            position_to_content: if relative.position_to_content { parts.next() } else { None },
        }
    }

    fn of_head(table: Option<Matrix<'a>>, head: usize, width: usize) -> Option<Matrix<'a>> {
        table.map(|table| table.columns(head * width, width))
    }

    /// The first of the whole table's rows that the distances use.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// The rows for query `i` and all keys, counted from the first.
    fn rows_of(&self, query: usize) -> impl Iterator<Item = usize> + '_ {
        self.distances.rows()[self.distances.of_query(query)].iter().map(|row| row - self.first)
    }

    /// Adds the further terms to one head's scores, (queries, keys).
    pub(super) fn add_terms(&self, head: usize, part: &Projections, scores: &mut [f32]) {
        let keys = self.distances.keys();
        if let Some(table) = Self::of_head(self.content_to_position, head, part.width) {
            let met = self.products(part.q, table);
            for (i, (scores, met)) in
                scores.chunks_exact_mut(keys).zip(met.chunks(self.count)).enumerate()
            {
                scores.iter_mut().zip(self.rows_of(i)).for_each(|(score, row)| *score += met[row]);
            }
        }
        if let Some(table) = Self::of_head(self.position_to_content, head, part.width) {
            let met = self.products(part.k, table);
            for (i, scores) in scores.chunks_exact_mut(keys).enumerate() {
                let met = met.chunks(self.count).zip(self.rows_of(i)).map(|(met, row)| met[row]);
                scores.iter_mut().zip(met).for_each(|(score, met)| *score += met);
            }
        }
    }

    /// Each row of `x` times each row of the table: (rows, count).
    fn products(&self, x: Matrix, table: Matrix) -> Vec<f32> {
        let mut met = vec![0.0; x.row_count() * self.count];
        multiply(MatrixMut::new(&mut met, self.count), x, table.t());
        met
    }

    /// From the gradient of one head's scores: adds those of its queries and keys to `dq` and `dk`,
    /// which are (rows, head width), and writes those of its columns of the tables to `tables`,
    /// (count, hidden) each.
    pub(super) fn backward_terms(
        &self,
        head: usize,
        part: &Projections,
        ds: &[f32],
        (dq, dk): (&mut [f32], &mut [f32]),
        tables: &mut [Vec<f32>],
    ) {
        let (width, keys) = (part.width, self.distances.keys());
        let mut tables = tables.iter_mut();
        let mut backward_term = |table: Matrix, x: Matrix, met: &[f32], dx: &mut [f32]| {
            let met = Matrix::new(met, self.count);
            let mut more = vec![0.0; dx.len()];
            multiply(MatrixMut::new(&mut more, width), met, table);
            dx.iter_mut().zip(more).for_each(|(dx, more)| *dx += more);
            if let Some(to) = tables.next() {
                let hidden = to.len() / self.count;
                multiply(MatrixMut::new(to, hidden).columns(head * width, width), met.t(), x);
            }
        };
        if let Some(table) = Self::of_head(self.content_to_position, head, width) {
            let mut met = vec![0.0; dq.len() / width * self.count];
            for (i, (ds, met)) in ds.chunks_exact(keys).zip(met.chunks_mut(self.count)).enumerate()
            {
                ds.iter().zip(self.rows_of(i)).for_each(|(ds, row)| met[row] += ds);
            }
            backward_term(table, part.q, &met, dq);
        }
        if let Some(table) = Self::of_head(self.position_to_content, head, width) {
            let mut met = vec![0.0; keys * self.count];
            for (i, ds) in ds.chunks_exact(keys).enumerate() {
                let places = met.chunks_mut(self.count).zip(self.rows_of(i));
                ds.iter().zip(places).for_each(|(ds, (met, row))| met[row] += ds);
            }
            backward_term(table, part.k, &met, dk);
        }
    }

    /// Fresh gradients of the tables' rows, (count, hidden) each.
    pub(super) fn gradients(&self, hidden: usize) -> Vec<Vec<f32>> {
        let tables = [self.content_to_position, self.position_to_content];
        tables.iter().flatten().map(|_| vec![0.0; self.count * hidden]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_distances_have_their_own_rows_and_far_ones_share() {
        let buckets = Buckets { span: 16, logarithmic: Some(64) };
        assert_eq!([0, 1, -1, 8, -8].map(|distance| buckets.row(distance)), [16, 17, 15, 24, 8]);
        assert_eq!(buckets.row(1000), 31);
        assert_eq!(buckets.row(-1000), 0);
        assert!((0..200).all(|distance| buckets.row(distance) <= buckets.row(distance + 1)));
        let plain = Buckets { span: 4, logarithmic: None };
        assert_eq!([-9, -4, 3, 4].map(|distance| plain.row(distance)), [0, 0, 7, 7]);
    }
}
