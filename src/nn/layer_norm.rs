//! Layer normalisation.

use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use super::cpu::{self, UninitBuffer};
use super::gpu::GpuOp;
use super::gradients::Gradient;
use super::params::{Init, Scope};
use super::tape::{CpuOp, CpuOutput, Node, Op, Tape, TensorView};

/// Normalises each row to mean 0 and variance 1, then scales and shifts it, as
/// `torch.nn.LayerNorm`.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Node, // (width)
    bias: Node,   // (width)
    eps: f64,
}

impl LayerNorm {
    /// Takes `weight` and `bias` from the scope.
    ///
    /// # Errors
    /// If one is missing or has another shape.
    pub fn load(scope: &Scope, width: usize, eps: f64) -> Result<Self> {
        Ok(Self {
            weight: scope.param("weight", width, Init::Ones)?,
            bias: scope.param("bias", width, Init::Zeros)?,
            eps,
        })
    }

    /// Takes `weight` from the scope, and no bias.
    ///
    /// # Errors
    /// If it is missing or has another shape.
    pub fn load_without_bias(scope: &Scope, width: usize, eps: f64) -> Result<Self> {
        Ok(Self {
            weight: scope.param("weight", width, Init::Ones)?,
            bias: scope.zeros(width)?,
            eps,
        })
    }

    /// (rows, width) to (rows, width).
    pub fn forward(&self, tape: &Tape, x: &Node) -> Result<Node> {
        tape.apply(Normalise { eps: self.eps }, &[x, &self.weight, &self.bias])
    }
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` for each row; the inputs are x, weight and
/// bias.
#[derive(Debug)]
pub struct Normalise {
    /// Keeps the square root away from zero.
    pub eps: f64,
}

/// Rows that one task works on. The sums over rows are made block by block, so no number of threads
/// changes them.
const BLOCK: usize = 32;

impl Op for Normalise {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let [x, weight, bias] = inputs else {
            candle_core::bail!("layer norm takes x, weight and bias")
        };
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + self.eps)?.sqrt()?;
        centred.broadcast_div(&deviation)?.broadcast_mul(weight)?.broadcast_add(bias)
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl CpuOp for Normalise {
    fn forward(&self, inputs: &[TensorView<'_>], _save: bool) -> Result<CpuOutput> {
        let [x, weight, bias] = inputs else {
            candle_core::bail!("layer norm takes x, weight and bias")
        };
        let n = x.width();
        if weight.data.len() != n || bias.data.len() != n {
            candle_core::bail!("{:?} rows do not fit a norm of {:?}", x.dims, weight.dims);
        }
        let y = cpu::build(x.data.len(), BLOCK * n, |start, y| {
            cpu::vectorised!({
                for (y, x) in y.chunks_exact_mut(n).zip(x.data[start..].chunks_exact(n)) {
                    let (mean, scale) = mean_and_scale(x, self.eps as f32);
                    let affine = weight.data.iter().zip(bias.data);
                    for ((y, x), (weight, bias)) in y.iter_mut().zip(x).zip(affine) {
                        *y = ((x - mean) * scale).mul_add(*weight, *bias);
                    }
                }
            });
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
        let (x, weight) = (inputs[0], inputs[1].data);
        let n = x.width();
        let mut dx = UninitBuffer::new(x.data.len());
        let blocks: Vec<(Vec<f32>, Vec<f32>)> = dx
            .pieces(x.data.chunks(BLOCK * n).map(<[f32]>::len))
            .into_par_iter()
            .zip(x.data.par_chunks(BLOCK * n))
            .zip(gradient.par_chunks(BLOCK * n))
            .map(|((dx, x), dy)| {
                let dx = dx.zeroed();
                cpu::vectorised!(backward_rows(dx, x, dy, weight, self.eps as f32))
            })
            .collect();
        let dx = dx.finish();
        let (mut dw, mut db) = (vec![0.0; n], vec![0.0; n]);
        for (block_dw, block_db) in blocks {
            dw.iter_mut().zip(block_dw).for_each(|(sum, part)| *sum += part);
            db.iter_mut().zip(block_db).for_each(|(sum, part)| *sum += part);
        }
        Ok([dx, dw, db].map(|gradient| Some(Gradient::Dense(gradient))).into())
    }
}

/// The mean of a row, and one over its standard deviation.
#[inline(always)]
fn mean_and_scale(x: &[f32], eps: f32) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = cpu::sum(x.len(), |i| x[i]) / n;
    let variance = cpu::sum(x.len(), |i| (x[i] - mean) * (x[i] - mean)) / n;
    (mean, 1.0 / (variance + eps).sqrt())
}

/// Writes the gradient of some rows to `dx`, and returns those of weight and bias.
#[inline(always)]
fn backward_rows(
    dx: &mut [f32],
    x: &[f32],
    dy: &[f32],
    weight: &[f32],
    eps: f32,
) -> (Vec<f32>, Vec<f32>) {
    let n = weight.len();
    let (mut dw, mut db) = (vec![0.0; n], vec![0.0; n]);
    for ((dx, x), dy) in dx.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(dy.chunks_exact(n)) {
        let (mean, scale) = mean_and_scale(x, eps);
        // The gradient of the normal row stands in dx until both of its means are known.
        for (i, (dw, db)) in dw.iter_mut().zip(&mut db).enumerate() {
            *dw = dy[i].mul_add((x[i] - mean) * scale, *dw);
            *db += dy[i];
            dx[i] = dy[i] * weight[i];
        }
        let mean_gradient = cpu::sum(n, |i| dx[i]) / n as f32;
        let mean_product = cpu::sum(n, |i| dx[i] * (x[i] - mean)) * scale / n as f32;
        for (dx, x) in dx.iter_mut().zip(x) {
            *dx = scale * (*dx - mean_gradient - (x - mean) * scale * mean_product);
        }
    }
    (dw, db)
}
