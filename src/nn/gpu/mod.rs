//! The operations on a GPU: kernels in CUDA C++ (`kernels/`), matrix products by cuBLAS, and what
//! leads to them.
//!
//! Only the lowest floor, `backend`, knows what runs a kernel: CUDA, or, with the feature
//! `cuda-emulation`, the CPU in its place, so that all the rest is tested where there is no GPU.
//! Tensors are f32, or with [`Precision::Bf16`] bfloat16 between operations; parameters, their
//! gradients, norms, softmax and losses are f32 always.

pub mod adamw;
mod attention;
pub(super) mod backend;
pub(super) mod copies;
#[cfg(feature = "cuda")]
mod cuda;
mod elementwise;
mod embedding;
#[cfg(feature = "cuda-emulation")]
mod emulated;
mod launch;
mod layer_norm;
mod linear;
#[cfg(feature = "cuda")]
mod products;
mod rotary;
mod sums;

use candle_core::{Result, Tensor};

pub use backend::holds;
pub use copies::{Stacked, scatter};
#[cfg(feature = "cuda")]
pub use cuda::open;
pub use embedding::TABLES;

use super::gradients::GradientSum;
use super::precision::Precision;

/// The GPU form of an [`super::tape::Op`]. All tensors are contiguous, f32 or bfloat16, and on one
/// GPU.
pub trait GpuOp {
    /// Computes the result, and if asked to `save`, what the backward pass needs beside the inputs.
    ///
    /// # Errors
    /// If the inputs do not fit, or the GPU fails.
    fn forward(&self, context: &GpuContext, inputs: &[Tensor]) -> Result<GpuOutput>;

    /// The gradients of the inputs, each in its input's type, from that of the result; an entry may
    /// be `None` where `needed` is false.
    ///
    /// # Errors
    /// If the GPU fails.
    fn backward(
        &self,
        inputs: &[Tensor],
        saved: &[Tensor],
        gradient: &Tensor,
        needed: &[bool],
    ) -> Result<Vec<Option<GradientSum>>>;
}

/// What an operation is told of the pass that it is part of.
#[derive(Debug)]
pub struct GpuContext<'a> {
    /// Whether there will be a backward pass.
    pub save: bool,
    /// In which type tensors stand between operations.
    pub precision: Precision,
    /// What the batch's earlier operations uploaded.
    pub uploads: &'a Uploads,
}

/// The result of a forward pass on a GPU, and what its backward pass needs.
#[derive(Debug)]
pub struct GpuOutput {
    /// The result.
    pub result: Tensor,
    /// What the backward pass needs.
    pub saved: Vec<Tensor>,
}

pub use attention::Uploads;
