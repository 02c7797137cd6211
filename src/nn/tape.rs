//! Reverse-mode differentiation of the few operations in this room.
//!
//! candle's own `backward` adds every gradient to a fresh tensor of zeros and keeps all activations
//! until the loss is dropped, which costs a third of a training step on a CPU. A [`Tape`] moves
//! gradients instead, frees what a step kept as soon as it is undone, and lets an operation have
//! any number of inputs. The tensors stay candle's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use candle_core::{DType, Result, Shape, Tensor, Var};

use super::cpu;
use super::gpu::{self, Fused, Fusion, Pass, Uploads};
use super::gradients::{Gradient, Gradients, Sum, add};
use super::laid_out::LaidOut;
use super::noise::{Mask, Noise};
use super::params::ParamId;
use super::precision::Precision;

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

    /// The tensor as operations see it: a parameter that is kept in another dtype is f32.
    pub(super) fn widened(&self) -> Result<Tensor> {
        match self.source {
            Source::Frozen(_) => self.tensor.to_dtype(DType::F32),
            Source::Constant | Source::Parameter(_) | Source::Step(_) => Ok(self.tensor.clone()),
        }
    }
}

/// An operation that can be undone: its meaning in candle's own operations, and perhaps a faster
/// kernel.
pub trait Op: std::fmt::Debug + 'static {
    /// The result, from operations that candle differentiates rightly. It runs on every device and
    /// in every dtype, and serves as the reference that [`Op::kernel`] is tested against. The
    /// inputs are contiguous.
    fn portable(&self, inputs: &[Tensor]) -> Result<Tensor>;

    /// The same for f32 in CPU memory.
    fn kernel(&self) -> Option<&dyn Kernel> {
        None
    }

    /// The same on a GPU.
    fn fused(&self) -> Option<&dyn Fused> {
        None
    }
}

