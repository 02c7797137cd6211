//! The operations on a GPU: kernels in CUDA C++ (`kernels/`), matrix products by cuBLAS, and what leads to them.
//!
//! Only the lowest floor, [`machine`], knows what runs a kernel: CUDA, or, with the feature `cuda-emulation`, the CPU in its
//! place, so that all the rest is tested where there is no GPU. Tensors are f32, or with [`Precision::Bf16`] bfloat16
//! between operations; parameters, their gradients, norms, softmax and losses are f32 always.

pub mod adamw;
mod attention;
#[cfg(feature = "cuda")]
mod cuda;
mod elementwise;
mod embedding;
#[cfg(feature = "cuda-emulation")]
mod emulated;
mod layer_norm;
pub mod linear;
mod machine;
mod rotary;

use candle_core::{DType, Result, Tensor};

#[cfg(feature = "cuda")]
pub use cuda::open;
pub use embedding::{TABLES, scatter};
pub use machine::holds;

use super::gradients::Sum;
use super::noise::Mask;
use super::precision::Precision;
use machine::{Arg, Factor, fresh, launch, product};

/// The GPU form of an [`super::tape::Op`]. All tensors are contiguous, f32 or bfloat16, and on one GPU.
pub trait Fused {
    /// Computes the result, and if asked to `keep`, what the backward pass needs beside the inputs.
    ///
    /// # Errors
    /// If the inputs do not fit, or the GPU fails.
    fn forward(&self, pass: &Pass, inputs: &[Tensor]) -> Result<Fusion>;

    /// The gradients of the inputs, each in its input's type, from that of the result; an entry may be `None` where
    /// `wanted` is false.
    ///
    /// # Errors
    /// If the GPU fails.
    fn backward(
        &self,
        inputs: &[Tensor],
        kept: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Sum>>>;
}

/// What an operation is told of the pass that it is part of.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Whether there will be a backward pass.
    pub keep: bool,
    /// In which type tensors stand between operations.
    pub precision: Precision,
    /// What the batch's earlier operations uploaded.
    pub uploads: &'a Uploads,
}

/// What an operation gives.
#[derive(Debug)]
pub struct Fusion {
    /// The result.
    pub result: Tensor,
    /// What the backward pass needs.
    pub kept: Vec<Tensor>,
}

pub use attention::Uploads;

/// The type of activations.
fn dtype(precision: Precision) -> DType {
    match precision {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::BF16,
    }
}

/// The end of a kernel's name for tensors of this type.
fn suffix(dtype: DType) -> Result<&'static str> {
    match dtype {
        DType::F32 => Ok("f32"),
        DType::BF16 => Ok("bf16"),
        other => candle_core::bail!("the GPU kernels take f32 and bf16, not {other:?}"),
    }
}

/// How a mask stands among a kernel's arguments.
fn mask_args(mask: Option<&Mask>) -> [Arg<'static>; 7] {
    let ([k0, k1, s0, s1, s2], dropped, scale) = mask.map_or(([0; 5], 0, 1.0), Mask::words);
    [k0.into(), k1.into(), s0.into(), s1.into(), s2.into(), dropped.into(), scale.into()]
}

/// The threads of a kernel that has four numbers a thread.
fn by_fours(numbers: usize) -> usize {
    numbers.div_ceil(4)
}

/// Rows of which one thread adds up a column.
const ROWS_A_THREAD: usize = 32;

/// `Σ rows` of (rows, width): (width) in f32.
fn column_sums(x: &Tensor) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    let chunks = rows.div_ceil(ROWS_A_THREAD);
    let partial = fresh((chunks, width), DType::F32, x.device())?;
    let args = [(&partial).into(), x.into(), rows.into(), width.into(), ROWS_A_THREAD.into()];
    launch("column_sums", suffix(x.dtype())?, chunks * width, &args)?;
    sum_partials(&partial)
}

/// `Σ rows` of a few f32 rows.
fn sum_partials(partial: &Tensor) -> Result<Tensor> {
    let (chunks, width) = partial.dims2()?;
    let sums = fresh(width, DType::F32, partial.device())?;
    launch("sum_partials", "f32", width, &[(&sums).into(), partial.into(), chunks.into(), width.into()])?;
    Ok(sums)
}
