//! Gradient clipping by the global norm.

use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;

use super::cpu;
use super::gradients::Gradients;
use super::params::Params;

/// The L2 norm of all gradients of a network together, as `torch.nn.utils.clip_grad_norm_` measures
/// it.
///
/// # Errors
/// If candle cannot read a gradient.
pub fn global_norm(gradients: &Gradients, params: &Params) -> Result<f64> {
    let squares = gradients.of(params).map(|(_, gradient)| sum_of_squares(gradient.tensor()));
    Ok(squares.sum::<Result<f64>>()?.sqrt())
}

/// The factor that brings gradients of this norm down to `max_norm`; 1 if they are short enough.
pub fn factor(norm: f64, max_norm: f64) -> f64 {
    if norm > max_norm { max_norm / (norm + 1e-6) } else { 1.0 }
}

fn sum_of_squares(gradient: &Tensor) -> Result<f64> {
    const BLOCK: usize = 4096;
    if !cpu::holds(gradient) {
        return gradient.to_dtype(DType::F32)?.sqr()?.sum_all()?.to_scalar::<f32>().map(f64::from);
    }
    let values = cpu::values(gradient)?;
    let blocks: Vec<f32> = values
        .par_chunks(BLOCK)
        .map(|block| cpu::vectorised!(cpu::sum(block.len(), |i| block[i] * block[i])))
        .collect();
    Ok(blocks.into_iter().map(f64::from).sum())
}
