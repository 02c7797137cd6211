//! The linear layer, several of them on the same rows in one go, and what mostly follows one.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::{DType, Result, Tensor};

use super::activation::Activation;
use super::cpu::{self, Matrix, Rhs, product};
use super::dropout::Dropout;
use super::gpu::{self, GpuOp, Stacked};
use super::gradients::Gradient;
use super::noise::DropoutMask;
use super::packed_weights::PackedWeights;
use super::params::{Init, Scope};
use super::precision::Precision;
use super::tape::{CpuOp, CpuOutput, Node, Op, Tape, TensorView};

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

    /// Takes `weight` from the scope, and no bias.
    ///
    /// # Errors
    /// If it is missing or has another shape.
    pub fn load_without_bias(scope: &Scope, inputs: usize, outputs: usize) -> Result<Self> {
        Ok(Self {
            weight: scope.param("weight", (outputs, inputs), Init::Normal)?,
            bias: scope.zeros(outputs)?,
        })
    }

    /// The layer without bias whose `weight`, (out, in), is a parameter of something else, such as
    /// an embedding.
    ///
    /// # Errors
    /// If there is no memory for zeros in place of the bias.
    pub fn tied(weight: &Node) -> Result<Self> {
        let (outputs, device) = (weight.tensor().dim(0)?, weight.tensor().device());
        let bias = Node::constant(&Tensor::zeros(outputs, DType::F32, device)?);
        Ok(Self { weight: weight.clone(), bias })
    }

    /// The same with a result in f32 wherever and in whatever precision it is computed.
    pub fn widened(&self, tape: &Tape, x: &Node) -> Result<Node> {
        apply(tape, Epilogue::Widen, x, &[self], None)
    }

    /// (rows, in) to (rows, out).
    pub fn forward(&self, tape: &Tape, x: &Node) -> Result<Node> {
        concatenated(tape, x, &[self])
    }

    /// `activation(x Wᵀ + b)`: (rows, in) to (rows, out).
    pub fn activated(&self, tape: &Tape, x: &Node, activation: Activation) -> Result<Node> {
        apply(tape, Epilogue::Activate(activation), x, &[self], None)
    }

    /// `dropout(x Wᵀ + b) + residual`: (rows, in) and (rows, out) to (rows, out).
    pub fn residual(&self, tape: &Tape, x: &Node, residual: &Node, dropout: f32) -> Result<Node> {
        apply(tape, Epilogue::AddResidual(tape.dropout_mask(dropout)), x, &[self], Some(residual))
    }
}

/// Several layers on the same rows, their results side by side: (rows, in) to (rows, out₁ + out₂ +
/// …).
pub fn concatenated(tape: &Tape, x: &Node, layers: &[&Linear]) -> Result<Node> {
    apply(tape, Epilogue::Nothing, x, layers, None)
}

fn apply(
    tape: &Tape,
    epilogue: Epilogue,
    x: &Node,
    layers: &[&Linear],
    residual: Option<&Node>,
) -> Result<Node> {
    let precision = tape.precision();
    let packed_weights = tape.packed_weights(layers.iter().map(|layer| &layer.weight), || {
        let widened = |part: fn(&Linear) -> &Node| {
            layers.iter().map(|layer| part(layer).widened()).collect::<Result<Vec<Tensor>>>()
        };
        let weights = widened(|layer| &layer.weight)?;
        if weights.iter().all(gpu::holds) {
            let biases = widened(|layer| &layer.bias)?;
            let [weights, biases] = [&weights, &biases].map(|all| all.iter().collect::<Vec<_>>());
            return Stacked::new(&weights, &biases, precision).map(PackedWeights::Gpu);
        }
        let values = weights.iter().map(cpu::values).collect::<Result<Vec<_>>>()?;
        let width = x.tensor().dim(1)?;
        let rhs = pack(values.iter().map(|values| Matrix::new(values, width)), precision);
        Ok(PackedWeights::Cpu(Arc::new(rhs)))
    })?;
    let parameters = layers.iter().flat_map(|layer| [&layer.weight, &layer.bias]);
    let inputs: Vec<&Node> = std::iter::once(x).chain(parameters).chain(residual).collect();
    tape.apply(LinearOp { epilogue, precision, packed_weights }, &inputs)
}

/// `epilogue([x W₁ᵀ + b₁ | x W₂ᵀ + b₂ | …])`; the inputs are x, W₁, b₁, W₂, b₂, …, and perhaps a
/// residual.
#[derive(Debug)]
pub struct LinearOp {
    /// What is done with the rows while they are in the cache.
    pub epilogue: Epilogue,
    /// To what the factors of its products are rounded, there and back.
    pub precision: Precision,
    /// The weights as the kernel reads them, if they are at hand.
    pub packed_weights: Option<PackedWeights>,
}

/// What follows a linear layer.
#[derive(Debug, Clone, Copy)]
pub enum Epilogue {
    /// Nothing.
    Nothing,
    /// Nothing, and the result is f32 wherever it is computed.
    Widen,
    /// A function of each number.
    Activate(Activation),
    /// Dropout, if there is a mask, and the sum with the last input, a residual.
    AddResidual(Option<DropoutMask>),
}

impl LinearOp {
    /// x, the layers' parameters, and the residual.
    pub(super) fn parts<'a, T>(&self, inputs: &'a [T]) -> Result<(&'a T, &'a [T], Option<&'a T>)> {
        match (self.epilogue, inputs) {
            (Epilogue::AddResidual(_), [x, layers @ .., residual]) => {
                Ok((x, layers, Some(residual)))
            }
            (Epilogue::Nothing | Epilogue::Widen | Epilogue::Activate(_), [x, layers @ ..]) => {
                Ok((x, layers, None))
            }
            _ => candle_core::bail!("a linear layer without input"),
        }
    }
}

