//! Embedding tables on a GPU: a thread for each number of a row.

use candle_core::{DType, Result, Tensor};

use super::backend::{launch, uninit};
use super::launch::{Arg, dtype};
use super::sums::column_sums;
use super::{GpuContext, GpuOp, GpuOutput};
use crate::nn::embedding::Lookup;
use crate::nn::gradients::{GradientSum, unique_rows};

/// How many tables the kernel adds up.
pub const TABLES: usize = 3;

/// The end of a kernel's name for tables and rows of these types.
fn suffix(tables: DType, rows: DType) -> Result<&'static str> {
    match (tables, rows) {
        (DType::F32, DType::F32) => Ok("f32_f32"),
        (DType::F32, DType::BF16) => Ok("f32_bf16"),
        (DType::BF16, DType::BF16) => Ok("bf16_bf16"),
        other => candle_core::bail!("the GPU kernels look nothing up in {other:?}"),
    }
}

impl GpuOp for Lookup {
    fn forward(&self, context: &GpuContext, inputs: &[Tensor]) -> Result<GpuOutput> {
        self.check(inputs.iter().map(|table| table.dims()[0]))?;
        let (rows, width, of_tables) = (self.ids[0].len(), inputs[0].dim(1)?, inputs[0].dtype());
        let of_rows = if of_tables == DType::BF16 { DType::BF16 } else { dtype(context.precision) };
        let ids = Tensor::new(self.ids.concat(), inputs[0].device())?;
        let y = uninit((rows, width), of_rows, inputs[0].device())?;
        let mut args = vec![Arg::from(&y)];
        args.extend((0..TABLES).map(|table| inputs.get(table).map_or(Arg::NULL, Arg::from)));
        args.extend([(&ids).into(), self.scale.into(), rows.into(), Arg::from(width)]);
        launch("lookup", suffix(of_tables, of_rows)?, rows * width, &args)?;
        Ok(GpuOutput { result: y, saved: Vec::new() })
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        _kept: &[Tensor],
        gradient: &Tensor,
        needed: &[bool],
    ) -> Result<Vec<Option<GradientSum>>> {
        let (width, device) = (gradient.dim(1)?, gradient.device());
        let tables = inputs.iter().zip(&self.ids).zip(needed).enumerate();
        tables
            .map(|(number, ((table, ids), needed))| {
                if !needed {
                    return Ok(None);
                }
                let (unique, places) = unique_rows(ids);
                if unique.len() == 1 && table.dtype() == DType::F32 && self.scale_of(number) == 1.0
                {
                    // As the type of every token: all rows in one sum, which many threads share.
                    let sum = column_sums(gradient)?.reshape((1, width))?;
                    return Ok(Some(GradientSum::Rows(unique, sum)));
                }
                let (order, starts) = grouped(&places, unique.len());
                let lists = Tensor::new([order.as_slice(), &starts].concat(), device)?;
                let rows = uninit((unique.len(), width), table.dtype(), device)?;
                let (scale, used) = (self.scale_of(number).into(), unique.len().into());
                let (order, starts) = (Arg::At(&lists, 0), Arg::At(&lists, order.len()));
                let args =
                    [(&rows).into(), gradient.into(), order, starts, scale, used, width.into()];
                let types = suffix(table.dtype(), gradient.dtype())?;
                launch("lookup_backward", types, unique.len() * width, &args)?;
                Ok(Some(GradientSum::Rows(unique, rows)))
            })
            .collect()
    }
}

/// The items in the order of the groups that they are in, and where each group begins.
fn grouped(group_of: &[u32], groups: usize) -> (Vec<u32>, Vec<u32>) {
    let mut order: Vec<u32> = (0..group_of.len() as u32).collect();
    order.sort_by_key(|&item| group_of[item as usize]);
    let start = |group: usize| {
        order.partition_point(|&item| (group_of[item as usize] as usize) < group) as u32
    };
    let starts = (0..=groups).map(start).collect();
    (order, starts)
}
