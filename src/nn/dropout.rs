//! Dropout.

use candle_core::{Result, Tensor};

use super::cpu;
use super::gpu::GpuOp;
use super::gradients::Gradient;
use super::noise::{CHUNK, DropoutMask};
use super::tape::{CpuOp, CpuOutput, Node, Op, Tape, TensorView};

/// Drops numbers of `x` with the given probability, if the tape has noise.
pub fn dropout(tape: &Tape, x: &Node, probability: f32) -> Result<Node> {
    match tape.dropout_mask(probability) {
        Some(mask) => tape.apply(Dropout { mask }, &[x]),
        None => Ok(x.clone()),
    }
}

/// Numbers that one task works on, a multiple of [`CHUNK`].
const BLOCK: usize = 16 * CHUNK;

impl DropoutMask {
    /// The numbers of `x` after dropout.
    pub(super) fn times(&self, x: &[f32]) -> Vec<f32> {
        cpu::build(x.len(), BLOCK, |start, y| {
            cpu::vectorised!({
                y.copy_from_slice(&x[start..][..y.len()]);
                self.apply(start, y);
            });
        })
    }
}

/// `mask * x`.
#[derive(Debug)]
pub struct Dropout {
    /// What is dropped.
    pub mask: DropoutMask,
}

impl Op for Dropout {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        x * self.mask.tensor(x.shape(), x.device())?.to_dtype(x.dtype())?
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl CpuOp for Dropout {
    fn forward(&self, inputs: &[TensorView<'_>], _save: bool) -> Result<CpuOutput> {
        Ok(CpuOutput::new(self.mask.times(inputs[0].data), inputs[0].dims))
    }

    fn backward(
        &self,
        _inputs: &[TensorView<'_>],
        _kept: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        Ok(vec![Some(Gradient::Dense(self.mask.times(gradient)))])
    }
}
