//! Products of matrices: large ones shared among the threads, small ones within a task.

use rayon::prelude::*;

use super::bf16::{self, DEPTH_STEP, PairProduct, ROW_STEP};
use super::fresh::{Fresh, Piece, Scratch, as_pairs};
use super::matrix::{Matrix, MatrixMut};
use super::rhs::{Layout, Panels, fill_panel};
use super::tile::{PANEL, TILE_ROWS, TileProduct};
use super::{MACHINE, vectorised};

/// `a b` in fresh memory, row by row, computed in blocks of rows on all threads.
///
/// As soon as a block is computed it is handed to `finish` with the number of its first row, while
/// it is in the cache, along with as many rows of `extra` zeros, which are returned beside the
/// product.
///
/// # Panics
/// If the shapes do not fit, or a view reaches beyond its slice.
pub fn product<'b>(
    a: Matrix,
    b: impl Into<Panels<'b>>,
    extra: usize,
    finish: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let b = b.into();
    let (mut c, mut more) = (Fresh::new(a.rows * b.columns), Fresh::new(a.rows * extra));
    product_into((c.rest(), more.rest()), a, b, finish);
    (c.finish(), more.finish())
}

/// [`product`] in memory that is at hand: a piece as large as the product, and one for as many rows
/// of whatever `finish` computes besides.
///
/// # Panics
/// If the shapes do not fit, or a view reaches beyond its slice.
pub fn product_into<'b>(
    (c, more): (Piece, Piece),
    a: Matrix,
    b: impl Into<Panels<'b>>,
    finish: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) {
    let b = b.into();
    let extra = more.len() / a.rows.max(1);
    assert!(
        a.columns == b.depth
            && a.is_whole()
            && c.len() == a.rows * b.columns
            && more.len() == a.rows * extra,
        "{}x{} * {}x{}",
        a.rows,
        a.columns,
        b.depth,
        b.columns
    );
    let step = if let Layout::Pairs(_) = b.layout { ROW_STEP } else { TILE_ROWS };
    let block = rows_of_a_block(a.rows, step);
    let rows = |start: usize| block.min(a.rows - start);
    let starts = || (0..a.rows).step_by(block);
    let blocks = c.split(starts().map(|start| rows(start) * b.columns));
    let extras = more.split(starts().map(|start| rows(start) * extra));
    let parts = parts_of_columns(blocks.len(), b.columns);
    blocks.into_par_iter().zip(extras).enumerate().for_each(|(number, (mut c, extra))| {
        let start = number * block;
        let a = a.rows(start, rows(start));
        let target = Target(c.as_mut_ptr());
        parts.par_iter().for_each(|&(first, columns)| {
            // SAFETY: the block has room for as many rows as `a` has, `b` was laid out for its
            // sizes, and no two parts have a column in common.
            unsafe {
                let c = target.at(first);
                multiply_block(a, b.columns(first, columns), c, b.columns);
            }
        });
        // SAFETY: the parts are all columns, so all of the block is written.
        let c = unsafe { c.written() };
        finish(start, c, extra.zeroed());
    });
}

/// Where a block of a product is written, by several threads.
#[derive(Clone, Copy)]
struct Target(*mut f32);

// SAFETY: the threads write different columns.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// From column `first` on.
    fn at(self, first: usize) -> *mut f32 {
        self.0.wrapping_add(first)
    }
}

/// The first column and the number of columns that a task computes of a block of rows: all of them,
/// or where there are fewer blocks than threads, some whole panels.
fn parts_of_columns(blocks: usize, columns: usize) -> Vec<(usize, usize)> {
    let tasks = rayon::current_num_threads().div_ceil(blocks.max(1));
    let panels = columns.div_ceil(PANEL);
    let width = panels.div_ceil(tasks).max(1) * PANEL;
    (0..columns).step_by(width).map(|first| (first, width.min(columns - first))).collect()
}

/// How many rows a task computes: whole tiles, and as even a share for each thread as they allow.
fn rows_of_a_block(rows: usize, tile: usize) -> usize {
    const LARGEST: usize = 96;
    let (tiles, threads) = (rows.div_ceil(tile), rayon::current_num_threads());
    let time_of = |share: usize| tiles.div_ceil(share).div_ceil(threads) * share;
    let fewest = tiles.div_ceil(threads).clamp(1, LARGEST / tile);
    let share = (fewest.div_ceil(4)..=fewest).rev().min_by_key(|&share| time_of(share));
    share.unwrap_or(fewest) * tile
}

