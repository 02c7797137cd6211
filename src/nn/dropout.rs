//! Dropout, and the residual connection that it usually stands in.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::cpu;
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

/// `dropout(x) + residual`.
pub fn residual(tape: &Tape, x: &Node, residual: &Node, probability: f32) -> Result<Node> {
    tape.apply(Residual { mask: tape.mask(probability) }, &[x, residual])
}

/// Numbers that one task works on, a multiple of [`CHUNK`].
const BLOCK: usize = 16 * CHUNK;

/// Multiplies the numbers by the mask, block by block on all threads.
fn apply_in_blocks(mask: &Mask, values: &mut [f32]) {
    values.par_chunks_mut(BLOCK).enumerate().for_each(|(number, block)| {
        cpu::vectorised(|| mask.apply(number * BLOCK, block));
    });
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
}

impl Kernel for Dropout {
    fn forward(&self, inputs: &[View<'_>]) -> Result<Output> {
        let mut y = inputs[0].data.to_vec();
        apply_in_blocks(&self.mask, &mut y);
        Ok(Output::new(y, inputs[0].dims))
    }

    fn backward(
        &self,
        _inputs: &[View<'_>],
        _kept: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let mut dx = gradient.to_vec();
        apply_in_blocks(&self.mask, &mut dx);
        Ok(vec![Some(Gradient::Dense(dx))])
    }
}

/// `mask * x + residual`; the inputs are x and the residual.
#[derive(Debug)]
pub struct Residual {
    /// What is dropped of x, if anything.
    pub mask: Option<Mask>,
}

impl Op for Residual {
    fn portable(&self, inputs: &[Tensor]) -> Result<Tensor> {
        match self.mask {
            Some(mask) => Dropout { mask }.portable(&inputs[..1])? + &inputs[1],
            None => &inputs[0] + &inputs[1],
        }
    }

    fn kernel(&self) -> Option<&dyn Kernel> {
        Some(self)
    }
}

impl Kernel for Residual {
    fn forward(&self, inputs: &[View<'_>]) -> Result<Output> {
        let [x, residual] = inputs else { candle_core::bail!("a residual connection takes two inputs") };
        if x.dims != residual.dims {
            candle_core::bail!("{:?} cannot be added to a residual of {:?}", x.dims, residual.dims);
        }
        let mut y = x.data.to_vec();
        y.par_chunks_mut(BLOCK).zip(residual.data.par_chunks(BLOCK)).enumerate().for_each(
            |(number, (y, residual))| {
                cpu::vectorised(|| {
                    if let Some(mask) = &self.mask {
                        mask.apply(number * BLOCK, y);
                    }
                    y.iter_mut().zip(residual).for_each(|(y, residual)| *y += residual);
                });
            },
        );
        Ok(Output::new(y, x.dims))
    }

    fn backward(
        &self,
        _inputs: &[View<'_>],
        _kept: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let mut dx = gradient.to_vec();
        if let Some(mask) = &self.mask {
            apply_in_blocks(mask, &mut dx);
        }
        Ok(vec![Some(Gradient::Dense(dx)), Some(Gradient::Dense(gradient.to_vec()))])
    }
}
