//! Numbers from place to place on a GPU.

use candle_core::{DType, Result, Shape, Tensor};

use super::backend::{launch, uninit};
use super::launch::{Arg, by_fours, dtype, suffix};
use crate::nn::precision::Precision;

/// The weights of layers below each other, (out₁ + out₂ + …, in), as products read them, and their
/// biases.
#[derive(Debug, Clone)]
pub struct Stacked {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

impl Stacked {
    /// Stacks weights, (out, in) each, and biases.
    ///
    /// # Errors
    /// If the GPU fails.
    pub fn new(weights: &[&Tensor], biases: &[&Tensor], precision: Precision) -> Result<Self> {
        Ok(Self { weight: stack(weights, dtype(precision))?, bias: stack(biases, DType::F32)? })
    }
}

/// Tensors below each other; several are f32.
fn stack(parts: &[&Tensor], dtype: DType) -> Result<Tensor> {
    if let [single] = parts
        && (single.dtype() == dtype || single.dtype() != DType::F32)
    {
        return single.to_dtype(dtype);
    }
    let rows: usize = parts.iter().map(|part| part.dims()[0]).sum();
    let shape = [&[rows], &parts[0].dims()[1..]].concat();
    let whole = uninit(shape, dtype, parts[0].device())?;
    let mut start = 0;
    for four in parts.chunks(4) {
        let counts: Vec<usize> = four.iter().map(|part| part.elem_count()).collect();
        let mut args = vec![Arg::At(&whole, start)];
        for place in 0..4 {
            args.push(four.get(place).map_or(Arg::NULL, |part| (*part).into()));
            args.push(counts.get(place).copied().unwrap_or(0).into());
        }
        let count = counts.iter().sum();
        launch("stack", suffix(dtype)?, by_fours(count), &args)?;
        start += count;
    }
    Ok(whole)
}

/// A table of this shape that is zero but for `rows` at `ids`.
///
/// # Errors
/// If the GPU fails.
pub fn scatter(shape: &Shape, ids: &[u32], rows: &Tensor) -> Result<Tensor> {
    let table = Tensor::zeros(shape, rows.dtype(), rows.device())?;
    let (count, width) = rows.dims2()?;
    let places = Tensor::new(ids, rows.device())?;
    let args = [(&table).into(), rows.into(), (&places).into(), count.into(), width.into()];
    launch("scatter", suffix(rows.dtype())?, count * width, &args)?;
    Ok(table)
}