/// The CPU form of an [`Op`].
pub trait Kernel {
    /// Computes the result, and if asked to `keep`, what the backward pass needs beside the inputs.
    fn forward(&self, inputs: &[View<'_>], keep: bool) -> Result<Output>;

    /// Computes the gradients of the inputs. `kept` is what the forward pass kept, `gradient` that
    /// of its result; an entry may be `None` where `wanted` is false.
    fn backward(
        &self,
        inputs: &[View<'_>],
        kept: &[f32],
        gradient: &[f32],
        wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>>;
}

/// A contiguous f32 tensor as a kernel sees it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The numbers, row by row.
    pub data: &'a [f32],
    /// The sizes of the dimensions.
    pub dims: &'a [usize],
}

impl View<'_> {
    /// The size of the last dimension.
    pub fn width(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }

    /// The number of rows of that width.
    pub fn rows(&self) -> usize {
        self.data.len() / self.width().max(1)
    }
}

/// What a kernel's forward pass gives.
#[derive(Debug)]
pub struct Output {
    /// The numbers of the result, row by row.
    pub data: Vec<f32>,
    /// The sizes of its dimensions.
    pub shape: Shape,
    /// Numbers for the backward pass.
    pub kept: Vec<f32>,
}

impl Output {
    /// A result for which nothing more is kept.
    pub fn new(data: Vec<f32>, shape: impl Into<Shape>) -> Self {
        Self { data, shape: shape.into(), kept: Vec::new() }
    }
}

/// A step that can be undone.
#[derive(Debug)]
struct Step {
    op: Box<dyn Op>,
    inputs: Vec<Node>,
    kept: Kept,
}

/// In which form a step was computed, and what that form kept for its backward pass.
#[derive(Debug)]
enum Kept {
    Portable,
    Kernel(Vec<f32>),
    Fused(Vec<Tensor>),
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
    /// Parameters that are read again and again, laid out once; by the identities of the weights.
    laid_out: RefCell<HashMap<Vec<ParamId>, LaidOut>>,
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
            laid_out: RefCell::default(),
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

    /// What `lay_out` makes of these weights, made once for all passes of an inference tape;
    /// nothing when they are about to change, or are no parameters.
    pub(super) fn laid_out<'a>(
        &self,
        weights: impl Iterator<Item = &'a Node>,
        lay_out: impl FnOnce() -> Result<LaidOut>,
    ) -> Result<Option<LaidOut>> {
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
        if let Some(known) = self.laid_out.borrow().get(&ids) {
            return Ok(Some(known.clone()));
        }
        let made = lay_out()?;
        self.laid_out.borrow_mut().insert(ids, made.clone());
        Ok(Some(made))
    }

    /// The mask of the next place in the network where neurons are dropped with the given
    /// probability; none when dropout is off.
    pub fn mask(&self, probability: f32) -> Option<Mask> {
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
        let (result, kept) = match (op.fused(), op.kernel()) {
            (Some(fused), _) if all(gpu::holds) => {
                let pass =
                    Pass { keep: recorded, precision: self.precision, uploads: &self.uploads };
                let Fusion { result, kept } = fused.forward(&pass, &tensors(&inputs))?;
                (result, Kept::Fused(kept))
            }
            (_, Some(kernel)) if all(cpu::holds) => {
                let device = inputs[0].tensor.device().clone();
                let Output { data, shape, kept } =
                    with_views(&inputs, |views| kernel.forward(views, recorded))?;
                (Tensor::from_vec(data, shape, &device)?, Kept::Kernel(kept))
            }
            _ => (portable(&op, &tensors(&inputs))?, Kept::Portable),
        };
        let source = match &self.steps {
            Some(steps) if recorded => {
                let mut steps = steps.borrow_mut();
                steps.push(Step { op: Box::new(op), inputs, kept });
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
            for (input, gradient) in step.inputs.iter().zip(step.undo(gradient)?) {
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
    fn undo(&self, gradient: Tensor) -> Result<Vec<Option<Sum>>> {
        let wanted: Vec<bool> = self.inputs.iter().map(|node| node.source.is_trained()).collect();
        match (self.op.fused(), self.op.kernel(), &self.kept) {
            (Some(fused), _, Kept::Fused(kept)) => {
                fused.backward(&tensors(&self.inputs), kept, &gradient.contiguous()?, &wanted)
            }
            (_, Some(kernel), Kept::Kernel(kept)) => {
                let gradient = gradient.contiguous()?;
                let values = cpu::values(&gradient)?;
                let gradients = with_views(&self.inputs, |views| {
                    kernel.backward(views, kept, &values, &wanted)
                })?;
                drop(values);
                gradients
                    .into_iter()
                    .zip(&self.inputs)
                    .map(|(found, input)| {
                        found.map(|found| as_sum(found, &input.tensor, &gradient)).transpose()
                    })
                    .collect()
            }
            _ => undo_portable(self.op.as_ref(), &self.inputs, &wanted, &gradient),
        }
    }
}

fn as_sum(found: Gradient, input: &Tensor, of_result: &Tensor) -> Result<Sum> {
    Ok(match found {
        Gradient::Same => Sum::Dense(of_result.clone()),
        Gradient::Dense(values) => {
            Sum::Dense(Tensor::from_vec(values, input.shape(), input.device())?)
        }
        Gradient::Rows(ids, values) => {
            let shape = (ids.len(), input.dim(1)?);
            Sum::Rows(ids, Tensor::from_vec(values, shape, input.device())?)
        }
    })
}

/// An operation's portable form, in f32 where it is given bfloat16.
fn portable(op: &dyn Op, inputs: &[Tensor]) -> Result<Tensor> {
    if inputs.iter().all(|input| input.dtype() != DType::BF16) {
        return op.portable(inputs);
    }
    let widened =
        inputs.iter().map(|input| input.to_dtype(DType::F32)).collect::<Result<Vec<_>>>()?;
    op.portable(&widened)?.to_dtype(DType::BF16)
}

fn tensors(inputs: &[Node]) -> Vec<Tensor> {
    inputs.iter().map(|node| node.tensor.clone()).collect()
}

/// The gradients of an operation's portable form, by candle's own differentiation.
fn undo_portable(
    op: &dyn Op,
    inputs: &[Node],
    wanted: &[bool],
    gradient: &Tensor,
) -> Result<Vec<Option<Sum>>> {
    let variables = inputs
        .iter()
        .zip(wanted)
        .map(|(node, &wanted)| match wanted {
            true => Ok(Var::from_tensor(&node.tensor)?.into_inner()),
            false => Ok(node.tensor.clone()),
        })
        .collect::<Result<Vec<_>>>()?;
    let mut found = (portable(op, &variables)? * gradient)?.sum_all()?.backward()?;
    Ok(variables
        .iter()
        .zip(wanted)
        .map(|(variable, &wanted)| wanted.then(|| found.remove(variable)).flatten().map(Sum::Dense))
        .collect())
}

/// Calls `work` with the memory of the inputs.
fn with_views<R>(inputs: &[Node], work: impl FnOnce(&[View<'_>]) -> Result<R>) -> Result<R> {
    let values = inputs.iter().map(|node| cpu::values(&node.tensor)).collect::<Result<Vec<_>>>()?;
    let views: Vec<View> = values
        .iter()
        .zip(inputs)
        .map(|(data, node)| View { data, dims: node.tensor.dims() })
        .collect();
    work(&views)
}
