//! Products of large matrices, shared among the threads.
#![allow(unsafe_code)]

use rayon::prelude::*;

use super::MACHINE;
use super::bf16;
use super::buffer::{UninitBuffer, UninitSlice};
use super::lhs::{column_major, paired_rows};
use super::matrix::Matrix;
use super::pair_product::{DEPTH_STEP, PairProduct, ROW_STEP};
use super::rhs::{Layout, Panels};
use super::tile::{PANEL, TILE_ROWS, TileProduct};

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
    let (mut c, mut more) =
        (UninitBuffer::new(a.rows * b.columns), UninitBuffer::new(a.rows * extra));
    product_into((c.rest(), more.rest()), a, b, finish);
    (c.finish(), more.finish())
}

/// [`product`] in memory that is at hand: a piece as large as the product, and one for as many rows
/// of whatever `finish` computes besides.
///
/// # Panics
/// If the shapes do not fit, or a view reaches beyond its slice.
pub fn product_into<'b>(
    (c, more): (UninitSlice, UninitSlice),
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
    let block = rows_of_a_block(a.rows, b.columns, step);
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
            // SAFETY: the block has room for as many rows as `a` has, `b` was packed for its
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

/// How many rows a task computes: whole tiles, and as even a share for each thread as they allow. A
/// few rows stay together where there are enough columns to share instead: so each thread reads its
/// own part of `b` only, which is what a few rows take long for.
fn rows_of_a_block(rows: usize, columns: usize, tile: usize) -> usize {
    const LARGEST: usize = 96;
    const PANELS_EACH: usize = 4;
    let (tiles, threads) = (rows.div_ceil(tile), rayon::current_num_threads());
    if rows <= LARGEST && columns >= PANELS_EACH * PANEL * threads {
        return rows.max(1);
    }
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
        // SAFETY: both sides are packed for these sizes, `c` as this function asks, and the unit
        // was found here.
        return unsafe { product.run(unit) };
    }
    // Rows that lie apart are brought together first: each of their numbers is used many times.
    let rounded = b.layout == Layout::RoundedRows;
    let in_columns = (rounded || a.column_stride != 1).then(|| {
        let mut in_columns = column_major(a);
        if rounded {
            in_columns.iter_mut().for_each(|x| *x = bf16::rounded(*x));
        }
        in_columns
    });
    let (data, a_row_stride, a_column_stride) = match &in_columns {
        Some(in_columns) => (&in_columns[..], 1, a.rows),
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

#[cfg(test)]
pub(super) mod tests {
    use super::super::rhs::Rhs;
    use super::*;

    /// A number that is exact in bfloat16, and of which sums of some hundred products are exact in
    /// f32.
    pub(in super::super) fn number(place: usize) -> f32 {
        ((place * 37 % 19) as f32 - 9.0) / 8.0
    }

    fn layouts() -> Vec<Layout> {
        let mut layouts = vec![Layout::Rows, Layout::RoundedRows];
        #[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
        layouts.extend(super::super::emulated_amx::units().into_iter().map(Layout::Pairs));
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
        layouts.extend(bf16::unit().map(Layout::Pairs));
        layouts
    }

    /// Rows, depth and columns of some products; small ones for Miri, which is slow.
    pub(in super::super) const SIZES: &[(usize, usize, usize)] = match cfg!(miri) {
        true => &[(1, 1, 1), (7, 9, 35), (2, 3, 32), (3, 17, 5)],
        false => &[
            (1, 1, 1),
            (1, 40, 147),
            (2, 16, 49),
            (3, 67, 83),
            (4, 32, 64),
            (5, 33, 45),
            (37, 64, 32),
            (100, 7, 70),
        ],
    };

    /// The row-major matrix of such numbers, and its transpose in memory.
    pub(in super::super) fn both_ways(rows: usize, columns: usize, factor: usize) -> [Vec<f32>; 2] {
        let plain: Vec<f32> = (0..rows * columns).map(|place| number(place * factor)).collect();
        let in_columns = |place: usize| plain[place % rows * columns + place / rows];
        let in_columns = (0..rows * columns).map(in_columns).collect();
        [plain, in_columns]
    }

    /// The product of row-major matrices, number by number.
    pub(in super::super) fn exact(a: &[f32], b: &[f32], depth: usize, columns: usize) -> Vec<f32> {
        let number = |i: usize, j: usize| -> f32 {
            (0..depth).map(|k| a[i * depth + k] * b[k * columns + j]).sum()
        };
        (0..a.len() / depth * columns).map(|at| number(at / columns, at % columns)).collect()
    }

    #[test]
    fn every_layout_gives_the_product() {
        for &(rows, depth, columns) in SIZES {
            let [a, in_columns] = both_ways(rows, depth, 1);
            let [b, _] = both_ways(depth, columns, 53);
            let exact = exact(&a, &b, depth, columns);
            for layout in layouts() {
                let rhs = Rhs::pack(depth, columns, &[((0, 0), Matrix::new(&b, columns))], layout);
                for a in [Matrix::new(&a, depth), Matrix::new(&in_columns, rows).t()] {
                    let found = product(a, &rhs, 0, |_, _, _| {}).0;
                    assert!(found == exact, "{rows}x{depth}x{columns}, {layout:?}");
                }
            }
        }
    }

    #[test]
    fn pairs_lie_as_the_units_for_bfloat16_take_them() {
        for &(rows, depth, columns) in SIZES {
            let ([a, a_turned], [b, b_turned]) =
                (both_ways(rows, depth, 1), both_ways(depth, columns, 53));
            let width = depth.next_multiple_of(DEPTH_STEP) / 2;
            let a_at =
                |i: usize, k: usize| if i < rows && k < depth { a[i * depth + k] } else { 0.0 };
            let b_at = |k: usize, j: usize| {
                if k < depth && j < columns { b[k * columns + j] } else { 0.0 }
            };
            let left = (0..rows.next_multiple_of(ROW_STEP) * width).map(|at| {
                let (i, k) = (at / width, at % width * 2);
                bf16::pair(a_at(i, k), a_at(i, k + 1))
            });
            let right = (0..columns.next_multiple_of(PANEL) * width).map(|at| {
                let (panel, place) = (at / (PANEL * width), at % (PANEL * width));
                let (k, j) = (place / PANEL * 2, panel * PANEL + place % PANEL);
                bf16::pair(b_at(k, j), b_at(k + 1, j))
            });
            let (left, right) = (left.collect::<Vec<_>>(), right.collect::<Vec<_>>());
            for (a, b) in [
                (Matrix::new(&a, depth), Matrix::new(&b, columns)),
                (Matrix::new(&a_turned, rows).t(), Matrix::new(&b_turned, depth).t()),
            ] {
                let pairs = Layout::Pairs(bf16::Unit::Avx512);
                let rhs = Rhs::pack(depth, columns, &[((0, 0), b)], pairs);
                let bits =
                    |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&paired_rows(a)), left, "{rows}x{depth}");
                assert_eq!(bits(&rhs.data), right, "{depth}x{columns}");
            }
        }
    }

    #[test]
    fn rounded_rows_round_both_sides() {
        let (a, b) = ([1.004f32, -0.3], [0.7f32, 1.003]);
        let rhs = Rhs::pack(2, 1, &[((0, 0), Matrix::new(&b, 1))], Layout::RoundedRows);
        let expected = bf16::rounded(a[1])
            .mul_add(bf16::rounded(b[1]), bf16::rounded(a[0]) * bf16::rounded(b[0]));
        assert_eq!(product(Matrix::new(&a, 2), &rhs, 0, |_, _, _| {}).0, [expected]);
    }

    #[test]
    fn the_width_of_the_vectors_changes_no_bit() {
        let (rows, depth, columns) = if cfg!(miri) { (7, 20, 21) } else { (31, 400, 45) };
        let irrational = |place: usize| ((place * 7919 % 1000) as f32).sqrt() - 15.0;
        let a: Vec<f32> = (0..rows * depth).map(irrational).collect();
        let b: Vec<f32> = (0..depth * columns).map(|place| irrational(place + 17)).collect();
        let rhs = Rhs::pack(depth, columns, &[((0, 0), Matrix::new(&b, columns))], Layout::Rows);
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