/// `c = a b` for a block of rows.
///
/// # Safety
/// `c` must have room for the product, in rows `c_row_stride` apart.
unsafe fn multiply_block(a: Matrix, b: Panels, c: *mut f32, c_row_stride: usize) {
    if b.depth == 0 {
        for row in 0..a.rows {
            // SAFETY: as this function's own.
            unsafe { c.add(row * c_row_stride).write_bytes(0, b.columns) };
        }
        return;
    }
    if let Layout::Pairs(unit) = b.layout {
        let left = paired_rows(a);
        let product = PairProduct {
            depth: b.depth.next_multiple_of(DEPTH_STEP),
            rows: a.rows,
            columns: b.columns,
            a: left.as_ptr().cast(),
            b: b.data.as_ptr().cast(),
            c,
            c_row_stride,
        };
        // SAFETY: both sides are laid out for these sizes, `c` as this function asks, and the unit
        // was found here.
        return unsafe { product.run(unit) };
    }
    // Rows that lie apart are brought together first: each of their numbers is used many times.
    let rounded = b.layout == Layout::RoundedRows;
    let turned = (rounded || a.column_stride != 1).then(|| {
        let mut turned = turn(a);
        if rounded {
            turned.iter_mut().for_each(|x| *x = bf16::rounded(*x));
        }
        turned
    });
    let (data, a_row_stride, a_column_stride) = match &turned {
        Some(turned) => (&turned[..], 1, a.rows),
        None => (a.data, a.row_stride, 1),
    };
    MACHINE.dispatch(TileProduct {
        depth: b.depth,
        rows: a.rows,
        columns: b.columns,
        a: data.as_ptr(),
        a_row_stride,
        a_column_stride,
        b: b.data.as_ptr(),
        b_row_stride: PANEL,
        b_panel_stride: PANEL * b.depth,
        c,
        c_row_stride,
    });
}

