//! Activations, dropout and gates on a GPU: number by number.

use candle_core::{Result, Tensor};

use super::backend::{launch, uninit};
use super::launch::{by_fours, mask_args, suffix};
use super::{GpuContext, GpuOp, GpuOutput};
use crate::nn::activation::Activation;
use crate::nn::dropout::Dropout;
use crate::nn::gated::Gated;
use crate::nn::gradients::GradientSum;
use crate::nn::noise::DropoutMask;

/// `mask * x`.
pub(super) fn drop(mask: &DropoutMask, x: &Tensor) -> Result<Tensor> {
    let (y, count) = (uninit(x.shape(), x.dtype(), x.device())?, x.elem_count());
    let args = [[(&y).into(), x.into(), count.into()].as_slice(), &mask_args(Some(mask))].concat();
    launch("dropout", suffix(x.dtype())?, by_fours(count), &args)?;
    Ok(y)
}

/// `activation'(x) * dy`.
pub(super) fn activate_backward(activation: Activation, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let (dx, count) = (uninit(x.shape(), x.dtype(), x.device())?, x.elem_count());
    let args = [(&dx).into(), x.into(), dy.into(), activation.number().into(), count.into()];
    launch("activate_backward", suffix(x.dtype())?, by_fours(count), &args)?;
    Ok(dx)
}

impl GpuOp for Activation {
    fn forward(&self, _context: &GpuContext, inputs: &[Tensor]) -> Result<GpuOutput> {
        let x = &inputs[0];
        let (y, count) = (uninit(x.shape(), x.dtype(), x.device())?, x.elem_count());
        let args = [(&y).into(), x.into(), self.number().into(), count.into()];
        launch("activate", suffix(x.dtype())?, by_fours(count), &args)?;
        Ok(GpuOutput { result: y, saved: Vec::new() })
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        _kept: &[Tensor],
        gradient: &Tensor,
        _wanted: &[bool],
    ) -> Result<Vec<Option<GradientSum>>> {
        Ok(vec![Some(GradientSum::Dense(activate_backward(*self, &inputs[0], gradient)?))])
    }
}

impl GpuOp for Dropout {
    fn forward(&self, _context: &GpuContext, inputs: &[Tensor]) -> Result<GpuOutput> {
        Ok(GpuOutput { result: drop(&self.mask, &inputs[0])?, saved: Vec::new() })
    }

    fn backward(
        &self,
        _inputs: &[Tensor],
        _kept: &[Tensor],
        gradient: &Tensor,
        _wanted: &[bool],
    ) -> Result<Vec<Option<GradientSum>>> {
        Ok(vec![Some(GradientSum::Dense(drop(&self.mask, gradient)?))])
    }
}

impl GpuOp for Gated {
    fn forward(&self, _context: &GpuContext, inputs: &[Tensor]) -> Result<GpuOutput> {
        let x = &inputs[0];
        let (rows, width) = x.dims2()?;
        if width % 2 == 1 {
            candle_core::bail!("rows of {width} have no two halves");
        }
        let (width, count) = (width / 2, rows * width / 2);
        let y = uninit((rows, width), x.dtype(), x.device())?;
        let args =
            [(&y).into(), x.into(), self.activation.number().into(), width.into(), count.into()];
        launch("gated", suffix(x.dtype())?, by_fours(count), &args)?;
        Ok(GpuOutput { result: y, saved: Vec::new() })
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        _kept: &[Tensor],
        gradient: &Tensor,
        _wanted: &[bool],
    ) -> Result<Vec<Option<GradientSum>>> {
        let x = &inputs[0];
        let (dx, width, count) =
            (uninit(x.shape(), x.dtype(), x.device())?, x.dim(1)? / 2, gradient.elem_count());
        let kind = self.activation.number().into();
        let args = [(&dx).into(), x.into(), gradient.into(), kind, width.into(), count.into()];
        launch("gated_backward", suffix(x.dtype())?, by_fours(count), &args)?;
        Ok(vec![Some(GradientSum::Dense(dx))])
    }
}
