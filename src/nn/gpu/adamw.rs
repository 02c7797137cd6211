//! The optimiser step on a GPU: gradient norm, clipping and AdamW over all parameters, without
//! waiting for the GPU.

use candle_core::{DType, Result, Tensor};

use super::backend::{address, launch, uninit};
use super::launch::Arg;

/// The numbers of a tensor that one warp has, as in `kernels/optimiser.cu`.
const CHUNK: usize = 8192;

/// One parameter, its moments and its gradient, all f32 and of one shape.
#[derive(Debug)]
pub struct AdamWTensors<'a> {
    /// The parameter.
    pub parameter: &'a Tensor,
    /// The running mean of its gradients.
    pub mean: &'a Tensor,
    /// The running mean of their squares.
    pub square: &'a Tensor,
    /// Its gradient.
    pub gradient: Tensor,
    /// `1 - learning rate * weight decay`, or 1 if it does not decay.
    pub keep: f32,
    /// `learning rate / (1 - beta1^step)`.
    pub rate: f32,
}

/// What all parameters have in common in one step.
#[derive(Debug, Clone, Copy)]
pub struct AdamWStep {
    /// The largest gradient norm; 0 to clip nothing.
    pub max_norm: f32,
    /// The decay of the running mean of gradients.
    pub beta1: f32,
    /// The decay of the running mean of their squares.
    pub beta2: f32,
    /// Keeps the divisor away from zero.
    pub epsilon: f32,
    /// `1 / sqrt(1 - beta2^step)`.
    pub square_correction: f32,
}

/// Moves all parameters, unless the norm of their gradients is not finite, and returns that norm,
/// one f32 on the GPU.
///
/// # Errors
/// If a gradient does not have its parameter's shape, or the GPU fails.
pub fn step(all: &[AdamWTensors], by: AdamWStep) -> Result<Tensor> {
    let Some(first) = all.first() else { candle_core::bail!("no parameter has a gradient") };
    let device = first.parameter.device();
    let (mut table, mut firsts, mut chunks) = (Vec::with_capacity(6 * all.len()), vec![0u32], 0);
    for one in all {
        let count = one.parameter.elem_count();
        for tensor in [one.parameter, one.mean, one.square, &one.gradient] {
            if tensor.elem_count() != count || tensor.dtype() != DType::F32 {
                candle_core::bail!(
                    "a gradient {:?} for a parameter {:?}",
                    one.gradient,
                    one.parameter
                );
            }
            table.push(address(tensor)? as i64);
        }
        let factors = u64::from(one.rate.to_bits()) << 32 | u64::from(one.keep.to_bits());
        table.extend([count as i64, factors.cast_signed()]);
        chunks += count.div_ceil(CHUNK);
        firsts.push(u32::try_from(chunks).map_err(candle_core::Error::wrap)?);
    }
    let (table, firsts) = (Tensor::new(table, device)?, Tensor::new(firsts, device)?);
    let (sums, norm) = (uninit(chunks, DType::F32, device)?, uninit(1, DType::F32, device)?);
    let tensors: [Arg; 3] = [(&table).into(), (&firsts).into(), all.len().into()];
    launch("squares", "f32", 32 * chunks, &[&[Arg::from(&sums)], tensors.as_slice()].concat())?;
    launch("root_of_sum", "f32", 32, &[(&norm).into(), (&sums).into(), chunks.into()])?;
    let AdamWStep { max_norm, beta1, beta2, epsilon, square_correction } = by;
    let factors = [max_norm, beta1, beta2, epsilon, square_correction].map(Arg::from);
    launch(
        "adamw",
        "f32",
        32 * chunks,
        &[tensors.as_slice(), &[(&norm).into()], &factors].concat(),
    )?;
    Ok(norm)
}