/// The rows of `a` in bfloat16, without gaps, filled up with zeros as [`PairProduct`] takes them.
fn paired_rows(a: Matrix) -> Scratch {
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
fn turn(a: Matrix) -> Scratch {
    let mut turned = Scratch::new(a.rows * a.columns);
    for (column, to) in turned.chunks_exact_mut(a.rows).enumerate() {
        let from = &a.data[column * a.column_stride..];
        match a.row_stride {
            1 => to.copy_from_slice(&from[..a.rows]),
            stride => to.iter_mut().enumerate().for_each(|(row, to)| *to = from[row * stride]),
        }
    }
    turned
}

/// `to = a b`, on the calling thread: for small products inside work that is shared already.
///
/// # Panics
/// If the shapes do not fit, or a view reaches beyond its slice.
pub fn multiply(to: MatrixMut, a: Matrix, b: Matrix) {
    let (rows, columns, depth) = (to.rows, to.columns, a.columns);
    assert!(
        a.rows == rows && b.columns == columns && b.rows == depth && a.is_whole() && b.is_whole()
    );
    if rows == 0 || columns == 0 {
        return;
    }
    assert!((rows - 1) * to.row_stride + columns <= to.data.len());
    if depth == 0 {
        to.data.chunks_mut(to.row_stride).take(rows).for_each(|row| row[..columns].fill(0.0));
        return;
    }
    let laid_out = (b.column_stride != 1 || columns % PANEL != 0).then(|| {
        let mut panels = Scratch::new(columns.div_ceil(PANEL) * PANEL * depth);
        for (number, panel) in panels.chunks_exact_mut(PANEL * depth).enumerate() {
            vectorised!(fill_panel(panel, number * PANEL, columns, &[((0, 0), b)]));
        }
        panels
    });
    let (b, b_row_stride, b_panel_stride) = match &laid_out {
        Some(panels) => (panels.as_ptr(), PANEL, PANEL * depth),
        None => (b.data.as_ptr(), b.row_stride, PANEL),
    };
    MACHINE.dispatch(TileProduct {
        depth,
        rows,
        columns,
        a: a.data.as_ptr(),
        a_row_stride: a.row_stride,
        a_column_stride: a.column_stride,
        b,
        b_row_stride,
        b_panel_stride,
        c: to.data.as_mut_ptr(),
        c_row_stride: to.row_stride,
    });
}

#[cfg(test)]
mod tests {
    use super::super::bf16::Unit;
    use super::super::rhs::Rhs;
    use super::*;

    /// A number that is exact in bfloat16, and of which sums of some hundred products are exact in
    /// f32.
    fn number(place: usize) -> f32 {
        ((place * 37 % 19) as f32 - 9.0) / 8.0
    }

    fn layouts() -> Vec<Layout> {
        let units: &[Unit] = match bf16::unit() {
            // Every machine with AMX has AVX512-BF16.
            Some(Unit::Amx) => &[Unit::Amx, Unit::Avx512],
            Some(Unit::Avx512) => &[Unit::Avx512],
            None => &[],
        };
        [Layout::Rows, Layout::RoundedRows]
            .into_iter()
            .chain(units.iter().copied().map(Layout::Pairs))
            .collect()
    }

    #[test]
    fn every_layout_gives_the_product() {
        for (rows, depth, columns) in [(1, 1, 1), (5, 33, 45), (37, 64, 32), (100, 7, 70)] {
            let a: Vec<f32> = (0..rows * depth).map(number).collect();
            let b: Vec<f32> = (0..depth * columns).map(|place| number(place * 53)).collect();
            let turned: Vec<f32> =
                (0..depth * rows).map(|place| a[place % rows * depth + place / rows]).collect();
            let exact = |i: usize, j: usize| -> f32 {
                (0..depth).map(|k| a[i * depth + k] * b[k * columns + j]).sum()
            };
            let exact: Vec<f32> =
                (0..rows * columns).map(|at| exact(at / columns, at % columns)).collect();
            for layout in layouts() {
                let rhs =
                    Rhs::lay_out(depth, columns, &[((0, 0), Matrix::new(&b, columns))], layout);
                for a in [Matrix::new(&a, depth), Matrix::new(&turned, rows).t()] {
                    let found = product(a, &rhs, 0, |_, _, _| {}).0;
                    assert!(found == exact, "{rows}x{depth}x{columns}, {layout:?}");
                }
            }
        }
    }

    #[test]
    fn rounded_rows_round_both_sides() {
        let (a, b) = ([1.004f32, -0.3], [0.7f32, 1.003]);
        let rhs = Rhs::lay_out(2, 1, &[((0, 0), Matrix::new(&b, 1))], Layout::RoundedRows);
        let expected = bf16::rounded(a[1])
            .mul_add(bf16::rounded(b[1]), bf16::rounded(a[0]) * bf16::rounded(b[0]));
        assert_eq!(product(Matrix::new(&a, 2), &rhs, 0, |_, _, _| {}).0, [expected]);
    }

    #[test]
    fn the_width_of_the_vectors_changes_no_bit() {
        let (rows, depth, columns) = (31, 400, 45);
        let irrational = |place: usize| ((place * 7919 % 1000) as f32).sqrt() - 15.0;
        let a: Vec<f32> = (0..rows * depth).map(irrational).collect();
        let b: Vec<f32> = (0..depth * columns).map(|place| irrational(place + 17)).collect();
        let rhs = Rhs::lay_out(depth, columns, &[((0, 0), Matrix::new(&b, columns))], Layout::Rows);
        let with = |run: &dyn Fn(TileProduct)| {
            let mut c = vec![0f32; rows * columns];
            run(TileProduct {
                depth,
                rows,
                columns,
                a: a.as_ptr(),
                a_row_stride: depth,
                a_column_stride: 1,
                b: rhs.data.as_ptr(),
                b_row_stride: PANEL,
                b_panel_stride: PANEL * depth,
                c: c.as_mut_ptr(),
                c_row_stride: columns,
            });
            c
        };
        let here = with(&|product| MACHINE.dispatch(product));
        assert!(here == with(&|product| pulp::Simd::vectorize(pulp::Scalar::new(), product)));
        #[cfg(target_arch = "x86_64")]
        if let Some(narrow) = pulp::x86::V3::try_new() {
            assert!(here == with(&|product| pulp::Simd::vectorize(narrow, product)));
        }
    }
}
