//! The linear layer, and several of them on the same rows in one go.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::cpu::{self, Matrix, MatrixMut, Threads, Write, matmul};
use super::gradients::Gradient;
use super::params::{Init, Scope};
use super::tape::{Kernel, Node, Op, Output, Tape, View};

/// `y = x Wᵀ + b`, as `torch.nn.Linear`.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Node, // (out, in)
    bias: Node,   // (out)
}

impl Linear {
    /// Takes `weight` and `bias` from the scope.
    ///
    /// # Errors
    /// If one is missing or has another shape.
    pub fn load(scope: &Scope, inputs: usize, outputs: usize) -> Result<Self> {
        Ok(Self {
            weight: scope.param("weight", (outputs, inputs), Init::Normal)?,
            bias: scope.param("bias", outputs, Init::Zeros)?,
        })
    }

    /// (rows, in) to (rows, out).
    pub fn forward(&self, tape: &Tape, x: &Node) -> Result<Node> {
        joined(tape, x, &[self])
    }
}

/// Several layers on the same rows, their results side by side: (rows, in) to (rows, out₁ + out₂ + …).
pub fn joined(tape: &Tape, x: &Node, layers: &[&Linear]) -> Result<Node> {
    let parameters = layers.iter().flat_map(|layer| [&layer.weight, &layer.bias]);
    tape.apply(Joined, &std::iter::once(x).chain(parameters).collect::<Vec<_>>())
}

/// `[x W₁ᵀ + b₁ | x W₂ᵀ + b₂ | …]`; the inputs are x, W₁, b₁, W₂, b₂, …
#[derive(Debug)]
pub struct Joined;

impl Op for Joined {
    fn portable(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let results = inputs[1..]
            .chunks(2)
            .map(|layer| inputs[0].matmul(&layer[0].t()?.contiguous()?)?.broadcast_add(&layer[1]))
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&results, 1)
    }

    fn kernel(&self) -> Option<&dyn Kernel> {
        Some(self)
    }
}

impl Kernel for Joined {
    fn forward(&self, inputs: &[View<'_>]) -> Result<Output> {
        let [x, layers @ ..] = inputs else { candle_core::bail!("a linear layer without input") };
        let rows = x.rows();
        let width = layers.chunks(2).map(|layer| layer[1].data.len()).sum();
        let mut y = Vec::with_capacity(rows * width);
        for _ in 0..rows {
            layers.chunks(2).for_each(|layer| y.extend_from_slice(layer[1].data));
        }
        let mut start = 0;
        for layer in layers.chunks(2) {
            let (weight, out) = (layer[0], layer[1].data.len());
            if weight.width() != x.width() || weight.rows() != out {
                candle_core::bail!("{:?} rows do not fit a weight of {:?}", x.dims, weight.dims);
            }
            let to = MatrixMut::new(&mut y, width).columns(start, out);
            let (a, b) = (Matrix::new(x.data, x.width()), Matrix::new(weight.data, weight.width()).t());
            matmul(to, Write::Add, a, b, 1.0, Threads::All);
            start += out;
        }
        Ok(Output::new(y, (rows, width)))
    }

    fn backward(
        &self,
        inputs: &[View<'_>],
        _kept: &[f32],
        gradient: &[f32],
        wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let (x, layers) = (inputs[0], &inputs[1..]);
        let width = layers.chunks(2).map(|layer| layer[1].data.len()).sum();
        let mut dx = vec![0.0; if wanted[0] { x.data.len() } else { 0 }];
        let mut gradients = vec![None];
        let mut start = 0;
        for (number, layer) in layers.chunks(2).enumerate() {
            let (weight, out) = (layer[0], layer[1].data.len());
            let dy = Matrix::new(gradient, width).columns(start, out); // (rows, out)
            if wanted[0] {
                let write = if number == 0 { Write::Over } else { Write::Add };
                let to = MatrixMut::new(&mut dx, x.width());
                matmul(to, write, dy, Matrix::new(weight.data, weight.width()), 1.0, Threads::All);
            }
            gradients.push(wanted[1 + 2 * number].then(|| {
                let mut dw = vec![0.0; weight.data.len()];
                let to = MatrixMut::new(&mut dw, x.width());
                matmul(to, Write::Over, dy.t(), Matrix::new(x.data, x.width()), 1.0, Threads::All);
                Gradient::Dense(dw)
            }));
            gradients.push(
                wanted[2 + 2 * number].then(|| Gradient::Dense(column_sums(gradient, width, start, out))),
            );
            start += out;
        }
        gradients[0] = wanted[0].then_some(Gradient::Dense(dx));
        Ok(gradients)
    }
}

/// The sums of the columns `start .. start + count` of row-major `data`.
fn column_sums(data: &[f32], width: usize, start: usize, count: usize) -> Vec<f32> {
    const BLOCK: usize = 128;
    let mut sums = vec![0.0; count];
    sums.par_chunks_mut(BLOCK).enumerate().for_each(|(block, sums)| {
        let first = start + block * BLOCK;
        cpu::vectorised(|| {
            for row in data.chunks_exact(width) {
                sums.iter_mut().zip(&row[first..]).for_each(|(sum, value)| *sum += value);
            }
        });
    });
    sums
}
