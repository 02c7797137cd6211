//! Queries, keys and values in the inputs of attention.

use super::{Sequence, Widths};
use crate::nn::cpu::Matrix;
use crate::nn::tape::TensorView;

/// Queries, and keys and values, of the same or fewer heads.
#[derive(Clone, Copy)]
pub(super) struct Projections<'a> {
    pub(super) q: Matrix<'a>,
    pub(super) k: Matrix<'a>,
    pub(super) v: Matrix<'a>,
    /// The width of a head.
    pub(super) width: usize,
}

impl<'a> Projections<'a> {
    /// Those in the inputs of [`super::Attention`].
    pub(super) fn of(inputs: &[TensorView<'a>], widths: Widths) -> Self {
        let (q, kv) = (inputs[0], inputs[inputs.len() - 1]);
        let keys = kv.width() - 2 * widths.keys;
        let (q, kv) = (Matrix::new(q.data, q.width()), Matrix::new(kv.data, kv.width()));
        Self {
            q: q.columns(0, widths.queries),
            k: kv.columns(keys, widths.keys),
            v: kv.columns(keys + widths.keys, widths.keys),
            width: widths.head,
        }
    }

    /// The part of one sequence.
    pub(super) fn of_sequence(&self, s: &Sequence) -> Self {
        Self {
            q: self.q.rows(s.first_query, s.query_rows),
            k: self.k.rows(s.first_key, s.key_rows),
            v: self.v.rows(s.first_key, s.key_rows),
            ..*self
        }
    }

    /// The part of one head of keys and values, and of the `group` heads of queries that it serves.
    pub(super) fn of_head(&self, head: usize, group: usize) -> Self {
        let columns =
            |x: Matrix<'a>, heads: usize| x.columns(head * heads * self.width, heads * self.width);
        let (q, k, v) = (columns(self.q, group), columns(self.k, 1), columns(self.v, 1));
        Self { q, k, v, width: self.width }
    }
}

/// The heads of some rows below each other, (heads * rows, width), where they stand side by side.
pub(super) struct Heads<'a> {
    side_by_side: Matrix<'a>,
    below: Vec<f32>,
    width: usize,
}

impl<'a> Heads<'a> {
    /// Brings together heads of this width.
    pub(super) fn of(side_by_side: Matrix<'a>, width: usize) -> Self {
        let heads = side_by_side.column_count() / width;
        let below = if heads == 1 { Vec::new() } else { side_by_side.blocks_below(width) };
        Self { side_by_side, below, width }
    }

    /// All heads.
    pub(super) fn matrix(&self) -> Matrix<'_> {
        if self.below.is_empty() { self.side_by_side } else { Matrix::new(&self.below, self.width) }
    }
}
