//! Reverse-mode differentiation of the few operations in this room.
//!
//! candle's own `backward` adds every gradient to a fresh tensor of zeros and keeps all activations
//! until the loss is dropped, which costs a third of a training step on a CPU. A [`Tape`] moves
//! gradients instead, frees what a step saved as soon as its gradients are computed, and lets an
//! operation have any number of inputs. The tensors stay candle's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use candle_core::{DType, Result, Shape, Tensor};

use super::cpu;
use super::gpu::{self, GpuContext, GpuOp, GpuOutput, Uploads};
use super::gradients::{Gradient, GradientSum, Gradients, add};
use super::noise::{DropoutMask, Noise};
use super::packed_weights::PackedWeights;
use super::params::ParamId;
use super::precision::Precision;
use super::reference;

/// A tensor in a computation, with the knowledge of where it came from.
#[derive(Debug, Clone)]
pub struct Node {
    tensor: Tensor,
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Constant,
    Frozen(ParamId),
    Parameter(ParamId),
    Step(usize),
}

impl Source {
    /// Whether a gradient can come back to it.
    fn is_trained(self) -> bool {
        matches!(self, Source::Parameter(_) | Source::Step(_))
    }
}

impl Node {
    /// A tensor that needs no gradient.
    pub fn constant(tensor: &Tensor) -> Self {
        Self { tensor: tensor.detach(), source: Source::Constant }
    }

    /// A parameter; its gradient is found under its identity.
    pub(super) fn parameter(tensor: &Tensor, id: ParamId) -> Self {
        Self { tensor: tensor.detach(), source: Source::Parameter(id) }
    }

    /// A parameter that is not trained, and gets no gradient.
    pub(super) fn frozen(tensor: &Tensor, id: ParamId) -> Self {
        Self { tensor: tensor.detach(), source: Source::Frozen(id) }
    }

    /// The tensor itself.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The tensor as operations see it: a parameter that is held in another dtype is f32.
    pub(super) fn widened(&self) -> Result<Tensor> {
        match self.source {
            Source::Frozen(_) => self.tensor.to_dtype(DType::F32),
            Source::Constant | Source::Parameter(_) | Source::Step(_) => Ok(self.tensor.clone()),
        }
    }
}

/// A differentiable operation: its reference form in candle's own operations, and perhaps faster
/// forms for a CPU and a GPU.
pub trait Op: std::fmt::Debug + 'static {
    /// The result, from operations that candle differentiates correctly. It runs on every device
    /// and in every dtype, and the other forms are tested against it. The inputs are contiguous.
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor>;

    /// Whether the reference form's result stays in f32 where inputs are bfloat16, as probabilities
    /// do.
    fn widens(&self) -> bool {
        false
    }

    /// The form for f32 in CPU memory, if there is one.
    fn cpu(&self) -> Option<&dyn CpuOp> {
        None
    }

    /// The form for a GPU, if there is one.
    fn gpu(&self) -> Option<&dyn GpuOp> {
        None
    }
}

