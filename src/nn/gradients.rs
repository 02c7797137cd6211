//! Gradients on their way back: those of one operation's inputs, and the sums that the optimiser
//! takes.
//!
//! The gradient of an embedding table stays sparse: a batch uses some hundreds of its many thousand
//! rows.

use std::collections::HashMap;

use candle_core::{Result, Shape, Tensor};

use super::cpu;
use super::gpu::{backend, copies};
use super::params::{ParamId, Params};

/// The gradient of an input.
#[derive(Debug)]
pub enum Gradient {
    /// One number for each number of the input, in its order.
    Dense(Vec<f32>),
    /// That of the result itself, number by number.
    Same,
    /// Of a table of which only some rows were used: their numbers in ascending order, and one
    /// gradient row for each.
    Rows(Vec<u32>, Vec<f32>),
}

/// The gradients of parameters, of one network or several. They add up over backward passes until
/// they are taken.
#[derive(Debug, Default)]
pub struct Gradients {
    sums: HashMap<ParamId, GradientSum>,
}

/// A gradient that has been added up.
#[derive(Debug)]
pub enum GradientSum {
    /// A tensor of the parameter's shape.
    Dense(Tensor),
    /// Some rows of a table: their numbers in ascending order, and their gradients, (rows, width).
    Rows(Vec<u32>, Tensor),
}

impl Gradients {
    /// The gradient of a parameter, if a backward pass reached it.
    pub fn get(&self, id: ParamId) -> Option<&GradientSum> {
        self.sums.get(&id)
    }

    /// The gradients of a network in the order of its parameters, each with its parameter's number.
    pub fn of(&self, params: &Params) -> impl Iterator<Item = (usize, &GradientSum)> {
        (0..params.len()).filter_map(|index| Some((index, self.get(params.id(index))?)))
    }

    pub(super) fn add(&mut self, id: ParamId, gradient: GradientSum) -> Result<()> {
        let sum = match self.sums.remove(&id) {
            None => gradient,
            Some(before) => before.plus(gradient)?,
        };
        self.sums.insert(id, sum);
        Ok(())
    }
}

impl GradientSum {
    /// The numbers of the gradient; for rows, those of the rows that were used.
    pub fn tensor(&self) -> &Tensor {
        match self {
            GradientSum::Dense(tensor) | GradientSum::Rows(_, tensor) => tensor,
        }
    }

    /// A dense gradient of a parameter of the given shape, zero where no row was used.
    ///
    /// # Errors
    /// If candle cannot build the tensor.
    pub fn dense(&self, shape: &Shape) -> Result<Tensor> {
        match self {
            GradientSum::Dense(tensor) => Ok(tensor.clone()),
            GradientSum::Rows(ids, rows) if backend::holds(rows) => {
                copies::scatter(shape, ids, rows)
            }
            GradientSum::Rows(ids, rows) => {
                let zeros = Tensor::zeros(shape, rows.dtype(), rows.device())?;
                zeros.index_add(&Tensor::new(ids.as_slice(), rows.device())?, rows, 0)
            }
        }
    }

    fn plus(self, other: GradientSum) -> Result<GradientSum> {
        match (self, other) {
            (GradientSum::Dense(a), GradientSum::Dense(b)) => Ok(GradientSum::Dense(add(a, &b)?)),
            (GradientSum::Rows(a_ids, a), GradientSum::Rows(b_ids, b)) => {
                let both = Tensor::cat(&[&a, &b], 0)?;
                let ids = [a_ids, b_ids].concat();
                let (unique, place) = unique_rows(&ids);
                let zeros =
                    Tensor::zeros((unique.len(), both.dim(1)?), both.dtype(), both.device())?;
                Ok(GradientSum::Rows(
                    unique,
                    zeros.index_add(&Tensor::new(place, both.device())?, &both, 0)?,
                ))
            }
            (GradientSum::Rows(ids, rows), GradientSum::Dense(dense))
            | (GradientSum::Dense(dense), GradientSum::Rows(ids, rows)) => {
                Ok(GradientSum::Dense(add_rows(dense, &ids, &rows)?))
            }
        }
    }
}

/// `table` with `rows` added to those with these numbers, in the memory of the table where that is
/// possible.
fn add_rows(table: Tensor, ids: &[u32], rows: &Tensor) -> Result<Tensor> {
    if backend::holds(&table) || !(cpu::holds(&table) && cpu::holds(rows)) {
        return table.index_add(&Tensor::new(ids, table.device())?, rows, 0);
    }
    let width = table.dim(1)?;
    let rows = cpu::values(rows)?;
    cpu::update(&table, |table| {
        for (&id, row) in ids.iter().zip(rows.chunks_exact(width)) {
            let sum = &mut table[id as usize * width..][..width];
            sum.iter_mut().zip(row).for_each(|(sum, more)| *sum += more);
        }
        Ok(())
    })?;
    drop(rows);
    Ok(table)
}

/// The different numbers of `ids` in ascending order, and for each id its place among them.
pub fn unique_rows(ids: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut unique = ids.to_vec();
    unique.sort_unstable();
    unique.dedup();
    let place = ids.iter().map(|id| unique.partition_point(|other| other < id) as u32).collect();
    (unique, place)
}

/// `a + b`, in the memory of `a` where that is possible.
pub(super) fn add(a: Tensor, b: &Tensor) -> Result<Tensor> {
    if backend::holds(&a) || !(cpu::holds(&a) && cpu::holds(b)) {
        return a + b;
    }
    let b = cpu::values(b)?;
    cpu::update(&a, |sum| {
        cpu::add(sum, &b);
        Ok(())
    })?;
    drop(b);
    Ok(a)
}
