//! Weights in the form that products read.

use std::sync::Arc;

use candle_core::Result;

use super::cpu::{self, Matrix, Rhs};
use super::gpu::Stacked;
use super::tape::{Node, Tape};

/// The weights of layers as products read them.
#[derive(Debug, Clone)]
pub enum PackedWeights {
    /// For the CPU.
    Cpu(Arc<Rhs>),
    /// For a GPU.
    Gpu(Stacked),
}

/// The right-hand side of `x weightᵀ` as products on a CPU read it, if the tape keeps it for a
/// weight that is there.
pub(super) fn transposed(tape: &Tape, weight: &Node) -> Result<Option<PackedWeights>> {
    if !cpu::holds(weight.tensor()) {
        return Ok(None);
    }
    tape.packed_weights(std::iter::once(weight), || {
        let (values, width) = (cpu::values(weight.tensor())?, weight.tensor().dim(1)?);
        let rhs = Rhs::beside(&[Matrix::new(&values, width).t()], tape.precision());
        Ok(PackedWeights::Cpu(Arc::new(rhs)))
    })
}
