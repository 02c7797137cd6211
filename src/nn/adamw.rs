//! AdamW (Loshchilov and Hutter, *Decoupled weight decay regularization*, ICLR 2019), as
//! `torch.optim.AdamW`.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Result, Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::gpu::adamw::{AdamWStep, AdamWTensors};
use super::gradients::{GradientSum, Gradients};
use super::params::Params;
use super::{clip, cpu, gpu};

/// AdamW's hyperparameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamWSettings {
    /// The decay of the running mean of gradients.
    pub beta1: f64,
    /// The decay of the running mean of their squares.
    pub beta2: f64,
    /// Keeps the divisor away from zero.
    pub epsilon: f64,
    /// The weight decay, of tensors of two or more dimensions only: biases and norms do not
    /// decay.
    pub weight_decay: f64,
}

impl AdamWSettings {
    /// The factors of step number `step`, from 1, for a tensor that decays or does not.
    fn factors(&self, step: u64, learning_rate: f64, decays: bool) -> Factors {
        let Self { beta1, beta2, epsilon, weight_decay } = *self;
        let decay = if decays { learning_rate * weight_decay } else { 0.0 };
        Factors {
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            epsilon: epsilon as f32,
            keep: (1.0 - decay) as f32,
            rate: (learning_rate / (1.0 - beta1.powf(step as f64))) as f32,
            square_correction: (1.0 / (1.0 - beta2.powf(step as f64)).sqrt()) as f32,
            scale: 1.0,
        }
    }
}

/// The optimiser and its state: a running mean of each parameter's gradients and of their squares.
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    steps: u64,
    /// Those of the parameters that are trained, by their numbers.
    moments: BTreeMap<usize, Moments>,
}

#[derive(Debug)]
struct Moments {
    mean: Var,
    square: Var,
    /// A factor of its learning rate.
    rate: f64,
    /// Of a table with sparse gradients: whether a row's moments are zero still, so that only its
    /// decay is due.
    idle_rows: Option<Vec<bool>>,
}

/// The factors of one step for one tensor.
#[derive(Debug, Clone, Copy)]
struct Factors {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    /// `1 - learning rate * weight decay`, or 1 for what does not decay.
    keep: f32,
    /// `learning rate / (1 - beta1^step)`.
    rate: f32,
    /// `1 / sqrt(1 - beta2^step)`.
    square_correction: f32,
    /// A factor of the gradient, for clipping.
    scale: f32,
}

impl AdamW {
    /// An optimiser for these parameters that has not moved yet.
    ///
    /// # Errors
    /// If there is no memory for its state.
    pub fn new(params: &Params, settings: AdamWSettings) -> Result<Self> {
        let zeros = |var: &Var| Var::zeros(var.shape(), DType::F32, var.device());
        let moments = (0..params.len())
            .filter(|&index| !params.is_frozen(index))
            .map(|index| {
                let var = params.var(index);
                let (mean, square) = (zeros(var)?, zeros(var)?);
                Ok((index, Moments { mean, square, rate: 1.0, idle_rows: None }))
            })
            .collect::<Result<_>>()?;
        Ok(Self { settings, steps: 0, moments })
    }

    /// The same with a factor of the learning rate for each parameter, by its number.
    pub fn with_rates(mut self, rates: &[f64]) -> Self {
        self.moments.iter_mut().for_each(|(&index, moments)| moments.rate = rates[index]);
        self
    }

    /// Moves every parameter that has a gradient, and returns the norm of all gradients together.
    /// Longer ones than `max_norm`, unless that is 0, are clipped to it; nothing moves if the
    /// norm is not finite.
    ///
    /// # Errors
    /// If a gradient does not have its parameter's shape.
    pub fn step(
        &mut self,
        params: &Params,
        gradients: &Gradients,
        learning_rate: f64,
        max_norm: f64,
    ) -> Result<f64> {
        if params.iter().all(|(_, var)| gpu::holds(var)) {
            return self.step_on_gpu(params, gradients, learning_rate, max_norm);
        }
        let norm = clip::global_norm(gradients, params)?;
        if !norm.is_finite() {
            return Ok(norm);
        }
        self.steps += 1;
        let scale = if max_norm > 0.0 { clip::factor(norm, max_norm) } else { 1.0 };
        let (settings, steps) = (self.settings, self.steps);
        for (index, gradient) in gradients.of(params) {
            let var = params.var(index);
            if let Some(moments) = self.moments.get_mut(&index) {
                let factors = settings.factors(steps, learning_rate * moments.rate, decays(var));
                moments.update(var, gradient, Factors { scale: scale as f32, ..factors })?;
            }
        }
        Ok(norm)
    }

