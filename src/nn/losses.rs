//! Losses: one number for a batch, to be made smaller.

use candle_core::{D, Result, Tensor};

use super::tape::{Node, Op, Tape};

/// The squared error of predictions, (items), each weighted alike: `weight * Σ (prediction -
/// target)²`.
///
/// With `weight` one over the number of items in an optimiser step, the sum over its batches is the
/// mean squared error, however unequal the batches are.
///
/// # Errors
/// If there are not as many targets as predictions.
pub fn squared_error(
    tape: &Tape,
    predictions: &Node,
    targets: &[f32],
    weight: f64,
) -> Result<Node> {
    tape.apply(SquaredError { targets: targets.to_vec(), weight }, &[predictions])
}

/// `weight * Σ (x - target)²`.
#[derive(Debug)]
pub struct SquaredError {
    /// One target for each prediction.
    pub targets: Vec<f32>,
    /// A factor for the sum.
    pub weight: f64,
}

impl Op for SquaredError {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = inputs[0].flatten_all()?;
        let targets = Tensor::new(self.targets.as_slice(), x.device())?.to_dtype(x.dtype())?;
        (x - targets)?.sqr()?.sum_all()? * self.weight
    }
}

/// The cross-entropy of logits, (items, classes), each item weighted alike: `-weight * Σ log
/// softmax(logits)[class]`.
///
/// # Errors
/// If there are not as many classes as items, or a class is beyond the logits.
pub fn cross_entropy(tape: &Tape, logits: &Node, classes: &[u32], weight: f64) -> Result<Node> {
    tape.apply(CrossEntropy { classes: classes.to_vec(), weight }, &[logits])
}

/// `-weight * Σ log softmax(x)[class]`.
#[derive(Debug)]
pub struct CrossEntropy {
    /// The right class of each item.
    pub classes: Vec<u32>,
    /// A factor for the sum.
    pub weight: f64,
}

impl Op for CrossEntropy {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        let (items, width) = x.dims2()?;
        if self.classes.len() != items || self.classes.iter().any(|&class| class as usize >= width)
        {
            candle_core::bail!("{:?} are no classes of ({items}, {width}) logits", self.classes);
        }
        let classes = Tensor::new(self.classes.as_slice(), x.device())?.unsqueeze(1)?;
        let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?;
        let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?; // (items, 1)
        (total - shifted.gather(&classes, 1)?)?.sum_all()? * self.weight
    }
}