/// The CPU form of an [`Op`].
pub trait CpuOp {
    /// Computes the result, and if asked to `save`, what the backward pass needs beside the inputs.
    fn forward(&self, inputs: &[TensorView<'_>], save: bool) -> Result<CpuOutput>;

    /// Computes the gradients of the inputs. `saved` is what the forward pass saved, `gradient`
    /// that of its result; an entry may be `None` where `needed` is false.
    fn backward(
        &self,
        inputs: &[TensorView<'_>],
        saved: &[f32],
        gradient: &[f32],
        needed: &[bool],
    ) -> Result<Vec<Option<Gradient>>>;
}

/// The numbers and the shape of a contiguous f32 tensor in CPU memory.
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    /// The numbers, row by row.
    pub data: &'a [f32],
    /// The sizes of the dimensions.
    pub dims: &'a [usize],
}

impl TensorView<'_> {
    /// The size of the last dimension.
    pub fn width(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }

    /// The number of rows of that width.
    pub fn rows(&self) -> usize {
        self.data.len() / self.width().max(1)
    }
}

/// The result of a forward pass on a CPU, and what its backward pass needs.
#[derive(Debug)]
pub struct CpuOutput {
    /// The numbers of the result, row by row.
    pub data: Vec<f32>,
    /// The sizes of its dimensions.
    pub shape: Shape,
    /// Numbers for the backward pass.
    pub saved: Vec<f32>,
}

impl CpuOutput {
    /// A result for which nothing more is saved.
    pub fn new(data: Vec<f32>, shape: impl Into<Shape>) -> Self {
        Self { data, shape: shape.into(), saved: Vec::new() }
    }
}

/// A recorded operation.
#[derive(Debug)]
struct Step {
    op: Box<dyn Op>,
    inputs: Vec<Node>,
    saved: Saved,
}

/// In which form a step was computed, and what that form saved for its backward pass.
#[derive(Debug)]
enum Saved {
    Reference,
    Cpu(Vec<f32>),
    Gpu(Vec<Tensor>),
}

/// The record of one forward pass.
///
/// It also holds the pass's randomness: dropout masks are drawn from [`Noise`], one stream for each
/// place in the network, so the same pass always draws the same masks.
#[derive(Debug)]
pub struct Tape {
    steps: Option<RefCell<Vec<Step>>>,
    noise: Option<Noise>,
    masks: Cell<u64>,
    precision: Precision,
    /// Parameters that are read again and again, packed once; by the identities of the weights.
    packed_weights: RefCell<HashMap<Vec<ParamId>, PackedWeights>>,
    uploads: Uploads,
}

impl Tape {
    /// Passes without dropout of which nothing is recorded, as many as the parameters stay the
    /// same.
    pub fn inference() -> Self {
        Self {
            steps: None,
            noise: None,
            masks: Cell::new(0),
            precision: Precision::F32,
            packed_weights: RefCell::default(),
            uploads: Uploads::default(),
        }
    }

    /// A recorded pass; with `noise`, dropout is switched on.
    pub fn training(noise: Option<Noise>) -> Self {
        Self { steps: Some(RefCell::default()), noise, ..Self::inference() }
    }

    /// The same with linear layers in another precision than f32.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Whether a gradient can come back through what is computed on it.
    pub fn is_recording(&self) -> bool {
        self.steps.is_some()
    }

    /// In which precision linear layers are computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// What `pack` makes of these weights, made once for all passes of an inference tape;
    /// nothing when they are about to change, or are no parameters.
    pub(super) fn packed_weights<'a>(
        &self,
        weights: impl Iterator<Item = &'a Node>,
        pack: impl FnOnce() -> Result<PackedWeights>,
    ) -> Result<Option<PackedWeights>> {
        let identity = |node: &Node| match node.source {
            Source::Frozen(id) => Some(id),
            Source::Parameter(id) if cpu::holds(&node.tensor) || gpu::holds(&node.tensor) => {
                Some(id)
            }
            _ => None,
        };
        let (None, Some(ids)) = (&self.steps, weights.map(identity).collect::<Option<Vec<_>>>())
        else {
            return Ok(None);
        };
        if let Some(known) = self.packed_weights.borrow().get(&ids) {
            return Ok(Some(known.clone()));
        }
        let made = pack()?;
        self.packed_weights.borrow_mut().insert(ids, made.clone());
        Ok(Some(made))
    }

    /// The mask of the next place in the network where neurons are dropped with the given
    /// probability; none when dropout is off.
    pub fn dropout_mask(&self, probability: f32) -> Option<DropoutMask> {
        let place = self.masks.replace(self.masks.get() + 1);
        self.noise.filter(|_| probability > 0.0).map(|noise| noise.mask(place, probability))
    }

    /// Computes an operation, and records it if a gradient can come back through it.
    ///
    /// # Errors
    /// If the inputs do not fit the operation.
    pub fn apply(&self, op: impl Op, inputs: &[&Node]) -> Result<Node> {
        let inputs = inputs
            .iter()
            .map(|node| Ok(Node { tensor: node.widened()?.contiguous()?, source: node.source }))
            .collect::<Result<Vec<_>>>()?;
        let recorded = self.steps.is_some() && inputs.iter().any(|node| node.source.is_trained());
        let all = |holds: fn(&Tensor) -> bool| inputs.iter().all(|node| holds(&node.tensor));
        let (result, saved) = match (op.gpu(), op.cpu()) {
            (Some(on_gpu), _) if all(gpu::holds) => {
                let context = GpuContext {
                    save: recorded,
                    precision: self.precision,
                    uploads: &self.uploads,
                };
                let GpuOutput { result, saved } = on_gpu.forward(&context, &tensors(&inputs))?;
                (result, Saved::Gpu(saved))
            }
            (_, Some(on_cpu)) if all(cpu::holds) => {
                let device = inputs[0].tensor.device().clone();
                let CpuOutput { data, shape, saved } =
                    with_views(&inputs, |views| on_cpu.forward(views, recorded))?;
                (Tensor::from_vec(data, shape, &device)?, Saved::Cpu(saved))
            }
            _ => (reference::forward(&op, &tensors(&inputs))?, Saved::Reference),
        };
        let source = match &self.steps {
            Some(steps) if recorded => {
                let mut steps = steps.borrow_mut();
                steps.push(Step { op: Box::new(op), inputs, saved });
                Source::Step(steps.len() - 1)
            }
            _ => Source::Constant,
        };
        Ok(Node { tensor: result, source })
    }

