//! Rotary position embedding on a GPU: a thread for each number.

use candle_core::{Result, Tensor};

use super::backend::{launch, uninit};
use super::launch::{Arg, suffix};
use super::{GpuContext, GpuOp, GpuOutput};
use crate::nn::gradients::GradientSum;
use crate::nn::rotary::Rotary;

impl Rotary {
    /// Turns each head forth or, with `direction` -1, back.
    fn rotate_on_gpu(&self, x: &Tensor, direction: f32) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        self.check(rows, width)?;
        let upload = |values: &[f32]| Tensor::new(values, x.device());
        let positions = Tensor::new(self.positions.as_slice(), x.device())?;
        let (cosines, sines) = (upload(&self.angles.cosines)?, upload(&self.angles.sines)?);
        let (y, count) = (uninit(x.shape(), x.dtype(), x.device())?, rows * width);
        let tensors = [&y, x, &positions, &cosines, &sines].map(Arg::from);
        let sizes = [
            self.columns.into(),
            self.angles.head_width().into(),
            width.into(),
            direction.into(),
            count.into(),
        ];
        launch("rotary", suffix(x.dtype())?, count, &[tensors.as_slice(), &sizes].concat())?;
        Ok(y)
    }
}

impl GpuOp for Rotary {
    fn forward(&self, _context: &GpuContext, inputs: &[Tensor]) -> Result<GpuOutput> {
        Ok(GpuOutput { result: self.rotate_on_gpu(&inputs[0], 1.0)?, saved: Vec::new() })
    }

    fn backward(
        &self,
        _inputs: &[Tensor],
        _kept: &[Tensor],
        gradient: &Tensor,
        _wanted: &[bool],
    ) -> Result<Vec<Option<GradientSum>>> {
        Ok(vec![Some(GradientSum::Dense(self.rotate_on_gpu(gradient, -1.0)?))])
    }
}
