//! The left-hand side of products, packed anew where its rows do not lie as the kernels read them.

use super::bf16;
use super::buffer::{Scratch, as_pairs};
use super::matrix::Matrix;
use super::pair_product::{DEPTH_STEP, ROW_STEP};
use super::vectorised;

/// The rows of `a` in bfloat16, without gaps, filled up with zeros as
/// [`super::pair_product::PairProduct`] takes them.
pub(super) fn paired_rows(a: Matrix) -> Scratch {
    let depth = a.columns.next_multiple_of(DEPTH_STEP);
    let mut paired = Scratch::new(a.rows.next_multiple_of(ROW_STEP) * depth / 2);
    let pairs = as_pairs(&mut paired);
    pairs[a.rows * depth / 2..].fill(0);
    vectorised!(match a.column_stride {
        1 => pair_along_rows(a, pairs, depth / 2),
        _ => pair_across_rows(a, pairs, depth / 2),
    });
    paired
}

/// Pairs of numbers beside each other in memory; a row takes `width` pairs.
#[inline(always)]
fn pair_along_rows(a: Matrix, pairs: &mut [u32], width: usize) {
    for (row, to) in pairs.chunks_exact_mut(width).take(a.rows).enumerate() {
        let from = &a.data[row * a.row_stride..][..a.columns];
        let pairs = from.chunks_exact(2);
        to[a.columns / 2..].fill(0);
        if let [last] = pairs.remainder() {
            to[a.columns / 2] = bf16::pair(*last, 0.0);
        }
        for (to, from) in to.iter_mut().zip(pairs) {
            *to = bf16::pair(from[0], from[1]);
        }
    }
}

/// Pairs of numbers from two columns, each of which lies together in memory.
#[inline(always)]
fn pair_across_rows(a: Matrix, pairs: &mut [u32], width: usize) {
    const BLOCK: usize = 16;
    let length = (a.rows - 1) * a.row_stride + 1;
    let zeros = vec![0.0; length];
    let column = |column: usize| match column < a.columns {
        true => &a.data[column * a.column_stride..][..length],
        false => &zeros[..],
    };
    let mut block = vec![0; BLOCK * a.rows]; // (pairs, rows)
    for first in (0..width).step_by(BLOCK) {
        for (pair, block) in (first..).zip(block.chunks_exact_mut(a.rows)) {
            let (left, right) = (column(2 * pair), column(2 * pair + 1));
            if a.row_stride == 1 {
                for ((both, left), right) in block.iter_mut().zip(left).zip(right) {
                    *both = bf16::pair(*left, *right);
                }
            } else {
                for (row, both) in block.iter_mut().enumerate() {
                    *both = bf16::pair(left[row * a.row_stride], right[row * a.row_stride]);
                }
            }
        }
        for (row, to) in pairs.chunks_exact_mut(width).take(a.rows).enumerate() {
            let to = &mut to[first..][..BLOCK];
            for (to, both) in to.iter_mut().zip(block[row..].iter().step_by(a.rows)) {
                *to = *both;
            }
        }
    }
}

/// The numbers of `a`, column by column without gaps.
pub(super) fn column_major(a: Matrix) -> Scratch {
    let mut in_columns = Scratch::new(a.rows * a.columns);
    for (column, to) in in_columns.chunks_exact_mut(a.rows).enumerate() {
        let from = &a.data[column * a.column_stride..];
        match a.row_stride {
            1 => to.copy_from_slice(&from[..a.rows]),
            stride => to.iter_mut().enumerate().for_each(|(row, to)| *to = from[row * stride]),
        }
    }
    in_columns
}
