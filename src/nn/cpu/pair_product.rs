//! Products of matrices of bfloat16 numbers, by the instructions that some CPUs have for them.
//!
//! Both sides are laid out in pairs along the depth, as those instructions take them: AMX
//! multiplies tiles of 16 rows and 16 columns, AVX512-BF16 vectors of 16 columns.
#![allow(unsafe_code)]

use super::bf16::Unit;
#[cfg(target_arch = "x86_64")]
use super::fresh::Scratch;
use super::tile::PANEL;

/// Steps along the depth of one AMX tile; every depth is filled up with zeros to a multiple of it.
pub(super) const DEPTH_STEP: usize = 32;

/// Rows of a pair of AMX tiles; the left side is filled up to a multiple of it.
pub(super) const ROW_STEP: usize = 32;

/// A product of matrices of pairs, `c = a b`, on one thread.
pub(super) struct PairProduct {
    /// The depth, a multiple of [`DEPTH_STEP`] and not zero.
    pub(super) depth: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Row-major, with rows up to a multiple of [`ROW_STEP`].
    pub(super) a: *const u16,
    /// Panels of [`PANEL`] columns, in which pairs of the depth lie beside each other.
    pub(super) b: *const u16,
    pub(super) c: *mut f32,
    pub(super) c_row_stride: usize,
}

impl PairProduct {
    /// Computes the product.
    ///
    /// # Safety
    /// The pointers must reach as far as the sizes say, and this machine must have `unit`.
    pub(super) unsafe fn run(&self, unit: Unit) {
        #[cfg(target_arch = "x86_64")]
        match unit {
            // SAFETY: as this function's own.
            Unit::Amx => unsafe { self.run_amx() },
            // SAFETY: as this function's own.
            Unit::Avx512 => unsafe { self.run_avx512() },
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = unit;
    }
}

#[cfg(target_arch = "x86_64")]
impl PairProduct {
    /// The first row and column of each block of `rows` by [`PANEL`] numbers.
    fn blocks(&self, rows: usize) -> impl Iterator<Item = (usize, usize)> {
        let starts = move || (0..self.rows).step_by(rows);
        (0..self.columns)
            .step_by(PANEL)
            .flat_map(move |column| starts().map(move |row| (row, column)))
    }

    /// Whether the block of `rows` rows at this place lies within the product.
    fn holds(&self, rows: usize, (row, column): (usize, usize)) -> bool {
        row + rows <= self.rows && column + PANEL <= self.columns
    }

    /// The left side from row `row` on.
    fn left(&self, row: usize) -> *const u16 {
        self.a.wrapping_add(row * self.depth)
    }

    /// The panel that begins with column `column`.
    fn panel(&self, column: usize) -> *const u16 {
        self.b.wrapping_add(column * self.depth)
    }

    /// Where the product's number at this place belongs.
    fn target(&self, (row, column): (usize, usize)) -> *mut f32 {
        self.c.wrapping_add(row * self.c_row_stride + column)
    }

    /// Copies what lies within the product of a block that was computed beside it.
    ///
    /// # Safety
    /// `block` must hold `rows` rows of [`PANEL`] numbers, and its place lie within the product.
    unsafe fn copy_from_edge(&self, block: *const f32, rows: usize, place: (usize, usize)) {
        let columns = PANEL.min(self.columns - place.1);
        for i in 0..rows.min(self.rows - place.0) {
            let target = self.target((place.0 + i, place.1));
            // SAFETY: the product has this row, with `columns` numbers from the place on.
            unsafe { target.copy_from_nonoverlapping(block.add(i * PANEL), columns) };
        }
    }

    /// Blocks of two by two tiles of 16 rows and 16 columns.
    ///
    /// # Safety
    /// As for [`Self::run`] with AMX.
    unsafe fn run_amx(&self) {
        use super::amx;
        const SIZE: usize = ROW_STEP * PANEL;
        let at_edge = |place: &(usize, usize)| !self.holds(ROW_STEP, *place);
        let edges: Vec<_> = self.blocks(ROW_STEP).filter(at_edge).collect();
        let mut beside = Scratch::new(edges.len() * SIZE);
        let beside = beside.as_mut_ptr();
        let mut next_edge = beside;
        let block = |(row, column)| {
            let (c, stride) = if self.holds(ROW_STEP, (row, column)) {
                (self.target((row, column)), self.c_row_stride)
            } else {
                let edge = next_edge;
                next_edge = edge.wrapping_add(SIZE);
                (edge, PANEL)
            };
            let c_row = stride * size_of::<f32>();
            amx::Block { a: self.left(row), b: self.panel(column), c, c_row }
        };
        let blocks: Vec<_> = self.blocks(ROW_STEP).map(block).collect();
        // SAFETY: both sides are filled up to whole blocks, and `c` has room for each of them, in
        // the product or beside it.
        unsafe { amx::multiply(&blocks, self.depth) };
        for (number, place) in edges.into_iter().enumerate() {
            // SAFETY: each block that the product does not hold has its memory beside it.
            unsafe { self.copy_from_edge(beside.add(number * SIZE), ROW_STEP, place) };
        }
    }

