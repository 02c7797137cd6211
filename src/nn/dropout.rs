//! Dropout.

use candle_core::{Result, Tensor};

use super::cpu;
use super::gpu::Fused;
use super::gradients::Gradient;
use super::noise::{CHUNK, Mask};
use super::tape::{Kernel, Node, Op, Output, Tape, View};

/// Drops numbers of `x` with the given probability, if the tape has noise.
pub fn dropout(tape: &Tape, x: &Node, probability: f32) -> Result<Node> {
    match tape.mask(probability) {
        Some(mask) => tape.apply(Dropout { mask }, &[x]),
        None => Ok(x.clone()),
    }
}

/// Numbers that one task works on, a multiple of [`CHUNK`].
const BLOCK: usize = 16 * CHUNK;

impl Mask {
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
    pub mask: Mask,
}

impl Op for Dropout {
    fn portable(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        x * self.mask.tensor(x.shape(), x.device())?.to_dtype(x.dtype())?
    }

    fn kernel(&self) -> Option<&dyn Kernel> {
        Some(self)
    }

    fn fused(&self) -> Option<&dyn Fused> {
        Some(self)
    }
}

impl Kernel for Dropout {
    fn forward(&self, inputs: &[View<'_>], _keep: bool) -> Result<Output> {
        Ok(Output::new(self.mask.times(inputs[0].data), inputs[0].dims))
    }

    fn backward(
        &self,
        _inputs: &[View<'_>],
        _kept: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        Ok(vec![Some(Gradient::Dense(self.mask.times(gradient)))])
    }
}
