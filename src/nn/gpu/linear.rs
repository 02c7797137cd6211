//! Linear layers on a GPU: one product for all layers that share their rows, and one kernel for
//! what follows.

use candle_core::{DType, Result, Tensor};

use super::copies::Stacked;
use super::elementwise::{activate_backward, drop};
use super::machine::{fresh, launch, product};
use super::work::{Factor, by_fours, dtype, mask_args, suffix};
use super::{Fused, Fusion, Pass, column_sums};
use crate::nn::gradients::Sum;
use crate::nn::laid_out::LaidOut;
use crate::nn::linear::{Joined, Then};

impl Fused for Joined {
    fn forward(&self, pass: &Pass, inputs: &[Tensor]) -> Result<Fusion> {
        let (x, layers, residual) = self.parts(inputs)?;
        let factors = dtype(self.precision);
        let Stacked { weight, bias } = match &self.laid_out {
            Some(LaidOut::Gpu(stacked)) => stacked.clone(),
            _ => {
                let part = |first: usize| layers.iter().skip(first).step_by(2).collect::<Vec<_>>();
                Stacked::new(&part(0), &part(1), self.precision)?
            }
        };
        let of_result = if matches!(self.then, Then::Widen) { DType::F32 } else { factors };
        let x = x.to_dtype(factors)?;
        let z = product(Factor::plain(&x), Factor::transposed(&weight), of_result)?; // (rows, out)
        let (rows, width) = z.dims2()?;
        if bias.dims() != [width] {
            candle_core::bail!("{:?} is no bias of {width} columns", bias.dims());
        }
        let mut kept = vec![x, weight];
        let types = suffix(of_result)?;
        let count = rows * width;
        let result = match (self.then, residual) {
            (Then::AddTo(mask), Some(residual)) => {
                let residual = residual.to_dtype(of_result)?;
                if residual.dims() != [rows, width] {
                    candle_core::bail!(
                        "{:?} is no residual for ({rows}, {width})",
                        residual.dims()
                    );
                }
                let args =
                    [(&z).into(), (&bias).into(), (&residual).into(), width.into(), count.into()];
                let args = [args.as_slice(), &mask_args(mask.as_ref())].concat();
                launch("bias_residual", types, by_fours(count), &args)?;
                z
            }
            (then, _) => {
                let (kind, y) = match then {
                    Then::Activate(activation) if pass.keep => {
                        (activation.number(), fresh((rows, width), of_result, z.device())?)
                    }
                    Then::Activate(activation) => (activation.number(), z.clone()),
                    _ => (0, z.clone()),
                };
                let args = [
                    (&z).into(),
                    (&y).into(),
                    (&bias).into(),
                    kind.into(),
                    width.into(),
                    count.into(),
                ];
                launch("bias_activate", types, by_fours(count), &args)?;
                kept.push(z);
                y
            }
        };
        Ok(Fusion { result, kept })
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        kept: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Sum>>> {
        let (x, layers, residual) = self.parts(inputs)?;
        let dz = match (self.then, kept) {
            (Then::Activate(activation), [.., z]) => activate_backward(activation, z, gradient)?,
            (Then::AddTo(Some(mask)), _) => drop(&mask, gradient)?,
            _ => gradient.clone(),
        };
        let [factor, weight, ..] = kept else {
            candle_core::bail!("a linear layer kept too little")
        };
        let rounded = dz.to_dtype(factor.dtype())?;
        let mut gradients = vec![match wanted[0] {
            true => Some(Sum::Dense(product(
                Factor::plain(&rounded),
                Factor::plain(weight),
                x.dtype(),
            )?)),
            false => None,
        }];
        let layers_wanted = &wanted[1..=layers.len()];
        let of_weight = match layers_wanted.iter().step_by(2).any(|&wanted| wanted) {
            true => Some(product(Factor::transposed(&rounded), Factor::plain(factor), DType::F32)?),
            false => None,
        };
        let of_bias = match layers_wanted.iter().skip(1).step_by(2).any(|&wanted| wanted) {
            true => Some(column_sums(&dz)?),
            false => None,
        };
        let mut start = 0;
        for (layer, wanted) in layers.chunks(2).zip(layers_wanted.chunks(2)) {
            let outputs = layer[1].dim(0)?;
            for (all, wanted) in [&of_weight, &of_bias].into_iter().zip(wanted) {
                let all = all.as_ref().filter(|_| *wanted);
                gradients.push(
                    all.map(|all| all.narrow(0, start, outputs)).transpose()?.map(Sum::Dense),
                );
            }
            start += outputs;
        }
        if let Some(residual) = residual {
            gradients.push(Some(Sum::Dense(gradient.to_dtype(residual.dtype())?)));
        }
        Ok(gradients)
    }
}
