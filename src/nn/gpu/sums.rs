//! Sums over rows on a GPU: the gradients of biases and of norms.

use candle_core::{DType, Result, Tensor};

use super::backend::{counters, launch, uninit};
use super::launch::{Arg, suffix};

/// Rows of which one thread adds up a column.
const ROWS_A_THREAD: usize = 16;

/// The widest rows: 32 columns have two counters.
pub(super) const COUNTERS: usize = 8192;

/// `Σ rows` of (rows, width): (width) in f32.
pub(super) fn column_sums(x: &Tensor) -> Result<Tensor> {
    sums("column_sums", &[x], 1)
}

/// The gradients of a norm's weight and bias, side by side, from those of its result, (rows, width),
/// its input, and the mean and one over the standard deviation of each row: (2 width) in f32.
pub(super) fn norm_sums(dy: &Tensor, x: &Tensor, stats: &Tensor) -> Result<Tensor> {
    sums("norm_sums", &[dy, x, stats], 2)
}

/// Runs a kernel that gives so many sums for each column of the first of the tensors.
fn sums(kernel: &'static str, of: &[&Tensor], each: usize) -> Result<Tensor> {
    let (rows, width) = of[0].dims2()?;
    let (groups, chunks) = (width.div_ceil(32), rows.div_ceil(ROWS_A_THREAD));
    if 2 * groups > COUNTERS {
        candle_core::bail!("rows of {width} numbers are too wide to be added up on a GPU");
    }
    let device = of[0].device();
    if rows == 0 {
        return Tensor::zeros(each * width, DType::F32, device);
    }
    let sums = uninit(each * width, DType::F32, device)?;
    let partial = uninit((chunks, each * width), DType::F32, device)?;
    let counters = counters(device)?;
    let tensors = [&sums, &partial, &counters].into_iter().chain(of.iter().copied());
    let sizes: [Arg; 3] = [rows.into(), width.into(), ROWS_A_THREAD.into()];
    let args: Vec<Arg> = tensors.map(Arg::from).chain(sizes).collect();
    launch(kernel, suffix(of[0].dtype())?, 32 * groups * chunks, &args)?;
    Ok(sums)
}
