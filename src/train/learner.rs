//! What the loop drives: something that takes steps, and can be judged and kept.

use std::path::Path;

use super::event::{RolloutFigures, SpokenSample};
use super::layer_rates::layer_rates;
use super::policy::Score;
use super::settings::TrainSettings;
use super::task::{Pass, Task};
use crate::error::{Error, Result};
use crate::model::files::write_tensors;
use crate::nn::adamw::AdamW;
use crate::nn::average::Average;
use crate::nn::gradients::Gradients;
use crate::nn::noise::Noise;
use crate::nn::tape::{Node, Tape};

/// Something that [`super::fit`] can train.
pub trait Learner {
    /// The length of each training sample, in tokens.
    fn lengths(&self) -> Vec<usize>;

    /// Every so-many-th step learns from something else than batches of these samples; none does
    /// unless a number is given.
    fn other_every(&self) -> Option<u64> {
        None
    }

    /// Takes stock before the first step: the scores, if there is a use for them.
    ///
    /// # Errors
    /// If the model fails.
    fn begin(&mut self) -> Result<Option<Vec<Score>>> {
        Ok(None)
    }

    /// Learns from these batches of samples, in one optimiser step; `number` is how many were made
    /// before.
    ///
    /// # Errors
    /// If the model fails; then nothing has been learned.
    fn step(
        &mut self,
        number: u64,
        batches: &[Vec<usize>],
        learning_rate: f64,
    ) -> Result<StepOutcome>;

    /// The scores on held-out data.
    ///
    /// # Errors
    /// If the model fails.
    fn evaluate(&mut self) -> Result<Vec<Score>>;

    /// What the model said in the last evaluation, to be looked at.
    fn samples(&self) -> &[SpokenSample] {
        &[]
    }

    /// Why the training must not go on after the last evaluation, in words.
    fn crossed_limit(&self) -> Option<&str> {
        None
    }

    /// Writes the model into an empty folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write(&self, folder: &Path) -> Result<()>;

    /// Writes what else is needed to go on beside the model.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write_state(&self, folder: &Path) -> Result<()>;

    /// Takes up what [`Learner::write_state`] wrote after so many steps.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    fn read_state(&mut self, folder: &Path, steps: u64) -> Result<()>;
}

/// What one optimiser step gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOutcome {
    /// The mean loss, by weight.
    pub loss: f64,
    /// What its samples weigh together, in the task's unit.
    pub weight: u64,
    /// The norm of the gradients before clipping, if it was measured.
    pub gradient_norm: Option<f64>,
    /// The number of its samples.
    pub samples: usize,
    /// What was found of the replies that it learned from, if it learned from its own.
    pub rollout: Option<RolloutFigures>,
}

/// A [`Task`] that AdamW brings down its gradients.
#[derive(Debug)]
pub struct GradientLearner<'a, T> {
    pub(super) task: T,
    pub(super) settings: &'a TrainSettings,
    pub(super) optimiser: AdamW,
    average: Option<Average>,
}

const OPTIMISER: &str = "optimizer.safetensors";

impl<'a, T: Task> GradientLearner<'a, T> {
    /// Nothing is learned yet.
    ///
    /// # Errors
    /// If there is no memory for the optimiser's state.
    pub fn new(task: T, settings: &'a TrainSettings) -> Result<Self> {
        let params = task.params();
        let rates = layer_rates(params, settings.layer_decay);
        let optimiser = AdamW::new(params, settings.adamw())?.with_rates(&rates);
        let average = (settings.average > 0.0).then(|| Average::new(params, settings.average));
        let average = average.transpose()?;
        Ok(Self { task, settings, optimiser, average })
    }

    /// What `see` makes of the task with the weights that are judged and kept.
    fn shown<R>(&self, see: impl FnOnce(&T) -> Result<R>) -> Result<R> {
        match &self.average {
            Some(average) => average.shown(self.task.params(), || see(&self.task))?,
            None => see(&self.task),
        }
    }
}

impl<T: Task> Learner for GradientLearner<'_, T> {
    fn lengths(&self) -> Vec<usize> {
        self.task.lengths()
    }

    /// A unit of the task weighs alike, whatever batch it is in.
    fn step(
        &mut self,
        number: u64,
        batches: &[Vec<usize>],
        learning_rate: f64,
    ) -> Result<StepOutcome> {
        let TrainSettings { seed, gradient_accumulation, dtype, max_grad_norm, .. } =
            *self.settings;
        let weight: u64 = batches.iter().map(|batch| self.task.weight(batch)).sum();
        let scale = 1.0 / weight as f64;
        let (mut gradients, mut losses) = (Gradients::default(), Vec::new());
        for (number, batch) in (number * gradient_accumulation as u64..).zip(batches) {
            let tape = Tape::training(Some(Noise::new(seed, number))).with_precision(dtype);
            let loss = self.task.loss(&Pass { tape: &tape, scale, number, seed }, batch)?;
            tape.backward(&loss, &mut gradients)?;
            losses.push(loss);
        }
        let norm =
            self.optimiser.step(self.task.params(), &gradients, learning_rate, max_grad_norm)?;
        if let Some(average) = &self.average {
            average.update(self.task.params(), self.optimiser.steps())?;
        }
        // Losses are read last: a GPU is waited for once.
        let loss = |node: &Node| node.tensor().to_scalar::<f32>().map(f64::from);
        let loss = losses.iter().map(loss).sum::<candle_core::Result<f64>>()?;
        let samples = batches.iter().map(Vec::len).sum();
        Ok(StepOutcome { loss, weight, gradient_norm: Some(norm), samples, rollout: None })
    }

    fn evaluate(&mut self) -> Result<Vec<Score>> {
        self.shown(T::evaluate)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        self.shown(|task| task.write(folder))
    }

    fn write_state(&self, folder: &Path) -> Result<()> {
        let mut state = self.optimiser.state(self.task.params());
        state.extend(self.average.iter().flat_map(|it| it.state(self.task.params())));
        write_tensors(&folder.join(OPTIMISER), state)
    }

    fn read_state(&mut self, folder: &Path, steps: u64) -> Result<()> {
        let path = folder.join(OPTIMISER);
        let damaged = |error: candle_core::Error| {
            Error::file(&path, "not the optimiser's state").because(error)
        };
        let moments =
            candle_core::safetensors::load(&path, &candle_core::Device::Cpu).map_err(damaged)?;
        let params = self.task.params();
        self.optimiser.restore(params, &moments, steps).map_err(damaged)?;
        self.average.iter().try_for_each(|it| it.restore(params, &moments)).map_err(damaged)
    }
}
