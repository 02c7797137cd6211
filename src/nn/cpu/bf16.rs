//! Products of matrices whose numbers are rounded to bfloat16, on CPUs that have instructions for
//! it.
//!
//! Both sides are packed in pairs along the depth, as those instructions take them: `AMX`
//! multiplies tiles of 16 rows and 16 columns, `AVX512-BF16` vectors of 16 columns.

use std::sync::LazyLock;

use super::tile::{PANEL, prefetch_to_write};

/// Steps along the depth of one AMX tile; every depth is filled up with zeros to a multiple of it.
pub(super) const DEPTH_STEP: usize = 32;

/// Rows of a pair of AMX tiles; the left side is filled up to a multiple of it.
pub(super) const ROW_STEP: usize = 32;

/// What this machine can multiply bfloat16 with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Intel's Advanced Matrix Extensions.
    Amx,
    /// AVX-512's dot product of pairs.
    Avx512,
}

/// The best unit of this machine, if there is one.
pub(super) fn unit() -> Option<Unit> {
    static UNIT: LazyLock<Option<Unit>> = LazyLock::new(find_unit);
    *UNIT
}

#[cfg(target_arch = "x86_64")]
fn find_unit() -> Option<Unit> {
    let has_dot_product = std::arch::is_x86_feature_detected!("avx512bf16");
    if has_amx() {
        Some(Unit::Amx)
    } else if has_dot_product {
        Some(Unit::Avx512)
    } else {
        None
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn find_unit() -> Option<Unit> {
    None
}

/// Whether the CPU has AMX for bfloat16, and the system lets this process use its large registers.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn has_amx() -> bool {
    const AMX_BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
    const REQUEST_PERMISSION: libc::c_int = 0x1023; // ARCH_REQ_XCOMP_PERM
    const TILE_DATA: libc::c_ulong = 18; // XFEATURE_XTILEDATA
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    // SAFETY: the call only asks for a permission; an older kernel answers with an error.
    features & AMX_BF16_AND_TILE == AMX_BF16_AND_TILE
        && unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) } == 0
}

#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn has_amx() -> bool {
    false
}

/// `x` rounded to the nearest bfloat16, ties to even.
#[inline(always)]
pub(super) fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    // A number that is none stays so: its upper half alone could look like infinity.
    if x.is_nan() { 0x7fc0 } else { (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16 }
}

/// `x` as the number that [`round`] stands for.
#[inline(always)]
pub(super) fn rounded(x: f32) -> f32 {
    f32::from_bits(u32::from(round(x)) << 16)
}

/// Two rounded numbers as one: the first in the lower half.
#[inline(always)]
pub(super) fn pair(first: f32, second: f32) -> u32 {
    u32::from(round(first)) | u32::from(round(second)) << 16
}

/// A product of matrices of pairs, `c = a b`, on one thread.
pub(super) struct PairProduct {
    /// The depth, a multiple of [`DEPTH_STEP`].
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
    /// The pointers must reach as far as the sizes say, and `unit` must be this machine's.
    pub(super) unsafe fn run(&self, unit: Unit) {
        // SAFETY: as this function's own.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            match unit {
                Unit::Amx => self.run_amx(),
                Unit::Avx512 => self.run_avx512(),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = unit;
    }

    /// The first pair of column `column`.
    fn panel(&self, column: usize) -> *const u16 {
        self.b.wrapping_add(column / PANEL * PANEL * self.depth)
    }

