//! Linear layers on a GPU: one product for all layers that share their rows, and one kernel for
//! what follows.

use candle_core::{DType, Result, Tensor};

use super::backend::{launch, product, uninit};
use super::copies::Stacked;
use super::elementwise::{activate_backward, drop};
use super::launch::{Factor, by_fours, dtype, mask_args, suffix};
use super::sums::column_sums;
use super::{GpuContext, GpuOp, GpuOutput};
use crate::nn::gradients::GradientSum;
use crate::nn::linear::{Epilogue, LinearOp};
use crate::nn::packed_weights::PackedWeights;

impl GpuOp for LinearOp {
    fn forward(&self, context: &GpuContext, inputs: &[Tensor]) -> Result<GpuOutput> {
        let (x, layers, residual) = self.parts(inputs)?;
        let factors = dtype(self.precision);
        let Stacked { weight, bias } = match &self.packed_weights {
            Some(PackedWeights::Gpu(stacked)) => stacked.clone(),
            _ => {
                let part = |first: usize| layers.iter().skip(first).step_by(2).collect::<Vec<_>>();
                Stacked::new(&part(0), &part(1), self.precision)?
            }
        };
        let of_result = if matches!(self.epilogue, Epilogue::Widen) { DType::F32 } else { factors };
        let x = x.to_dtype(factors)?;
        let z = product(Factor::plain(&x), Factor::transposed(&weight), of_result)?; // (rows, out)
        let (rows, width) = z.dims2()?;
        if bias.dims() != [width] {
            candle_core::bail!("{:?} is no bias of {width} columns", bias.dims());
        }
        let mut saved = vec![x, weight];
        let types = suffix(of_result)?;
        let count = rows * width;
        let result = match (self.epilogue, residual) {
            (Epilogue::AddResidual(mask), Some(residual)) => {
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
            (epilogue, _) => {
                let (kind, y) = match epilogue {
                    Epilogue::Activate(activation) if context.save => {
                        (activation.number(), uninit((rows, width), of_result, z.device())?)
                    }
                    Epilogue::Activate(activation) => (activation.number(), z.clone()),
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
                saved.push(z);
                y
            }
        };
        Ok(GpuOutput { result, saved })
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        saved: &[Tensor],
        gradient: &Tensor,
        needed: &[bool],
    ) -> Result<Vec<Option<GradientSum>>> {
        let (x, layers, residual) = self.parts(inputs)?;
        let dz = match (self.epilogue, saved) {
            (Epilogue::Activate(activation), [.., z]) => {
                activate_backward(activation, z, gradient)?
            }
            (Epilogue::AddResidual(Some(mask)), _) => drop(&mask, gradient)?,
            _ => gradient.clone(),
        };
        let [factor, weight, ..] = saved else {
            candle_core::bail!("a linear layer saved too little")
        };
        let rounded = dz.to_dtype(factor.dtype())?;
        let mut gradients = vec![match needed[0] {
            true => Some(GradientSum::Dense(product(
                Factor::plain(&rounded),
                Factor::plain(weight),
                x.dtype(),
            )?)),
            false => None,
        }];
        let layers_needed = &needed[1..=layers.len()];
        let of_weight = match layers_needed.iter().step_by(2).any(|&needed| needed) {
            true => Some(product(Factor::transposed(&rounded), Factor::plain(factor), DType::F32)?),
            false => None,
        };
        let of_bias = match layers_needed.iter().skip(1).step_by(2).any(|&needed| needed) {
            true => Some(column_sums(&dz)?),
            false => None,
        };
        let mut start = 0;
        for (layer, needed) in layers.chunks(2).zip(layers_needed.chunks(2)) {
            let outputs = layer[1].dim(0)?;
            for (all, needed) in [&of_weight, &of_bias].into_iter().zip(needed) {
                let all = all.as_ref().filter(|_| *needed);
                gradients.push(
                    all.map(|all| all.narrow(0, start, outputs))
                        .transpose()?
                        .map(GradientSum::Dense),
                );
            }
            start += outputs;
        }
        if let Some(residual) = residual {
            gradients.push(Some(GradientSum::Dense(gradient.to_dtype(residual.dtype())?)));
        }
        Ok(gradients)
    }
}
