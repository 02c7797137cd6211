//! Embedding tables on a GPU: a thread for each number of a row.

use candle_core::{DType, Result, Tensor};

use super::machine::{fresh, launch};
use super::work::{Arg, dtype};
use super::{Fused, Fusion, Pass};
use crate::nn::embedding::Lookup;
use crate::nn::gradients::{Sum, unique_rows};

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

impl Fused for Lookup {
    fn forward(&self, pass: &Pass, inputs: &[Tensor]) -> Result<Fusion> {
        self.check(inputs.iter().map(|table| table.dims()[0]))?;
        let (rows, width, of_tables) = (self.ids[0].len(), inputs[0].dim(1)?, inputs[0].dtype());
        let of_rows = if of_tables == DType::BF16 { DType::BF16 } else { dtype(pass.precision) };
        let ids = Tensor::new(self.ids.concat(), inputs[0].device())?;
        let y = fresh((rows, width), of_rows, inputs[0].device())?;
        let mut args = vec![Arg::from(&y)];
        args.extend((0..TABLES).map(|table| inputs.get(table).map_or(Arg::NULL, Arg::from)));
        args.extend([(&ids).into(), self.scale.into(), rows.into(), Arg::from(width)]);
        launch("lookup", suffix(of_tables, of_rows)?, rows * width, &args)?;
        Ok(Fusion { result: y, kept: Vec::new() })
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        _kept: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Sum>>> {
        let (width, device) = (gradient.dim(1)?, gradient.device());
        let tables = inputs.iter().zip(&self.ids).zip(wanted).enumerate();
        tables
            .map(|(number, ((table, ids), wanted))| {
                if !wanted {
                    return Ok(None);
                }
                let (unique, places) = unique_rows(ids);
                let (order, starts) = grouped(&places, unique.len());
                let lists = Tensor::new([order.as_slice(), &starts].concat(), device)?;
                let rows = fresh((unique.len(), width), table.dtype(), device)?;
                let (scale, used) = (self.scale_of(number).into(), unique.len().into());
                let (order, starts) = (Arg::At(&lists, 0), Arg::At(&lists, order.len()));
                let args =
                    [(&rows).into(), gradient.into(), order, starts, scale, used, width.into()];
                let types = suffix(table.dtype(), gradient.dtype())?;
                launch("lookup_backward", types, unique.len() * width, &args)?;
                Ok(Some(Sum::Rows(unique, rows)))
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