    /// Calls `compute` with where to write `rows` by [`PANEL`] numbers and how far its rows are
    /// apart: the result itself, or at its edges memory of which the right part is then copied
    /// there.
    #[inline(always)]
    unsafe fn through_edge<const ROWS: usize>(
        &self,
        row: usize,
        column: usize,
        compute: impl FnOnce(*mut f32, usize),
    ) {
        let (rows, columns) = (ROWS.min(self.rows - row), PANEL.min(self.columns - column));
        let target = self.c.wrapping_add(row * self.c_row_stride + column);
        if rows == ROWS && columns == PANEL {
            return compute(target, self.c_row_stride);
        }
        let mut edge = [[0f32; PANEL]; ROWS];
        compute(edge.as_mut_ptr().cast(), PANEL);
        for (i, from) in edge.iter().take(rows).enumerate() {
            // SAFETY: row `row + i` has at least `columns` numbers from `column` on.
            unsafe {
                target.add(i * self.c_row_stride).copy_from_nonoverlapping(from.as_ptr(), columns)
            };
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl PairProduct {
    /// Two by two tiles of 16 rows and 16 columns.
    unsafe fn run_amx(&self) {
        use std::arch::asm;
        #[repr(C, align(64))]
        struct TileConfig([u8; 64]);
        let mut config = TileConfig([0; 64]);
        config.0[0] = 1; // the only palette
        for tile in 0..8 {
            config.0[16 + 2 * tile] = 64; // bytes a row
            config.0[48 + tile] = 16; // rows
        }
        // SAFETY: `unit` has found AMX; tiles are read and written within the sizes that `run` was
        // promised.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &config, options(nostack));
            for column in (0..self.columns).step_by(PANEL) {
                for row in (0..self.rows).step_by(ROW_STEP) {
                    self.through_edge::<ROW_STEP>(row, column, |c, stride| {
                        asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3");
                        let a = self.a.add(row * self.depth);
                        let b = self.panel(column);
                        for row in 0..ROW_STEP {
                            prefetch_to_write(c.add(row * stride));
                            prefetch_to_write(c.add(row * stride + 16));
                        }
                        for step in 0..self.depth / DEPTH_STEP {
                            asm!(
                                "tileloadd tmm4, [{upper} + {a_stride}]",
                                "tileloadd tmm6, [{left} + {b_stride}]",
                                "tileloadd tmm7, [{left} + {b_stride} + 64]",
                                "tdpbf16ps tmm0, tmm4, tmm6",
                                "tileloadd tmm5, [{lower} + {a_stride}]",
                                "tdpbf16ps tmm1, tmm4, tmm7",
                                "tdpbf16ps tmm2, tmm5, tmm6",
                                "tdpbf16ps tmm3, tmm5, tmm7",
                                upper = in(reg) a.add(step * DEPTH_STEP),
                                lower = in(reg) a.add(16 * self.depth + step * DEPTH_STEP),
                                a_stride = in(reg) 2 * self.depth,
                                left = in(reg) b.add(step * DEPTH_STEP * PANEL),
                                b_stride = in(reg) 4 * PANEL,
                                options(nostack, readonly),
                            );
                        }
                        asm!(
                            "tilestored [{upper} + {stride}], tmm0",
                            "tilestored [{upper} + {stride} + 64], tmm1",
                            "tilestored [{lower} + {stride}], tmm2",
                            "tilestored [{lower} + {stride} + 64], tmm3",
                            upper = in(reg) c,
                            lower = in(reg) c.add(16 * stride),
                            stride = in(reg) 4 * stride,
                            options(nostack),
                        );
                    });
                }
            }
            asm!("tilerelease", options(nostack));
        }
    }

    /// Eight rows of two vectors of 16 columns.
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn run_avx512(&self) {
        use std::arch::x86_64::*;
        const ROWS: usize = 8;
        for column in (0..self.columns).step_by(PANEL) {
            for row in (0..self.rows).step_by(ROWS) {
                // SAFETY: the left side's rows are filled up to a multiple of `ROW_STEP`, so of
                // `ROWS`, and its depth and the panel's to a multiple of
                // `DEPTH_STEP`, so of two.
                unsafe {
                    self.through_edge::<ROWS>(row, column, |c, stride| {
                        let a = self.a.add(row * self.depth).cast::<i32>();
                        let b = self.panel(column).cast::<i32>();
                        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
                        for pair in 0..self.depth / 2 {
                            let right = [0, 16].map(|lane| {
                                std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(
                                    b.add(pair * PANEL + lane).cast(),
                                ))
                            });
                            for (i, sums) in sums.iter_mut().enumerate() {
                                let left = _mm512_set1_epi32(*a.add(i * (self.depth / 2) + pair));
                                let left = std::mem::transmute::<__m512i, __m512bh>(left);
                                for (sum, right) in sums.iter_mut().zip(right) {
                                    *sum = _mm512_dpbf16_ps(*sum, left, right);
                                }
                            }
                        }
                        for (i, sums) in sums.iter().enumerate() {
                            _mm512_storeu_ps(c.add(i * stride), sums[0]);
                            _mm512_storeu_ps(c.add(i * stride + 16), sums[1]);
                        }
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_to_the_nearest_and_ties_to_even() {
        for (x, expected) in [
            (1.0, 1.0),
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0),
            (-1.004, -1.0078125),
            (f32::INFINITY, f32::INFINITY),
            (f32::MAX, f32::INFINITY),
            (0.0, 0.0),
        ] {
            assert_eq!(rounded(x), expected, "{x}");
        }
        assert!(rounded(f32::NAN).is_nan() && rounded(f32::from_bits(0x7f80_0001)).is_nan());
    }

    /// Both units on the same numbers, at sizes with edges.
    #[test]
    fn every_unit_of_this_machine_computes_the_product() {
        let Some(best) = unit() else { return };
        let (rows, columns, depth) = (37, 45, 64);
        let number = |i: usize| ((i * 37 % 19) as f32 - 9.0) / 8.0; // exact in bfloat16
        let a: Vec<u16> = (0..64 * depth).map(|i| round(number(i))).collect();
        let mut b = vec![0u16; 2 * PANEL * depth];
        for k in 0..depth {
            for j in 0..columns {
                b[j / PANEL * PANEL * depth + k / 2 * 2 * PANEL + j % PANEL * 2 + k % 2] =
                    round(number(k * 53 + j));
            }
        }
        for unit in [Unit::Avx512, best] {
            let mut c = vec![0f32; rows * columns];
            let (a, b, c_row_stride) = (a.as_ptr(), b.as_ptr(), columns);
            let product =
                PairProduct { depth, rows, columns, a, b, c: c.as_mut_ptr(), c_row_stride };
            // SAFETY: the slices are as large as the sizes say; every machine with AMX has
            // AVX512-BF16.
            unsafe { product.run(unit) };
            for i in 0..rows {
                for j in 0..columns {
                    let exact: f32 =
                        (0..depth).map(|k| number(i * depth + k) * number(k * 53 + j)).sum();
                    assert_eq!(c[i * columns + j], exact, "{unit:?}: {i}, {j}");
                }
            }
        }
    }
}
