//! Weights in the form that products read.

use std::sync::Arc;

use super::cpu::Rhs;
use super::gpu::Stacked;

/// The weights of layers as products read them.
#[derive(Debug, Clone)]
pub enum PackedWeights {
    /// For the CPU.
    Cpu(Arc<Rhs>),
    /// For a GPU.
    Gpu(Stacked),
}