    /// Blocks of eight rows of two vectors of 16 columns.
    ///
    /// # Safety
    /// As for [`Self::run`] with AVX512-BF16.
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn run_avx512(&self) {
        use std::arch::x86_64::*;
        const ROWS: usize = 8;
        for (row, column) in self.blocks(ROWS) {
            let compute = |c: *mut f32, stride: usize| {
                let a = self.left(row).cast::<i32>();
                let b = self.panel(column).cast::<i32>();
                let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
                for pair in 0..self.depth / 2 {
                    // SAFETY: the panel has as many pairs of each of its columns.
                    let right: [__m512bh; 2] = unsafe {
                        let pairs = b.add(pair * PANEL);
                        let halves = [
                            _mm512_loadu_si512(pairs.cast()),
                            _mm512_loadu_si512(pairs.add(16).cast()),
                        ];
                        std::mem::transmute::<[__m512i; 2], [__m512bh; 2]>(halves)
                    };
                    for (i, sums) in sums.iter_mut().enumerate() {
                        // SAFETY: the left side's rows are filled up to a multiple of `ROW_STEP`,
                        // so of `ROWS`.
                        let left = unsafe {
                            let left = _mm512_set1_epi32(*a.add(i * (self.depth / 2) + pair));
                            std::mem::transmute::<__m512i, __m512bh>(left)
                        };
                        for (sum, right) in sums.iter_mut().zip(right) {
                            *sum = _mm512_dpbf16_ps(*sum, left, right);
                        }
                    }
                }
                for (i, sums) in sums.iter().enumerate() {
                    // SAFETY: `c` has room for `ROWS` rows of `PANEL` numbers.
                    unsafe {
                        _mm512_storeu_ps(c.add(i * stride), sums[0]);
                        _mm512_storeu_ps(c.add(i * stride + 16), sums[1]);
                    }
                }
            };
            if self.holds(ROWS, (row, column)) {
                compute(self.target((row, column)), self.c_row_stride);
            } else {
                let mut edge = [[0f32; PANEL]; ROWS];
                compute(edge.as_mut_ptr().cast(), PANEL);
                // SAFETY: the block is as large, and its place is one of the product's.
                unsafe { self.copy_from_edge(edge.as_ptr().cast(), ROWS, (row, column)) };
            }
        }
    }
}

#[cfg(all(test, target_arch = "x86_64", target_os = "linux", not(miri)))]
mod tests {
    use super::super::bf16::round;
    use super::super::emulated_amx::{is_released, units};
    use super::super::product::tests::number;
    use super::*;

    /// Numbers before and behind those that a product may read and write.
    const MARGIN: usize = 2048;

    /// `length` numbers between margins.
    fn within<T: Copy>(margin: T, length: usize, at: impl Fn(usize) -> T) -> Vec<T> {
        let margins = || std::iter::repeat_n(margin, MARGIN);
        margins().chain((0..length).map(at)).chain(margins()).collect()
    }

    #[test]
    fn every_unit_computes_the_product_and_nothing_beside_it() {
        const NAN: u16 = 0x7fc0;
        const UNTOUCHED: f32 = 123.0;
        for (rows, columns, depth, gap) in [
            (1usize, 1usize, 32, 0),
            (32, 32, 32, 0),
            (37, 45, 64, 0),
            (96, 64, 96, 5),
            (33, 96, 160, 1),
            (64, 31, 32, 40),
        ] {
            let stride = columns + gap;
            let a_rows = rows.next_multiple_of(ROW_STEP);
            let a = within(NAN, a_rows * depth, |i| round(number(i)));
            let b = within(NAN, columns.div_ceil(PANEL) * PANEL * depth, |i| {
                let (panel, i) = (i / (PANEL * depth), i % (PANEL * depth));
                let (k, j) = (i / (2 * PANEL) * 2 + i % 2, i % (2 * PANEL) / 2);
                round(number(k * 53 + panel * PANEL + j))
            });
            for unit in units() {
                let mut c = within(UNTOUCHED, rows * stride, |_| UNTOUCHED);
                let product = PairProduct {
                    depth,
                    rows,
                    columns,
                    a: a[MARGIN..].as_ptr(),
                    b: b[MARGIN..].as_ptr(),
                    c: c[MARGIN..].as_mut_ptr(),
                    c_row_stride: stride,
                };
                // SAFETY: the slices are as large as the sizes say; the machine has the unit, or
                // emulates it.
                unsafe { product.run(unit) };
                let exact = |i: usize, j: usize| -> f32 {
                    (0..depth).map(|k| number(i * depth + k) * number(k * 53 + j)).sum()
                };
                let expected = within(UNTOUCHED, rows * stride, |at| {
                    let (i, j) = (at / stride, at % stride);
                    if j < columns { exact(i, j) } else { UNTOUCHED }
                });
                assert!(c == expected, "{unit:?}: {rows}x{depth}x{columns}, {gap} apart");
                assert!(is_released());
            }
        }
    }
}