    /// All parameters in one pass; only the norm is waited for, at the end.
    fn step_on_gpu(
        &mut self,
        params: &Params,
        gradients: &Gradients,
        learning_rate: f64,
        max_norm: f64,
    ) -> Result<f64> {
        self.steps += 1;
        let moved = |(index, gradient): (usize, &GradientSum)| {
            let (var, moments) = (params.var(index), &self.moments[&index]);
            let gradient = gradient.dense(var.shape())?.to_dtype(DType::F32)?.contiguous()?;
            let (parameter, mean, square) =
                (var.as_tensor(), moments.mean.as_tensor(), moments.square.as_tensor());
            let learning_rate = learning_rate * moments.rate;
            let Factors { keep, rate, .. } =
                self.settings.factors(self.steps, learning_rate, decays(var));
            Ok(AdamWTensors { parameter, mean, square, gradient, keep, rate })
        };
        let all = gradients.of(params).map(moved).collect::<Result<Vec<_>>>()?;
        let Factors { beta1, beta2, epsilon, square_correction, .. } =
            self.settings.factors(self.steps, learning_rate, true);
        let max_norm = max_norm as f32;
        let by = AdamWStep { max_norm, beta1, beta2, epsilon, square_correction };
        Ok(f64::from(gpu::adamw::step(&all, by)?.to_vec1::<f32>()?[0]))
    }

    /// How many steps it has made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The state under the names `mean.<parameter>` and `square.<parameter>`.
    pub fn state(&self, params: &Params) -> Vec<(String, Tensor)> {
        self.moments
            .iter()
            .flat_map(|(&index, moments)| {
                let name = params.name(index);
                [
                    (format!("mean.{name}"), moments.mean.as_detached_tensor()),
                    (format!("square.{name}"), moments.square.as_detached_tensor()),
                ]
            })
            .collect()
    }