    /// Adds the gradients of `loss`, a tensor of one number, to `gradients`.
    ///
    /// # Errors
    /// If a gradient does not fit, or `loss` holds more than one number.
    pub fn backward(self, loss: &Node, gradients: &mut Gradients) -> Result<()> {
        if loss.tensor.elem_count() != 1 {
            candle_core::bail!(
                "a loss is one number, not a tensor of shape {:?}",
                loss.tensor.shape()
            );
        }
        let mut steps = self.steps.map(RefCell::into_inner).unwrap_or_default();
        let mut pending: Vec<Option<Tensor>> = vec![None; steps.len()];
        if let Source::Step(last) = loss.source {
            pending[last] = Some(loss.tensor.ones_like()?);
        }
        while let Some(step) = steps.pop() {
            let Some(gradient) = pending.pop().flatten() else {
                continue;
            };
            for (input, gradient) in step.inputs.iter().zip(step.backward(gradient)?) {
                match (input.source, gradient) {
                    (Source::Constant | Source::Frozen(_), _) | (_, None) => {}
                    (Source::Parameter(id), Some(gradient)) => gradients.add(id, gradient)?,
                    (Source::Step(number), Some(gradient)) => {
                        let gradient = gradient.dense(input.tensor.shape())?;
                        pending[number] = Some(match pending[number].take() {
                            None => gradient,
                            Some(sum) => add(sum, &gradient)?,
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

impl Step {
    /// The gradients of the inputs from that of the result.
    fn backward(&self, gradient: Tensor) -> Result<Vec<Option<GradientSum>>> {
        let needed: Vec<bool> = self.inputs.iter().map(|node| node.source.is_trained()).collect();
        match (self.op.gpu(), self.op.cpu(), &self.saved) {
            (Some(on_gpu), _, Saved::Gpu(saved)) => {
                on_gpu.backward(&tensors(&self.inputs), saved, &gradient.contiguous()?, &needed)
            }
            (_, Some(on_cpu), Saved::Cpu(saved)) => {
                let gradient = gradient.contiguous()?;
                let values = cpu::values(&gradient)?;
                let gradients = with_views(&self.inputs, |views| {
                    on_cpu.backward(views, saved, &values, &needed)
                })?;
                drop(values);
                gradients
                    .into_iter()
                    .zip(&self.inputs)
                    .map(|(found, input)| {
                        found
                            .map(|found| as_gradient_sum(found, &input.tensor, &gradient))
                            .transpose()
                    })
                    .collect()
            }
            _ => reference::backward(self.op.as_ref(), &tensors(&self.inputs), &needed, &gradient),
        }
    }
}

fn as_gradient_sum(found: Gradient, input: &Tensor, of_result: &Tensor) -> Result<GradientSum> {
    Ok(match found {
        Gradient::Same => GradientSum::Dense(of_result.clone()),
        Gradient::Dense(values) => {
            GradientSum::Dense(Tensor::from_vec(values, input.shape(), input.device())?)
        }
        Gradient::Rows(ids, values) => {
            let shape = (ids.len(), input.dim(1)?);
            GradientSum::Rows(ids, Tensor::from_vec(values, shape, input.device())?)
        }
    })
}

fn tensors(inputs: &[Node]) -> Vec<Tensor> {
    inputs.iter().map(|node| node.tensor.clone()).collect()
}

/// Calls `work` with the memory of the inputs.
fn with_views<R>(inputs: &[Node], work: impl FnOnce(&[TensorView<'_>]) -> Result<R>) -> Result<R> {
    let values = inputs.iter().map(|node| cpu::values(&node.tensor)).collect::<Result<Vec<_>>>()?;
    let views: Vec<TensorView> = values
        .iter()
        .zip(inputs)
        .map(|(data, node)| TensorView { data, dims: node.tensor.dims() })
        .collect();
    work(&views)
}
