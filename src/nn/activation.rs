//! The activation functions of feed-forward layers and heads.

use candle_core::{Result, Tensor};

use super::cpu;
use super::gpu::GpuOp;
use super::gradients::Gradient;
use super::math::{erf, exp, sigmoid, tanh};
use super::tape::{CpuOp, CpuOutput, Node, Op, Tape, TensorView};

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

impl Activation {
    /// The function that a `key` of a checkpoint's `config.json` names, such as `hidden_act`.
    ///
    /// # Errors
    /// If it is not known.
    pub fn from_config(key: &str, name: &str) -> Result<Self> {
        match name {
            "gelu" => Ok(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Self::GeluTanh),
            "relu" => Ok(Self::Relu),
            "silu" | "swish" => Ok(Self::Silu),
            "tanh" => Ok(Self::Tanh),
            _ => candle_core::bail!("{key} \"{name}\" is not known"),
        }
    }

    /// Its number in the GPU's kernels, in which 0 is no function.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Gelu => 1,
            Self::GeluTanh => 2,
            Self::Relu => 3,
            Self::Silu => 4,
            Self::Tanh => 5,
            Self::ScaledSigmoid => 6,
        }
    }

    /// The function of each number of `x`.
    pub fn forward(self, tape: &Tape, x: &Node) -> Result<Node> {
        tape.apply(self, &[x])
    }
}

impl Op for Activation {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        match self {
            Self::Gelu => (x * 0.5)? * ((x * f64::sqrt(0.5))?.erf()? + 1.0)?,
            Self::GeluTanh => {
                let inner = ((x.powf(3.0)? * 0.044715)? + x)?;
                (x * 0.5)? * ((inner * f64::sqrt(2.0 / std::f64::consts::PI))?.tanh()? + 1.0)?
            }
            Self::Relu => x.relu(),
            Self::Silu => x * reference_sigmoid(x)?,
            Self::Tanh => x.tanh(),
            Self::ScaledSigmoid => reference_sigmoid(x)?.affine(2.0, -1.0),
        }
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

/// `σ(x) = (1 + tanh(x / 2)) / 2`, which neither overflows nor loses its gradient.
pub(super) fn reference_sigmoid(x: &Tensor) -> Result<Tensor> {
    (x * 0.5)?.tanh()?.affine(0.5, 0.5)
}

impl CpuOp for Activation {
    fn forward(&self, inputs: &[TensorView<'_>], _save: bool) -> Result<CpuOutput> {
        let x = inputs[0];
        let y = cpu::build(x.data.len(), BLOCK, |start, y| {
            y.copy_from_slice(&x.data[start..][..y.len()]);
            self.apply(y, &mut []);
        });
        Ok(CpuOutput::new(y, x.dims))
    }

    fn backward(
        &self,
        inputs: &[TensorView<'_>],
        _kept: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let x = inputs[0].data;
        let dx = cpu::build(x.len(), BLOCK, |start, dx| {
            let mut y = x[start..][..dx.len()].to_vec();
            self.apply(&mut y, dx);
            cpu::vectorised!(dx.iter_mut().zip(&gradient[start..]).for_each(|(dx, dy)| *dx *= dy));
        });
        Ok(vec![Some(Gradient::Dense(dx))])
    }
}

impl Activation {
    /// Replaces each number of `x` by the function's value, and writes the function's slope there
    /// to `slopes`, unless that is empty.
    pub(super) fn apply(self, x: &mut [f32], slopes: &mut [f32]) {
        match self {
            Self::Gelu => each(x, slopes, |x| {
                const DENSITY_AT_ZERO: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
                let distribution = 0.5f32.mul_add(erf(x * std::f32::consts::FRAC_1_SQRT_2), 0.5);
                let density = move || DENSITY_AT_ZERO * exp(-0.5 * x * x);
                (x * distribution, move || x.mul_add(density(), distribution))
            }),
            Self::GeluTanh => each(x, slopes, |x| {
                const SCALE: f32 = 0.797_884_6; // sqrt(2 / pi)
                let inner = SCALE * x * (0.044_715 * x).mul_add(x, 1.0);
                let s = sigmoid(2.0 * inner);
                let slope = SCALE * (3.0 * 0.044_715 * x).mul_add(x, 1.0);
                (x * s, move || (2.0 * x * slope * s).mul_add(1.0 - s, s))
            }),
            Self::Relu => {
                each(x, slopes, |x| (x.max(0.0), move || if x > 0.0 { 1.0 } else { 0.0 }))
            }
            Self::Silu => each(x, slopes, |x| {
                let s = sigmoid(x);
                (x * s, move || (x * s).mul_add(1.0 - s, s))
            }),
            Self::Tanh => each(x, slopes, |x| {
                let y = tanh(x);
                (y, move || (-y).mul_add(y, 1.0))
            }),
            Self::ScaledSigmoid => each(x, slopes, |x| {
                let s = sigmoid(x);
                (2.0f32.mul_add(s, -1.0), move || 2.0 * s * (1.0 - s))
            }),
        }
    }
}

/// Applies a function that gives its value and, if asked, its slope.
#[inline(always)]
fn each<F: Fn() -> f32>(x: &mut [f32], slopes: &mut [f32], function: impl Fn(f32) -> (f32, F)) {
    cpu::vectorised!(match slopes {
        [] => x.iter_mut().for_each(|x| *x = function(*x).0),
        slopes => x.iter_mut().zip(slopes).for_each(|(x, to)| {
            let (value, slope) = function(*x);
            (*x, *to) = (value, slope());
        }),
    });
}
