//! Rounding to bfloat16, and what this CPU multiplies such numbers with.

use std::sync::LazyLock;

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
    if cfg!(miri) {
        return None; // it knows neither
    }
    let has_dot_product = std::arch::is_x86_feature_detected!("avx512bf16");
    if super::amx::is_available() {
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

/// `x` rounded to the nearest bfloat16, ties to even.
#[inline(always)]
pub(super) fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    // NaN stays NaN: its upper half alone could look like infinity.
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
}
