//! What a GPU is asked for: kernels with their arguments, and products.

use candle_core::{DType, Result, Tensor};

use crate::nn::noise::DropoutMask;
use crate::nn::precision::Precision;

/// The threads of a block: four warps.
pub(super) const BLOCK: usize = 128;

/// What a kernel is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg<'a> {
    /// The address of a contiguous tensor's number `.1`.
    At(&'a Tensor, usize),
    /// A number, or an address, in the lowest bits.
    Bits(u64),
}

impl Arg<'_> {
    /// The address of nothing.
    pub(super) const NULL: Self = Self::Bits(0);
}

impl<'a> From<&'a Tensor> for Arg<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Self::At(tensor, 0)
    }
}

impl From<usize> for Arg<'_> {
    fn from(number: usize) -> Self {
        Self::Bits(number as u64)
    }
}

impl From<u32> for Arg<'_> {
    fn from(number: u32) -> Self {
        Self::Bits(number.into())
    }
}

impl From<f32> for Arg<'_> {
    fn from(number: f32) -> Self {
        Self::Bits(number.to_bits().into())
    }
}

/// A factor of a product: a contiguous matrix, or that matrix transposed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factor<'a> {
    pub(super) matrix: &'a Tensor,
    pub(super) is_transposed: bool,
}

impl<'a> Factor<'a> {
    /// The matrix as it is.
    pub(super) fn plain(matrix: &'a Tensor) -> Self {
        Self { matrix, is_transposed: false }
    }

    /// The matrix transposed.
    pub(super) fn transposed(matrix: &'a Tensor) -> Self {
        Self { matrix, is_transposed: true }
    }

    pub(super) fn dims(self) -> Result<(usize, usize)> {
        let (rows, columns) = self.matrix.dims2()?;
        Ok(if self.is_transposed { (columns, rows) } else { (rows, columns) })
    }
}

/// `to = a b`, of which all sizes are known to fit: (m, k) and (k, n) to (m, n).
#[derive(Debug)]
pub(super) struct Product<'a> {
    pub(super) a: Factor<'a>,
    pub(super) b: Factor<'a>,
    pub(super) to: &'a Tensor,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
}

/// The type of activations.
pub(super) fn dtype(precision: Precision) -> DType {
    match precision {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::BF16,
    }
}

/// The end of a kernel's name for tensors of this type.
pub(super) fn suffix(dtype: DType) -> Result<&'static str> {
    match dtype {
        DType::F32 => Ok("f32"),
        DType::BF16 => Ok("bf16"),
        other => candle_core::bail!("the GPU kernels take f32 and bf16, not {other:?}"),
    }
}

/// The end of the name of a kernel that reads rows of this width eight numbers at a time.
pub(super) fn of_rows(dtype: DType, width: usize) -> Result<&'static str> {
    Ok(match (suffix(dtype)?, width.is_multiple_of(8)) {
        (whole, true) => whole,
        ("f32", false) => "f32_any",
        (_, false) => "bf16_any",
    })
}

/// How a mask stands among a kernel's arguments.
pub(super) fn mask_args(mask: Option<&DropoutMask>) -> [Arg<'static>; 7] {
    let ([k0, k1, s0, s1, s2], dropped, scale) = mask.map_or(([0; 5], 0, 1.0), DropoutMask::words);
    [k0.into(), k1.into(), s0.into(), s1.into(), s2.into(), dropped.into(), scale.into()]
}

/// The threads of a kernel that has four numbers a thread.
pub(super) fn by_fours(numbers: usize) -> usize {
    numbers.div_ceil(4)
}