impl Op for LinearOp {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let (x, layers, residual) = self.parts(inputs)?;
        let rounded = |x: &Tensor| self.precision.rounded(x);
        let x = rounded(x)?;
        let results = layers
            .chunks(2)
            .map(|layer| {
                x.matmul(&rounded(&layer[0])?.t()?.contiguous()?)?.broadcast_add(&layer[1])
            })
            .collect::<Result<Vec<_>>>()?;
        let y = Tensor::cat(&results, 1)?;
        match (self.epilogue, residual) {
            (Epilogue::Activate(activation), _) => activation.reference(&[y]),
            (Epilogue::AddResidual(Some(mask)), Some(residual)) => {
                Dropout { mask }.reference(&[y])? + residual
            }
            (_, Some(residual)) => y + residual,
            _ => Ok(y),
        }
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

/// The right-hand side `[W₁ᵀ | W₂ᵀ | …]`.
fn pack<'a>(weights: impl Iterator<Item = Matrix<'a>>, precision: Precision) -> Rhs {
    Rhs::beside(&weights.map(Matrix::t).collect::<Vec<_>>(), precision)
}

/// The weights of layers as matrices.
fn weights<'a>(layers: &[TensorView<'a>]) -> Vec<Matrix<'a>> {
    layers.chunks(2).map(|layer| Matrix::new(layer[0].data, layer[0].width())).collect()
}

impl CpuOp for LinearOp {
    fn forward(&self, inputs: &[TensorView<'_>], save: bool) -> Result<CpuOutput> {
        let (x, layers, residual) = self.parts(inputs)?;
        let bias: Vec<f32> = layers.chunks(2).flat_map(|layer| layer[1].data).copied().collect();
        let (rows, width) = (x.rows(), bias.len());
        for layer in layers.chunks(2) {
            if layer[0].dims != [layer[1].data.len(), x.width()] {
                candle_core::bail!("{:?} rows do not fit a weight of {:?}", x.dims, layer[0].dims);
            }
        }
        if let Some(residual) = residual.filter(|residual| residual.dims != [rows, width]) {
            candle_core::bail!("{:?} is no residual for ({rows}, {width})", residual.dims);
        }
        let fresh = || Arc::new(pack(weights(layers).into_iter(), self.precision));
        let rhs = match &self.packed_weights {
            Some(PackedWeights::Cpu(rhs)) => rhs.clone(),
            _ => fresh(),
        };
        let slopes = if save && matches!(self.epilogue, Epilogue::Activate(_)) { width } else { 0 };
        let finish = |first_row: usize, y: &mut [f32], slopes: &mut [f32]| {
            cpu::vectorised!({
                for row in y.chunks_exact_mut(width) {
                    row.iter_mut().zip(&bias).for_each(|(y, bias)| *y += bias);
                }
            });
            match (self.epilogue, residual) {
                (Epilogue::Activate(activation), _) => activation.apply(y, slopes),
                (Epilogue::AddResidual(mask), Some(residual)) => cpu::vectorised!({
                    let start = first_row * width;
                    if let Some(mask) = &mask {
                        mask.apply(start, y);
                    }
                    y.iter_mut()
                        .zip(&residual.data[start..])
                        .for_each(|(y, residual)| *y += residual);
                }),
                _ => {}
            }
        };
        let (data, saved) = product(Matrix::new(x.data, x.width()), &*rhs, slopes, finish);
        Ok(CpuOutput { data, shape: (rows, width).into(), saved })
    }

    fn backward(
        &self,
        inputs: &[TensorView<'_>],
        saved: &[f32],
        gradient: &[f32],
        needed: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let (x, layers, residual) = self.parts(inputs)?;
        let dy = self.backward_epilogue(saved, gradient); // (rows, out₁ + out₂ + …)
        let width = layers.chunks(2).map(|layer| layer[1].data.len()).sum();
        let dy = Matrix::new(&dy, width);
        let mut gradients = vec![needed[0].then(|| {
            let rhs = Rhs::below(&weights(layers), self.precision);
            Gradient::Dense(product(dy, &rhs, 0, |_, _, _| {}).0)
        })];
        let x = Rhs::beside(&[Matrix::new(x.data, x.width())], self.precision);
        let mut start = 0;
        for (layer, needed) in layers.chunks(2).zip(needed[1..].chunks(2)) {
            let dy = dy.columns(start, layer[1].data.len()); // (rows, out)
            gradients
                .push(needed[0].then(|| Gradient::Dense(product(dy.t(), &x, 0, |_, _, _| {}).0)));
            gradients.push(needed[1].then(|| Gradient::Dense(dy.column_sums())));
            start += layer[1].data.len();
        }
        gradients.extend(residual.map(|_| Some(Gradient::Same)));
        Ok(gradients)
    }
}

impl LinearOp {
    /// The gradient of the layers' results from that of the whole.
    fn backward_epilogue<'a>(&self, saved: &[f32], gradient: &'a [f32]) -> Cow<'a, [f32]> {
        const BLOCK: usize = 1 << 14;
        match self.epilogue {
            Epilogue::Activate(_) => Cow::Owned(cpu::build(gradient.len(), BLOCK, |start, dy| {
                cpu::vectorised!({
                    for ((dy, slope), gradient) in
                        dy.iter_mut().zip(&saved[start..]).zip(&gradient[start..])
                    {
                        *dy = slope * gradient;
                    }
                });
            })),
            Epilogue::AddResidual(Some(mask)) => Cow::Owned(mask.times(gradient)),
            Epilogue::Nothing | Epilogue::Widen | Epilogue::AddResidual(None) => {
                Cow::Borrowed(gradient)
            }
        }
    }
}
