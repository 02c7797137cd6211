//! Attention of sequences that go on from others: several continuations of one text, which is read
//! once.

use std::sync::Arc;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::{Attention, Mask, Offsets};
use crate::nn::cpu::{Matrix, UninitBuffer};
use crate::nn::gradients::Gradient;
use crate::nn::tape::{CpuOp, CpuOutput, Op, TensorView};

/// Causal attention in which a sequence may go on from the first rows of another one, whose keys
/// and values it sees before its own.
///
/// The input is queries, keys and values side by side, (rows, queries + 2 keys); the result is
/// (rows, queries). On a GPU it runs on candle's operations.
#[derive(Debug)]
pub struct BranchedAttention {
    heads: usize,
    key_value_heads: usize,
    rows: Offsets,
    prefixes: Arc<[Option<Rows>]>,
}

/// Some rows behind each other: the first, and how many.
type Rows = (usize, usize);

impl BranchedAttention {
    /// The attention of `own` sequences, each of which goes on from the rows `prefixes` has for it.
    ///
    /// # Errors
    /// If it drops probabilities or looks ahead, or the rows are not those of a sequence that goes
    /// on from nothing.
    pub fn new(own: &Attention, prefixes: Arc<[Option<Rows>]>) -> Result<Self> {
        if own.dropout.is_some() || own.mask != Mask::Causal || own.is_distance_aware() {
            candle_core::bail!("sequences that go on from others need plain causal attention");
        }
        let is_in = |(first, count): Rows| match own.queries.binary_search(&first) {
            Ok(sequence) if sequence < prefixes.len() => {
                prefixes[sequence].is_none() && first + count <= own.queries[sequence + 1]
            }
            _ => false,
        };
        let fit = prefixes.iter().flatten().all(|rows| is_in(*rows));
        if prefixes.len() + 1 != own.queries.len() || !fit {
            candle_core::bail!("what sequences go on from is no beginning of another sequence");
        }
        let Attention { heads, key_value_heads, .. } = *own;
        Ok(Self { heads, key_value_heads, rows: own.queries.clone(), prefixes })
    }

    /// The sequences: their own rows, and those before.
    fn sequences(&self) -> impl Iterator<Item = Branch> + '_ {
        self.rows.windows(2).zip(self.prefixes.iter()).map(|(bounds, before)| Branch {
            own: (bounds[0], bounds[1] - bounds[0]),
            before: before.unwrap_or((0, 0)),
        })
    }

    /// The attention of one sequence alone.
    fn of(&self, branch: &Branch) -> Attention {
        let (queries, keys) = (branch.own.1, branch.keys());
        Attention {
            key_value_heads: self.key_value_heads,
            mask: Mask::Causal,
            ..Attention::new(self.heads, [0, queries].into(), [0, keys].into())
        }
    }

    /// The width of all queries of a row, and of its keys and values.
    fn widths(&self, width: usize) -> Result<[usize; 2]> {
        let all = self.heads + 2 * self.key_value_heads;
        if all == 0 || !width.is_multiple_of(all) {
            candle_core::bail!("{width} columns are no {all} heads");
        }
        Ok([self.heads * (width / all), 2 * self.key_value_heads * (width / all)])
    }

    fn check(&self, dims: &[usize]) -> Result<[usize; 2]> {
        match dims {
            [rows, width] if self.rows.last() == Some(rows) => self.widths(*width),
            _ => candle_core::bail!("{dims:?} is not as many rows as the sequences have"),
        }
    }

    fn probabilities(&self, branch: &Branch) -> usize {
        self.heads * branch.own.1 * branch.keys()
    }
}

/// A sequence.
#[derive(Debug, Clone, Copy)]
struct Branch {
    own: Rows,
    before: Rows,
}

impl Branch {
    fn keys(&self) -> usize {
        self.before.1 + self.own.1
    }

    /// Its queries, and the keys and values that it sees, each behind each other.
    fn inputs(&self, all: Matrix, [queries, keys]: [usize; 2]) -> [Vec<f32>; 2] {
        let copy = |(first, count): Rows, column, width| {
            all.rows(first, count).columns(column, width).blocks_below(width)
        };
        let kv = [copy(self.before, queries, keys), copy(self.own, queries, keys)].concat();
        [copy(self.own, 0, queries), kv]
    }
}

