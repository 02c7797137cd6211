//! Embedding tables, and the choice of rows.

use candle_core::{Result, Tensor};

use super::cpu;
use super::gpu::{GpuOp, TABLES};
use super::gradients::{Gradient, unique_rows};
use super::params::{Init, Scope};
use super::tape::{CpuOp, CpuOutput, Node, Op, Tape, TensorView};

/// A table of one vector for each id, as `torch.nn.Embedding`.
#[derive(Debug, Clone)]
pub struct Embedding {
    weight: Node, // (entries, width)
}

impl Embedding {
    /// Takes `weight` from the scope.
    ///
    /// # Errors
    /// If it is missing or has another shape.
    pub fn load(scope: &Scope, entries: usize, width: usize) -> Result<Self> {
        Ok(Self { weight: scope.param("weight", (entries, width), Init::Normal)? })
    }

    /// The whole table: (entries, width).
    pub fn table(&self) -> &Node {
        &self.weight
    }
}

/// The sum of one row of each table: `(table, ids)` pairs with as many ids each, to (ids, width).
pub fn lookup(tape: &Tape, tables: &[(&Embedding, &[u32])]) -> Result<Node> {
    lookup_scaled(tape, tables, 1.0)
}

/// The same with the rows of the first table multiplied by `scale`.
pub fn lookup_scaled(tape: &Tape, tables: &[(&Embedding, &[u32])], scale: f32) -> Result<Node> {
    let ids = tables.iter().map(|(_, ids)| ids.to_vec()).collect();
    tape.apply(
        Lookup { ids, scale },
        &tables.iter().map(|(table, _)| &table.weight).collect::<Vec<_>>(),
    )
}

/// The rows of `x` with these numbers: (rows, width) to (numbers, width).
pub fn select_rows(tape: &Tape, x: &Node, numbers: &[u32]) -> Result<Node> {
    tape.apply(Lookup { ids: vec![numbers.to_vec()], scale: 1.0 }, &[x])
}

/// The rows of two tensors, (rows, width) each, in one: row number `firsts[i]` is row `i` of `a`, and row
/// number `seconds[i]` that of `b`. Every row is one of these.
///
/// # Errors
/// If there are not as many numbers as rows.
pub fn merge_rows(
    tape: &Tape,
    (a, firsts): (&Node, &[u32]),
    (b, seconds): (&Node, &[u32]),
) -> Result<Node> {
    let mut sources = vec![0; firsts.len() + seconds.len()];
    for (source, &row) in (0..).zip(firsts.iter().chain(seconds)) {
        sources[row as usize] = source;
    }
    tape.apply(Merged { sources }, &[a, b])
}

/// Rows of the two inputs behind each other, in this order.
#[derive(Debug)]
struct Merged {
    sources: Vec<u32>,
}

impl Op for Merged {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let sources = Tensor::new(self.sources.as_slice(), inputs[0].device())?;
        Tensor::cat(inputs, 0)?.index_select(&sources, 0)
    }
}

/// `scale * table₁[ids₁] + table₂[ids₂] + …`; the inputs are the tables.
#[derive(Debug)]
pub struct Lookup {
    /// The row numbers for each table.
    pub ids: Vec<Vec<u32>>,
    /// A factor of the first table's rows.
    pub scale: f32,
}

impl Lookup {
    pub(super) fn scale_of(&self, table: usize) -> f32 {
        if table == 0 { self.scale } else { 1.0 }
    }

    pub(super) fn check(&self, entries: impl Iterator<Item = usize>) -> Result<()> {
        for (ids, entries) in self.ids.iter().zip(entries) {
            if let Some(id) = ids.iter().find(|&&id| id as usize >= entries) {
                candle_core::bail!("row {id} was asked of a table of {entries}");
            }
        }
        Ok(())
    }
}

impl Op for Lookup {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        self.check(inputs.iter().map(|table| table.dims()[0]))?;
        let rows = |(table, ids): (&Tensor, &Vec<u32>)| {
            table.index_select(&Tensor::new(ids.as_slice(), table.device())?, 0)
        };
        let mut tables = inputs.iter().zip(&self.ids).map(rows);
        let Some(first) = tables.next() else { candle_core::bail!("a look-up without a table") };
        tables.try_fold((first? * f64::from(self.scale))?, |sum, rows| sum + rows?)
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        (self.ids.len() <= TABLES).then_some(self as &dyn GpuOp)
    }
}

impl CpuOp for Lookup {
    fn forward(&self, inputs: &[TensorView<'_>], _save: bool) -> Result<CpuOutput> {
        self.check(inputs.iter().map(TensorView::rows))?;
        let (rows, width) = (self.ids[0].len(), inputs[0].width());
        let y = cpu::build(rows * width, 64 * width, |start, y| {
            for (row, y) in (start / width..).zip(y.chunks_exact_mut(width)) {
                for (number, (table, ids)) in inputs.iter().zip(&self.ids).enumerate() {
                    let entry = &table.data[ids[row] as usize * width..][..width];
                    let scale = self.scale_of(number);
                    y.iter_mut().zip(entry).for_each(|(y, value)| *y += scale * value);
                }
            }
        });
        Ok(CpuOutput::new(y, (rows, width)))
    }

    fn backward(
        &self,
        inputs: &[TensorView<'_>],
        _kept: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let width = inputs[0].width();
        let sum_by_row = |(number, ids): (usize, &Vec<u32>)| {
            let scale = self.scale_of(number);
            let (unique, place) = unique_rows(ids);
            let mut sums = vec![0.0; unique.len() * width];
            for (place, gradient) in place.into_iter().zip(gradient.chunks_exact(width)) {
                let sum = &mut sums[place as usize * width..][..width];
                sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += scale * value);
            }
            Some(Gradient::Rows(unique, sums))
        };
        Ok(self.ids.iter().enumerate().map(sum_by_row).collect())
    }
}
