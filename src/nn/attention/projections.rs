//! Queries, keys and values in the inputs of attention.

use super::Sequence;
use crate::nn::cpu::Matrix;
use crate::nn::tape::TensorView;

/// Queries, keys and values, (rows, hidden) each.
#[derive(Clone, Copy)]
pub(super) struct Projections<'a> {
    pub(super) q: Matrix<'a>,
    pub(super) k: Matrix<'a>,
    pub(super) v: Matrix<'a>,
    pub(super) hidden: usize,
}

impl<'a> Projections<'a> {
    /// Those in the inputs of [`super::Attention`].
    pub(super) fn of(inputs: &[TensorView<'a>]) -> Self {
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
    pub(super) fn of_sequence(&self, s: &Sequence) -> Self {
        Self {
            q: self.q.rows(s.first_query, s.query_rows),
            k: self.k.rows(s.first_key, s.key_rows),
            v: self.v.rows(s.first_key, s.key_rows),
            ..*self
        }
    }

    /// The part of one head, which is `width` columns wide.
    pub(super) fn of_head(&self, head: usize, width: usize) -> Self {
        let columns = |x: Matrix<'a>| x.columns(head * width, width);
        Self { q: columns(self.q), k: columns(self.k), v: columns(self.v), hidden: width }
    }
}