/// The input of one sequence alone, from its queries and its keys and values.
fn with_views<T>(
    [q, kv]: &[Vec<f32>; 2],
    [queries, keys]: [usize; 2],
    then: impl FnOnce(&[TensorView<'_>]) -> T,
) -> T {
    let (q_dims, kv_dims) = ([q.len() / queries, queries], [kv.len() / keys, keys]);
    then(&[TensorView { data: q, dims: &q_dims }, TensorView { data: kv, dims: &kv_dims }])
}

impl Op for BranchedAttention {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let [qkv] = inputs else { candle_core::bail!("one tensor is needed") };
        let [queries, keys] = self.check(qkv.dims())?;
        let (q, kv) = (qkv.narrow(1, 0, queries)?, qkv.narrow(1, queries, keys)?);
        let of_branch = |branch: Branch| {
            let rows = |x: &Tensor, (first, count): Rows| x.narrow(0, first, count);
            let seen = match branch.before.1 {
                0 => rows(&kv, branch.own)?,
                _ => Tensor::cat(&[rows(&kv, branch.before)?, rows(&kv, branch.own)?], 0)?,
            };
            self.of(&branch).reference(&[rows(&q, branch.own)?.contiguous()?, seen.contiguous()?])
        };
        let filled = self.sequences().filter(|branch| branch.own.1 > 0);
        Tensor::cat(&filled.map(of_branch).collect::<Result<Vec<_>>>()?, 0)
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }
}

impl CpuOp for BranchedAttention {
    fn forward(&self, inputs: &[TensorView<'_>], save: bool) -> Result<CpuOutput> {
        let [qkv] = inputs else { candle_core::bail!("one tensor is needed") };
        let widths @ [queries, _] = self.check(qkv.dims)?;
        let all = Matrix::new(qkv.data, qkv.width());
        let branches: Vec<Branch> = self.sequences().collect();
        let saved_size = |branch: &Branch| if save { self.probabilities(branch) } else { 0 };
        let mut context = UninitBuffer::new(qkv.rows() * queries);
        let mut saved = UninitBuffer::new(branches.iter().map(saved_size).sum());
        let contexts = context.pieces(branches.iter().map(|branch| branch.own.1 * queries));
        let saved_pieces = saved.pieces(branches.iter().map(saved_size));
        let work = contexts.into_par_iter().zip(saved_pieces).zip(&branches);
        work.try_for_each(|((context, saved), branch)| {
            let own = branch.inputs(all, widths);
            let found = with_views(&own, widths, |own| self.of(branch).forward(own, save))?;
            context.zeroed().copy_from_slice(&found.data);
            saved.zeroed().copy_from_slice(&found.saved);
            Result::Ok(())
        })?;
        Ok(CpuOutput {
            data: context.finish(),
            shape: (qkv.rows(), queries).into(),
            saved: saved.finish(),
        })
    }

    fn backward(
        &self,
        inputs: &[TensorView<'_>],
        saved: &[f32],
        gradient: &[f32],
        needed: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let [qkv] = inputs else { candle_core::bail!("one tensor is needed") };
        let widths @ [queries, keys] = self.check(qkv.dims)?;
        let all = Matrix::new(qkv.data, qkv.width());
        let starts = self.sequences().scan(0, |start, branch| {
            let own = *start;
            *start += self.probabilities(&branch);
            Some((branch, own))
        });
        let branches: Vec<(Branch, usize)> = starts.collect();
        let gradients = branches.par_iter().map(|(branch, start)| {
            let own = branch.inputs(all, widths);
            let saved = &saved[*start..][..self.probabilities(branch)];
            let dy = &gradient[branch.own.0 * queries..][..branch.own.1 * queries];
            with_views(&own, widths, |own| self.of(branch).backward(own, saved, dy, needed))
        });
        let mut dqkv = vec![0.0; qkv.data.len()];
        // One sequence after the other, so that sums are always made in the same order.
        for (found, (branch, _)) in gradients.collect::<Vec<_>>().into_iter().zip(&branches) {
            let found = found?;
            let [Some(Gradient::Dense(dq)), Some(Gradient::Dense(dkv))] = &found[..] else {
                candle_core::bail!("attention has no gradients of its inputs");
            };
            let (of_before, of_own) = dkv.split_at(branch.before.1 * keys);
            let width = qkv.width();
            let mut add = |first: usize, column: usize, width_of: usize, numbers: &[f32]| {
                for (row, numbers) in (first..).zip(numbers.chunks_exact(width_of)) {
                    let sums = &mut dqkv[row * width + column..][..width_of];
                    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
                }
            };
            add(branch.own.0, 0, queries, dq);
            add(branch.own.0, queries, keys, of_own);
            add(branch.before.0, queries, keys, of_before);
        }
        Ok(vec![Some(Gradient::Dense(dqkv))])
    }
}
