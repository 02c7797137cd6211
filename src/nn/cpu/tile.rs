//! The innermost loops of a matrix product: a tile of the result in vector registers.
#![allow(unsafe_code)]

use pulp::{Simd, WithSimd};

/// Columns of a panel: those of the right-hand side that lie beside each other in memory.
pub(super) const PANEL: usize = 32;

/// Steps along the depth after which a tile goes back to memory, so that the panel's part stays in
/// the first cache. Miri, which is slow, gets there sooner.
const DEPTH: usize = if cfg!(miri) { 8 } else { 192 };

/// Numbers in a line of the cache.
const LINE: usize = 16;

/// The most rows of a tile.
pub(super) const TILE_ROWS: usize = 14;

/// A product of f32 matrices, `c = a b`, on one thread.
///
/// Each number of `c` is one chain of fused multiply-adds along the depth, so neither the number of
/// threads, nor the rows computed with it, nor the width of the machine's vectors changes a bit of
/// it.
pub(super) struct TileProduct {
    pub(super) depth: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) a: *const f32,
    pub(super) a_row_stride: usize,
    pub(super) a_column_stride: usize,
    /// The panels of b: column `j` stands in panel `j / PANEL`, and all columns of a panel can be
    /// read.
    pub(super) b: *const f32,
    pub(super) b_row_stride: usize,
    pub(super) b_panel_stride: usize,
    pub(super) c: *mut f32,
    pub(super) c_row_stride: usize,
}

impl WithSimd for TileProduct {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: whoever built `self` has checked that all of its pointers reach as far as its
        // sizes say.
        unsafe {
            match S::F32_LANES {
                16 => self.run::<S, TILE_ROWS, 2>(simd),
                8 => self.run::<S, 6, 2>(simd),
                _ => self.run::<S, 6, 4>(simd),
            }
        }
    }
}

impl TileProduct {
    /// Tiles of `ROWS` rows and `VECTORS` vectors.
    ///
    /// # Safety
    /// The pointers must reach as far as the sizes say.
    #[inline(always)]
    unsafe fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(&self, simd: S) {
        for column in (0..self.columns).step_by(VECTORS * S::F32_LANES) {
            for start in (0..self.depth).step_by(DEPTH) {
                let depth = DEPTH.min(self.depth - start);
                let mut row = 0;
                while row < self.rows {
                    // SAFETY: `row`, `column` and `start .. start + depth` lie within the sizes.
                    row += unsafe {
                        match (self.rows - row, self.columns - column <= S::F32_LANES) {
                            (left, false) if left >= ROWS => {
                                self.tile::<S, ROWS, VECTORS>(simd, start, depth, row, column)
                            }
                            (left, true) if left >= ROWS => {
                                self.tile::<S, ROWS, 1>(simd, start, depth, row, column)
                            }
                            (4.., false) => {
                                self.tile::<S, 4, VECTORS>(simd, start, depth, row, column)
                            }
                            (4.., true) => self.tile::<S, 4, 1>(simd, start, depth, row, column),
                            (3, false) => {
                                self.tile::<S, 3, VECTORS>(simd, start, depth, row, column)
                            }
                            (3, true) => self.tile::<S, 3, 1>(simd, start, depth, row, column),
                            (_, false) => {
                                self.tile::<S, 1, VECTORS>(simd, start, depth, row, column)
                            }
                            (_, true) => self.tile::<S, 1, 1>(simd, start, depth, row, column),
                        }
                    };
                }
            }
        }
    }

    /// One tile from `row` and `column` on; returns its rows.
    ///
    /// # Safety
    /// As for [`Self::run`]; the tile's rows, its first column and the steps `start .. start +
    /// depth` must lie within the sizes.
    #[inline(always)]
    unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        start: usize,
        depth: usize,
        row: usize,
        column: usize,
    ) -> usize {
        let width = VECTORS * S::F32_LANES;
        let columns = width.min(self.columns - column);
        let mut edge = [[0f32; PANEL]; ROWS];
        // SAFETY: the tile's rows and steps lie within the matrices. At the right edge, where it is
        // wider than what is left of `c`, it goes through `edge`, which is as wide as any tile;
        // panels can be read in their whole width.
        unsafe {
            let a = self.a.add(row * self.a_row_stride + start * self.a_column_stride);
            let b = self.b.add(
                column / PANEL * self.b_panel_stride + start * self.b_row_stride + column % PANEL,
            );
            let target = self.c.add(row * self.c_row_stride + column);
            let (c, stride) = match columns == width {
                true => (target, self.c_row_stride),
                false => (edge.as_mut_ptr().cast(), PANEL),
            };
            let add = start > 0;
            if columns < width && add {
                for i in 0..ROWS {
                    target
                        .add(i * self.c_row_stride)
                        .copy_to_nonoverlapping(c.add(i * stride), columns);
                }
            }
            if !add {
                for i in 0..ROWS {
                    prefetch_to_write(c.add(i * stride));
                    prefetch_to_write(c.add(i * stride + width - 1));
                }
            }
            let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
            if add {
                for (i, sums) in sums.iter_mut().enumerate() {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum =
                            c.add(i * stride + j * S::F32_LANES).cast::<S::f32s>().read_unaligned();
                    }
                }
            }
            // While the tiles of a panel's part are computed, the part behind it comes closer, a
            // line at each step.
            let mut ahead = b.wrapping_add(depth * self.b_row_stride + row / ROWS * depth * LINE);
            let (mut a, mut b) = (a, b);
            for _ in 0..depth {
                prefetch(ahead);
                ahead = ahead.wrapping_add(LINE);
                let mut right = [simd.splat_f32s(0.0); VECTORS];
                for (j, right) in right.iter_mut().enumerate() {
                    *right = b.add(j * S::F32_LANES).cast::<S::f32s>().read_unaligned();
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let left = simd.splat_f32s(*a.add(i * self.a_row_stride));
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = simd.mul_add_f32s(left, right, *sum);
                    }
                }
                // After the last step they may point beyond the matrices.
                a = a.wrapping_add(self.a_column_stride);
                b = b.wrapping_add(self.b_row_stride);
            }
            for (i, sums) in sums.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    c.add(i * stride + j * S::F32_LANES).cast::<S::f32s>().write_unaligned(*sum);
                }
            }
            if columns < width {
                for i in 0..ROWS {
                    c.add(i * stride)
                        .copy_to_nonoverlapping(target.add(i * self.c_row_stride), columns);
                }
            }
        }
        ROWS
    }
}

/// Asks for a line of the cache that will be read soon. Any address will do.
#[inline(always)]
fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that the program could see, and never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Asks for a line of the cache that will be written soon.
#[inline(always)]
pub(super) fn prefetch_to_write(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that the program could see, and never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
