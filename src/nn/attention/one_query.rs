//! Attention of one query to keys and values that are saved: what each token costs that is generated.

use super::projections::{Heads, Projections};
use super::{Attention, Mask, Sequence};
use crate::nn::cpu::{self, Matrix, MatrixMut, add_weighted, multiply_few};
use crate::nn::math::exp;

/// Keys that are looked at before their values are.
const BLOCK: usize = 16;

impl Attention {
    /// Whether a sequence goes on by one query, which sees all keys that are saved and nothing else.
    pub(super) fn goes_on_by_one(&self, s: &Sequence) -> bool {
        let sees_all = matches!(self.mask, Mask::All | Mask::Causal);
        let is_plain = sees_all && !self.is_distance_aware() && self.dropout.is_none();
        s.query_rows == 1 && self.filled.is_some() && is_plain
    }

    /// Writes the context of the query, zeros so far, while its keys and values, which stand side by
    /// side in `saved`, are read once from memory: softmax is mended as larger scores are found
    /// (Milakov and Gimelshein, *Online normalizer calculation for softmax*, 2018).
    pub(super) fn forward_one_query(&self, all: &Projections, saved: Matrix, context: &mut [f32]) {
        let (width, group) = (all.width, self.group());
        let scale = self.scale(width);
        let q = Heads::of(all.q, width);
        let mut scores = vec![0.0; self.heads * BLOCK];
        let mut softmax = vec![(f32::NEG_INFINITY, 0.0f32); self.heads];
        let keys = all.k.row_count();
        for first in (0..keys).step_by(BLOCK) {
            let count = BLOCK.min(keys - first);
            saved.rows(first, count).read_through();
            let scores = &mut scores[..self.heads * count];
            for (head, scores) in scores.chunks_exact_mut(group * count).enumerate() {
                let k = all.of_head(head, group).k.rows(first, count);
                let q = q.matrix().rows(head * group, group);
                multiply_few(MatrixMut::new(scores, count), q, k.t());
            }
            cpu::vectorised!({
                let heads = scores.chunks_exact_mut(count).zip(context.chunks_exact_mut(width));
                for ((largest, sum), (scores, context)) in softmax.iter_mut().zip(heads) {
                    let before = std::mem::replace(largest, largest.max(cpu::largest(scores)));
                    let share = exp((before - *largest) * scale);
                    for score in scores.iter_mut() {
                        *score = exp((*score - *largest) * scale);
                    }
                    *sum = share * *sum + cpu::sum(count, |i| scores[i]);
                    for number in context {
                        *number *= share;
                    }
                }
            });
            let heads = scores.chunks_exact(group * count);
            for (head, (p, context)) in
                heads.zip(context.chunks_exact_mut(group * width)).enumerate()
            {
                let v = all.of_head(head, group).v.rows(first, count);
                add_weighted(MatrixMut::new(context, width), Matrix::new(p, count), v);
            }
        }
        cpu::vectorised!({
            for ((_, sum), context) in softmax.iter().zip(context.chunks_exact_mut(width)) {
                let normalise = 1.0 / sum;
                for number in context {
                    *number *= normalise;
                }
            }
        });
    }
}
