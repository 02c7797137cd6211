//! Activations, dropout and gates on a GPU: number by number.

use candle_core::{Result, Tensor};

use super::machine::{fresh, launch};
use super::work::{by_fours, mask_args, suffix};
use super::{Fused, Fusion, Pass};
use crate::nn::activation::Activation;
use crate::nn::dropout::Dropout;
use crate::nn::gated::Gated;
use crate::nn::gradients::Sum;
use crate::nn::noise::Mask;

/// `mask * x`.
pub(super) fn drop(mask: &Mask, x: &Tensor) -> Result<Tensor> {
    let (y, count) = (fresh(x.shape(), x.dtype(), x.device())?, x.elem_count());
    let args = [[(&y).into(), x.into(), count.into()].as_slice(), &mask_args(Some(mask))].concat();
    launch("dropout", suffix(x.dtype())?, by_fours(count), &args)?;
    Ok(y)
}

/// `activation'(x) * dy`.
pub(super) fn activate_backward(activation: Activation, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let (dx, count) = (fresh(x.shape(), x.dtype(), x.device())?, x.elem_count());
    let args = [(&dx).into(), x.into(), dy.into(), activation.number().into(), count.into()];
    launch("activate_backward", suffix(x.dtype())?, by_fours(count), &args)?;
    Ok(dx)
}

impl Fused for Activation {
    fn forward(&self, _pass: &Pass, inputs: &[Tensor]) -> Result<Fusion> {
        let x = &inputs[0];
        let (y, count) = (fresh(x.shape(), x.dtype(), x.device())?, x.elem_count());
        let args = [(&y).into(), x.into(), self.number().into(), count.into()];
        launch("activate", suffix(x.dtype())?, by_fours(count), &args)?;
        Ok(Fusion { result: y, kept: Vec::new() })
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        _kept: &[Tensor],
        gradient: &Tensor,
        _wanted: &[bool],
    ) -> Result<Vec<Option<Sum>>> {
        Ok(vec![Some(Sum::Dense(activate_backward(*self, &inputs[0], gradient)?))])
    }
}

impl Fused for Dropout {
    fn forward(&self, _pass: &Pass, inputs: &[Tensor]) -> Result<Fusion> {
        Ok(Fusion { result: drop(&self.mask, &inputs[0])?, kept: Vec::new() })
    }

    fn backward(
        &self,
        _inputs: &[Tensor],
        _kept: &[Tensor],
        gradient: &Tensor,
        _wanted: &[bool],
    ) -> Result<Vec<Option<Sum>>> {
        Ok(vec![Some(Sum::Dense(drop(&self.mask, gradient)?))])
    }
}

impl Fused for Gated {
    fn forward(&self, _pass: &Pass, inputs: &[Tensor]) -> Result<Fusion> {
        let x = &inputs[0];
        let (rows, width) = x.dims2()?;
        if width % 2 == 1 {
            candle_core::bail!("rows of {width} have no two halves");
        }
        let (width, count) = (width / 2, rows * width / 2);
        let y = fresh((rows, width), x.dtype(), x.device())?;
        let args =
            [(&y).into(), x.into(), self.activation.number().into(), width.into(), count.into()];
        launch("gated", suffix(x.dtype())?, by_fours(count), &args)?;
        Ok(Fusion { result: y, kept: Vec::new() })
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        _kept: &[Tensor],
        gradient: &Tensor,
        _wanted: &[bool],
    ) -> Result<Vec<Option<Sum>>> {
        let x = &inputs[0];
        let (dx, width, count) =
            (fresh(x.shape(), x.dtype(), x.device())?, x.dim(1)? / 2, gradient.elem_count());
        let kind = self.activation.number().into();
        let args = [(&dx).into(), x.into(), gradient.into(), kind, width.into(), count.into()];
        launch("gated_backward", suffix(x.dtype())?, by_fours(count), &args)?;
        Ok(vec![Some(Sum::Dense(dx))])
    }
}
