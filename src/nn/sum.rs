//! The sum of two tensors.

use candle_core::{Result, Tensor};

use super::tape::{Node, Op, Tape};

/// `a + b`, of the same shape.
///
/// # Errors
/// If they are not.
pub fn sum(tape: &Tape, a: &Node, b: &Node) -> Result<Node> {
    tape.apply(Sum, &[a, b])
}

/// `a + b`.
#[derive(Debug)]
pub struct Sum;

impl Op for Sum {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        &inputs[0] + &inputs[1]
    }
}
