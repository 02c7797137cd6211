//! Losses: one number for a batch, to be made smaller.

use candle_core::{Result, Tensor};

use super::tape::{Node, Op, Tape};

/// The squared error of predictions, (items), each weighted alike: `weight * Σ (prediction - target)²`.
///
/// With `weight` one over the number of items in an optimiser step, the sum over its batches is the mean squared
/// error, however unequal the batches are.
///
/// # Errors
/// If there are not as many targets as predictions.
pub fn squared_error(tape: &Tape, predictions: &Node, targets: &[f32], weight: f64) -> Result<Node> {
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
    fn portable(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = inputs[0].flatten_all()?;
        let targets = Tensor::new(self.targets.as_slice(), x.device())?.to_dtype(x.dtype())?;
        (x - targets)?.sqr()?.sum_all()? * self.weight
    }
}
