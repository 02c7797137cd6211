//! The activation functions of feed-forward layers and heads.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::cpu;
use super::gradients::Gradient;
use super::math::{erf, exp};
use super::tape::{Kernel, Node, Op, Output, Tape, View};

/// A function of each number on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)` with the exact normal distribution function: `gelu` in a checkpoint's config.
    Gelu,
    /// GELU's approximation by tanh: `gelu_new`, `gelu_pytorch_tanh`.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x σ(x)`: `silu`, `swish`.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// `2 σ(x) - 1`: the paper's "sigmoid" onto [-1, 1].
    ScaledSigmoid,
}

/// Numbers that one task works on.
const BLOCK: usize = 8192;

const SQRT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;

impl Activation {
    /// The function that a checkpoint's `hidden_act` names.
    pub fn from_config(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            "silu" | "swish" => Some(Self::Silu),
            "tanh" => Some(Self::Tanh),
            _ => None,
        }
    }

    /// The function of each number of `x`.
    pub fn forward(self, tape: &Tape, x: &Node) -> Result<Node> {
        tape.apply(self, &[x])
    }
}

impl Op for Activation {
    fn portable(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        match self {
            Self::Gelu => (x * 0.5)? * ((x * f64::sqrt(0.5))?.erf()? + 1.0)?,
            Self::GeluTanh => {
                let inner = ((x.powf(3.0)? * 0.044715)? + x)?;
                (x * 0.5)? * ((inner * f64::sqrt(2.0 / std::f64::consts::PI))?.tanh()? + 1.0)?
            }
            Self::Relu => x.relu(),
            Self::Silu => x * sigmoid(x)?,
            Self::Tanh => x.tanh(),
            Self::ScaledSigmoid => sigmoid(x)?.affine(2.0, -1.0),
        }
    }

    fn kernel(&self) -> Option<&dyn Kernel> {
        match self {
            Self::Gelu => Some(&ExactGelu),
            _ => None,
        }
    }
}

/// `σ(x) = (1 + tanh(x / 2)) / 2`, which neither overflows nor loses its gradient.
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x * 0.5)?.tanh()?.affine(0.5, 0.5)
}

/// The kernel of [`Activation::Gelu`].
struct ExactGelu;

impl Kernel for ExactGelu {
    fn forward(&self, inputs: &[View<'_>]) -> Result<Output> {
        let x = inputs[0];
        let mut y = vec![0.0; x.data.len()];
        y.par_chunks_mut(BLOCK).zip(x.data.par_chunks(BLOCK)).for_each(|(y, x)| {
            cpu::vectorised(|| {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = 0.5 * x * (1.0 + erf(x * SQRT_HALF));
                }
            });
        });
        Ok(Output::new(y, x.dims))
    }

    fn backward(
        &self,
        inputs: &[View<'_>],
        _kept: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        const DENSITY_AT_ZERO: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
        let x = inputs[0].data;
        let mut dx = vec![0.0; x.len()];
        let blocks = dx.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).zip(gradient.par_chunks(BLOCK));
        blocks.for_each(|((dx, x), dy)| {
            cpu::vectorised(|| {
                for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
                    let distribution = 0.5 * (1.0 + erf(x * SQRT_HALF));
                    let density = DENSITY_AT_ZERO * exp(-0.5 * x * x);
                    *dx = dy * (distribution + x * density);
                }
            });
        });
        Ok(vec![Some(Gradient::Dense(dx))])
    }
}
