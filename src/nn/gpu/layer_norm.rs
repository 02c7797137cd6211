//! Layer normalisation on a GPU: a warp for each row.

use candle_core::{DType, Result, Tensor};

use super::machine::{fresh, launch};
use super::work::suffix;
use super::{Fused, Fusion, Pass, ROWS_A_THREAD, sum_partials};
use crate::nn::gradients::Sum;
use crate::nn::layer_norm::Normalise;

impl Fused for Normalise {
    fn forward(&self, _pass: &Pass, inputs: &[Tensor]) -> Result<Fusion> {
        let [x, weight, bias] = inputs else {
            candle_core::bail!("layer norm takes x, weight and bias")
        };
        let (rows, width) = x.dims2()?;
        if weight.dims() != [width] || bias.dims() != [width] {
            candle_core::bail!("{:?} rows do not fit a norm of {:?}", x.dims(), weight.dims());
        }
        let y = fresh((rows, width), x.dtype(), x.device())?;
        let stats = fresh((rows, 2), DType::F32, x.device())?;
        let eps = self.eps as f32;
        let args = [&y, &stats, x, weight, bias].map(Into::into);
        let args = [args.as_slice(), &[eps.into(), rows.into(), width.into()]].concat();
        launch("norm", suffix(x.dtype())?, 32 * rows, &args)?;
        Ok(Fusion { result: y, kept: vec![stats] })
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        kept: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Sum>>> {
        let ([x, weight, _], [stats]) = (inputs, kept) else {
            candle_core::bail!("layer norm takes x, weight and bias")
        };
        let ((rows, width), types) = (x.dims2()?, suffix(x.dtype())?);
        let dx = fresh((rows, width), x.dtype(), x.device())?;
        let args = [&dx, gradient, x, weight, stats].map(Into::into);
        let args = [args.as_slice(), &[rows.into(), width.into()]].concat();
        launch("norm_backward", types, 32 * rows, &args)?;
        let mut gradients = vec![Some(Sum::Dense(dx)), None, None];
        if wanted[1..].contains(&true) {
            let chunks = rows.div_ceil(ROWS_A_THREAD);
            let partial = fresh((chunks, 2 * width), DType::F32, x.device())?;
            let args = [&partial, gradient, x, stats].map(Into::into);
            let args =
                [args.as_slice(), &[rows.into(), width.into(), ROWS_A_THREAD.into()]].concat();
            launch("norm_columns", types, chunks * width, &args)?;
            let both = sum_partials(&partial)?;
            for place in 0..2 {
                gradients[1 + place] = Some(Sum::Dense(both.narrow(0, place * width, width)?));
            }
        }
        Ok(gradients)
    }
}
