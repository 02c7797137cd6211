//! The running mean of a network's weights over its steps, which is often the better network (Polyak and
//! Juditsky, *Acceleration of stochastic approximation by averaging*, 1992).

use std::collections::HashMap;

use candle_core::{Result, Tensor, Var};
use rayon::prelude::*;

use super::cpu;
use super::params::Params;

/// Exponential running means of the parameters that are trained.
#[derive(Debug)]
pub struct Average {
    decay: f64,
    /// By the parameters' numbers.
    means: Vec<(usize, Var)>,
}

impl Average {
    /// Means that begin at the parameters as they are.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn new(params: &Params, decay: f64) -> Result<Self> {
        let mean = |index: usize| Ok((index, Var::from_tensor(&params.var(index).copy()?)?));
        let trained = (0..params.len()).filter(|&index| !params.is_frozen(index));
        Ok(Self { decay, means: trained.map(mean).collect::<Result<_>>()? })
    }

    /// Takes the parameters in as they are after step number `step`, from 1. The decay is less in the
    /// first steps, `(1 + step) / (10 + step)`, so that what was there before them does not stay long
    /// (as TensorFlow's `ExponentialMovingAverage`).
    ///
    /// # Errors
    /// If candle fails.
    pub fn update(&self, params: &Params, step: u64) -> Result<()> {
        let early = (1 + step) as f64 / (10 + step) as f64;
        let share = 1.0 - self.decay.min(early);
        for (index, mean) in &self.means {
            let var = params.var(*index);
            if !(cpu::holds(var) && cpu::holds(mean)) {
                mean.set(&((mean.as_tensor() * (1.0 - share))? + (var.as_tensor() * share)?)?)?;
                continue;
            }
            let values = cpu::values(var)?;
            cpu::update(mean, |mean| {
                const BLOCK: usize = 1 << 15;
                let blocks = mean.par_chunks_mut(BLOCK).zip(values.par_chunks(BLOCK));
                blocks.for_each(|(mean, values)| {
                    cpu::vectorised!(approach(mean, values, share as f32));
                });
                Ok(())
            })?;
        }
        Ok(())
    }

    /// What `see` makes of the network with the means in the place of its parameters, which come back
    /// afterwards.
    ///
    /// # Errors
    /// If there is no memory for both.
    pub fn shown<T>(&self, params: &Params, see: impl FnOnce() -> T) -> Result<T> {
        let own: Vec<Tensor> =
            self.means.iter().map(|(index, _)| params.var(*index).copy()).collect::<Result<_>>()?;
        for (index, mean) in &self.means {
            params.var(*index).set(mean)?;
        }
        let seen = see();
        for ((index, _), own) in self.means.iter().zip(&own) {
            params.var(*index).set(own)?;
        }
        Ok(seen)
    }

    /// The parameters themselves, under the names `own.<parameter>`: a checkpoint's model has the
    /// means.
    pub fn state(&self, params: &Params) -> Vec<(String, Tensor)> {
        let own = |index: usize| (own_name(params, index), params.var(index).as_detached_tensor());
        self.means.iter().map(|(index, _)| own(*index)).collect()
    }

    /// Takes the parameters as they are, those of a checkpoint's model, for the means, and puts those
    /// that [`Average::state`] gave in their place.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    pub fn restore(&self, params: &Params, state: &HashMap<String, Tensor>) -> Result<()> {
        for (index, mean) in &self.means {
            let (name, var) = (own_name(params, *index), params.var(*index));
            mean.set(var)?;
            match state.get(&name) {
                Some(tensor) => var.set(&tensor.to_device(var.device())?)?,
                None => candle_core::bail!("the parameter {name} is missing"),
            }
        }
        Ok(())
    }
}

#[inline(always)]
fn approach(mean: &mut [f32], values: &[f32], share: f32) {
    mean.iter_mut().zip(values).for_each(|(mean, value)| *mean += share * (value - *mean));
}

fn own_name(params: &Params, index: usize) -> String {
    format!("own.{}", params.name(index))
}