    /// Takes up a state that [`AdamW::state`] gave after `steps` steps.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    pub fn restore(
        &mut self,
        params: &Params,
        state: &HashMap<String, Tensor>,
        steps: u64,
    ) -> Result<()> {
        for (&index, moments) in &mut self.moments {
            let name = params.name(index);
            moments.idle_rows = None;
            for (part, var) in [("mean", &moments.mean), ("square", &moments.square)] {
                match state.get(&format!("{part}.{name}")) {
                    Some(tensor) => var.set(&tensor.to_device(var.device())?)?,
                    None => candle_core::bail!("the optimiser's state {part}.{name} is missing"),
                }
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// Biases and norms do not decay.
fn decays(var: &Var) -> bool {
    var.rank() >= 2
}

impl Moments {
    fn update(&mut self, var: &Var, gradient: &GradientSum, factors: Factors) -> Result<()> {
        if !(cpu::holds(var) && cpu::holds(gradient.tensor())) {
            return self.update_by_reference(var, &gradient.dense(var.shape())?, factors);
        }
        let values = cpu::values(gradient.tensor())?;
        let mut idle = match gradient {
            GradientSum::Dense(_) => Vec::new(),
            GradientSum::Rows(..) => {
                self.idle_rows.take().map_or_else(|| self.find_idle_rows(), Ok)?
            }
        };
        cpu::update(var, |p| {
            cpu::update(&self.mean, |mean| {
                cpu::update(&self.square, |square| match gradient {
                    GradientSum::Dense(_) => factors.update_all(p, mean, square, &values),
                    GradientSum::Rows(ids, _) => {
                        factors.update_rows((p, mean, square), ids, &values, &mut idle)
                    }
                })
            })
        })?;
        self.idle_rows = matches!(gradient, GradientSum::Rows(..)).then_some(idle);
        Ok(())
    }

    fn find_idle_rows(&self) -> Result<Vec<bool>> {
        let width = self.mean.dims().last().copied().unwrap_or(1).max(1);
        let (mean, square) = (cpu::values(&self.mean)?, cpu::values(&self.square)?);
        let rows = mean.par_chunks(width).zip(square.par_chunks(width));
        Ok(rows
            .map(|(mean, square)| mean.iter().chain(square).all(|moment| *moment == 0.0))
            .collect())
    }

    fn update_by_reference(&self, var: &Var, gradient: &Tensor, f: Factors) -> Result<()> {
        let gradient = (gradient.to_dtype(DType::F32)? * f64::from(f.scale))?;
        let mean = ((&*self.mean * f64::from(f.beta1))? + (&gradient * f64::from(1.0 - f.beta1))?)?;
        let square = ((&*self.square * f64::from(f.beta2))?
            + (gradient.sqr()? * f64::from(1.0 - f.beta2))?)?;
        let divisor = ((square.sqrt()? * f64::from(f.square_correction))? + f64::from(f.epsilon))?;
        let moved =
            ((var.as_tensor() * f64::from(f.keep))? - (mean.div(&divisor)? * f64::from(f.rate))?)?;
        self.mean.set(&mean)?;
        self.square.set(&square)?;
        var.set(&moved)
    }
}

impl Factors {
    fn update_all(
        self,
        p: &mut [f32],
        mean: &mut [f32],
        square: &mut [f32],
        gradient: &[f32],
    ) -> Result<()> {
        const BLOCK: usize = 1 << 15;
        if p.len() != gradient.len() {
            candle_core::bail!(
                "a gradient of {} numbers for a parameter of {}",
                gradient.len(),
                p.len()
            );
        }
        p.par_chunks_mut(BLOCK)
            .zip(mean.par_chunks_mut(BLOCK))
            .zip(square.par_chunks_mut(BLOCK))
            .zip(gradient.par_chunks(BLOCK))
            .for_each(|(((p, mean), square), gradient)| {
                cpu::vectorised!(self.update_block(p, mean, square, |i| gradient[i]));
            });
        Ok(())
    }

    /// The gradient is zero in all rows but those with these `ids`; `idle` tells which rows have
    /// never had one.
    fn update_rows(
        self,
        (p, mean, square): (&mut [f32], &mut [f32], &mut [f32]),
        ids: &[u32],
        gradient: &[f32],
        idle: &mut [bool],
    ) -> Result<()> {
        let Some(width) = gradient.len().checked_div(ids.len()) else {
            return Ok(());
        };
        for &id in ids {
            idle[id as usize] = false;
        }
        p.par_chunks_mut(width)
            .zip(mean.par_chunks_mut(width))
            .zip(square.par_chunks_mut(width))
            .zip(idle)
            .enumerate()
            .with_min_len(256)
            .for_each(|(row, (((p, mean), square), idle))| {
                cpu::vectorised!(match ids.binary_search(&(row as u32)) {
                    Ok(place) => {
                        let gradient = &gradient[place * width..][..width];
                        self.update_block(p, mean, square, |i| gradient[i]);
                    }
                    Err(_) if *idle => p.iter_mut().for_each(|p| *p *= self.keep),
                    Err(_) => self.update_block(p, mean, square, |_| 0.0),
                });
            });
        Ok(())
    }

    #[inline(always)]
    fn update_block(
        self,
        p: &mut [f32],
        mean: &mut [f32],
        square: &mut [f32],
        gradient: impl Fn(usize) -> f32,
    ) {
        for (i, ((p, mean), square)) in p.iter_mut().zip(mean).zip(square).enumerate() {
            let gradient = gradient(i) * self.scale;
            *mean = self.beta1 * *mean + (1.0 - self.beta1) * gradient;
            *square = self.beta2 * *square + (1.0 - self.beta2) * gradient * gradient;
            let divisor = square.sqrt() * self.square_correction + self.epsilon;
            *p = *p * self.keep - self.rate * *mean / divisor;
        }
    }
}
