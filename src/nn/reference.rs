//! The reference form of operations: candle's own, forwards and backwards, on any device.

use candle_core::{DType, Result, Tensor, Var};

use super::gradients::GradientSum;
use super::tape::Op;

/// An operation's reference form, computed in f32 where it is given bfloat16.
pub(super) fn forward(op: &dyn Op, inputs: &[Tensor]) -> Result<Tensor> {
    if inputs.iter().all(|input| input.dtype() != DType::BF16) {
        return op.reference(inputs);
    }
    let widened =
        inputs.iter().map(|input| input.to_dtype(DType::F32)).collect::<Result<Vec<_>>>()?;
    let result = op.reference(&widened)?;
    if op.widens() { Ok(result) } else { result.to_dtype(DType::BF16) }
}

/// The gradients of an operation's reference form, by candle's own differentiation.
pub(super) fn backward(
    op: &dyn Op,
    inputs: &[Tensor],
    needed: &[bool],
    gradient: &Tensor,
) -> Result<Vec<Option<GradientSum>>> {
    let variables = inputs
        .iter()
        .zip(needed)
        .map(|(tensor, &needed)| match needed {
            true => Ok(Var::from_tensor(tensor)?.into_inner()),
            false => Ok(tensor.clone()),
        })
        .collect::<Result<Vec<_>>>()?;
    let mut found = (forward(op, &variables)? * gradient)?.sum_all()?.backward()?;
    Ok(variables
        .iter()
        .zip(needed)
        .map(|(variable, &needed)| {
            needed.then(|| found.remove(variable)).flatten().map(GradientSum::Dense)
        })
        .collect())
}
