//! Layer normalisation on a GPU: a warp for each row.

use candle_core::{DType, Result, Tensor};

use super::backend::{launch, uninit};
use super::launch::of_rows;
use super::sums::norm_sums;
use super::{GpuContext, GpuOp, GpuOutput};
use crate::nn::gradients::GradientSum;
use crate::nn::layer_norm::Normalise;

impl GpuOp for Normalise {
    fn forward(&self, _context: &GpuContext, inputs: &[Tensor]) -> Result<GpuOutput> {
        let [x, weight, bias] = inputs else {
            candle_core::bail!("layer norm takes x, weight and bias")
        };
        let (rows, width) = x.dims2()?;
        if weight.dims() != [width] || bias.dims() != [width] {
            candle_core::bail!("{:?} rows do not fit a norm of {:?}", x.dims(), weight.dims());
        }
        let y = uninit((rows, width), x.dtype(), x.device())?;
        let stats = uninit((rows, 2), DType::F32, x.device())?;
        let eps = self.eps as f32;
        let args = [&y, &stats, x, weight, bias].map(Into::into);
        let args = [args.as_slice(), &[eps.into(), rows.into(), width.into()]].concat();
        launch("norm", of_rows(x.dtype(), width)?, 32 * rows, &args)?;
        Ok(GpuOutput { result: y, saved: vec![stats] })
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        saved: &[Tensor],
        gradient: &Tensor,
        needed: &[bool],
    ) -> Result<Vec<Option<GradientSum>>> {
        let ([x, weight, _], [stats]) = (inputs, saved) else {
            candle_core::bail!("layer norm takes x, weight and bias")
        };
        let (rows, width) = x.dims2()?;
        let types = of_rows(x.dtype(), width)?;
        let dx = uninit((rows, width), x.dtype(), x.device())?;
        let args = [&dx, gradient, x, weight, stats].map(Into::into);
        let args = [args.as_slice(), &[rows.into(), width.into()]].concat();
        launch("norm_backward", types, 32 * rows, &args)?;
        let mut gradients = vec![Some(GradientSum::Dense(dx)), None, None];
        if needed[1..].contains(&true) {
            let both = norm_sums(gradient, x, stats)?;
            for place in 0..2 {
                gradients[1 + place] =
                    Some(GradientSum::Dense(both.narrow(0, place * width, width)?));
            }
        }
        Ok(gradients)
    }
}
