//! Root mean square normalisation (Zhang and Sennrich, NeurIPS 2019).

use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use super::cpu::{self, UninitBuffer};
use super::gradients::Gradient;
use super::params::{Init, Scope};
use super::tape::{CpuOp, CpuOutput, Node, Op, Tape, TensorView};

/// Scales each row to a mean square of 1, then each column by a weight, as transformers'
/// `LlamaRMSNorm`.
#[derive(Debug, Clone)]
pub struct RmsNorm {
    weight: Node, // (width)
    eps: f64,
}

impl RmsNorm {
    /// Takes `weight` from the scope.
    ///
    /// # Errors
    /// If it is missing or has another shape.
    pub fn load(scope: &Scope, width: usize, eps: f64) -> Result<Self> {
        Ok(Self { weight: scope.param("weight", width, Init::Ones)?, eps })
    }

    /// (rows, width) to (rows, width).
    pub fn forward(&self, tape: &Tape, x: &Node) -> Result<Node> {
        tape.apply(NormaliseRms { eps: self.eps }, &[x, &self.weight])
    }
}

/// `x / sqrt(mean(x²) + eps) * weight` for each row; the inputs are x and weight. It has no GPU
/// form of its own: there it runs on candle's operations.
#[derive(Debug)]
pub struct NormaliseRms {
    /// Keeps the square root away from zero.
    pub eps: f64,
}

/// Rows that one task works on. The sums over rows are made block by block, so no number of threads
/// changes them.
const BLOCK: usize = 32;

impl Op for NormaliseRms {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let [x, weight] = inputs else { candle_core::bail!("an RMS norm takes x and weight") };
        let root = (x.sqr()?.mean_keepdim(D::Minus1)? + self.eps)?.sqrt()?;
        x.broadcast_div(&root)?.broadcast_mul(weight)
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }
}

impl CpuOp for NormaliseRms {
    fn forward(&self, inputs: &[TensorView<'_>], _save: bool) -> Result<CpuOutput> {
        let [x, weight] = inputs else { candle_core::bail!("an RMS norm takes x and weight") };
        let n = x.width();
        if weight.data.len() != n {
            candle_core::bail!("{:?} rows do not fit a norm of {:?}", x.dims, weight.dims);
        }
        let y = cpu::build(x.data.len(), BLOCK * n, |start, y| {
            cpu::vectorised!({
                for (y, x) in y.chunks_exact_mut(n).zip(x.data[start..].chunks_exact(n)) {
                    let scale = scale_of(x, self.eps as f32);
                    for ((y, x), weight) in y.iter_mut().zip(x).zip(weight.data) {
                        *y = x * scale * weight;
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
        let blocks: Vec<Vec<f32>> = dx
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
        let mut dw = vec![0.0; n];
        for block in blocks {
            dw.iter_mut().zip(block).for_each(|(sum, part)| *sum += part);
        }
        Ok([dx, dw].map(|gradient| Some(Gradient::Dense(gradient))).into())
    }
}

/// One over the root mean square of a row.
#[inline(always)]
fn scale_of(x: &[f32], eps: f32) -> f32 {
    1.0 / (cpu::sum(x.len(), |i| x[i] * x[i]) / x.len() as f32 + eps).sqrt()
}

/// Writes the gradient of some rows to `dx`, and returns that of the weight.
#[inline(always)]
fn backward_rows(dx: &mut [f32], x: &[f32], dy: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let n = weight.len();
    let mut dw = vec![0.0; n];
    for ((dx, x), dy) in dx.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(dy.chunks_exact(n)) {
        let scale = scale_of(x, eps);
        for (i, dw) in dw.iter_mut().enumerate() {
            *dw = dy[i].mul_add(x[i] * scale, *dw);
            dx[i] = dy[i] * weight[i];
        }
        let pull = cpu::sum(n, |i| dx[i] * x[i]) * scale * scale / n as f32;
        for (dx, x) in dx.iter_mut().zip(x) {
            *dx = scale * (*dx - x * pull);
        }
    }
    dw
}
