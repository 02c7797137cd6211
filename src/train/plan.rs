//! Which samples make which optimiser step: a function of the seed alone, so a resumed run needs no
//! position.

use super::settings::TrainSettings;
use crate::text::batch::epoch_batches;

/// The steps of a training run.
#[derive(Debug)]
pub struct Plan<'a> {
    lengths: &'a [usize],
    batch_size: usize,
    gradient_accumulation: usize,
    seed: u64,
    /// The steps of an epoch that learn from batches.
    batch_steps: u64,
    /// Every so-many-th step learns from no batch.
    other_every: Option<u64>,
    steps_per_epoch: u64,
    total: u64,
    eval_every: u64,
    epoch: Option<(u64, Vec<Vec<usize>>)>,
}

impl<'a> Plan<'a> {
    /// The plan for training samples of the given lengths. Every `other_every`-th step, if a number
    /// is given, has no batches, and epochs are longer by such steps; if all are such steps, an
    /// epoch has as many as it would have batches.
    pub fn new(lengths: &'a [usize], settings: &TrainSettings, other_every: Option<u64>) -> Self {
        let batches = lengths.len().div_ceil(settings.batch_size);
        let batch_steps = batches.div_ceil(settings.gradient_accumulation).max(1) as u64;
        let steps_per_epoch = match other_every {
            None | Some(..=1) => batch_steps,
            Some(every) => (batch_steps * every).div_ceil(every - 1),
        };
        let all = steps_per_epoch * settings.epochs;
        let total = if settings.max_steps == 0 { all } else { all.min(settings.max_steps) };
        Self {
            lengths,
            batch_size: settings.batch_size,
            gradient_accumulation: settings.gradient_accumulation,
            seed: settings.seed,
            batch_steps,
            other_every,
            steps_per_epoch,
            total,
            eval_every: if settings.eval_every == 0 {
                steps_per_epoch
            } else {
                settings.eval_every
            },
            epoch: None,
        }
    }

    /// The number of optimiser steps.
    pub fn total_steps(&self) -> u64 {
        self.total
    }

    /// The number of optimiser steps in an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.steps_per_epoch
    }

    /// Whether the eval split is due after so many steps.
    pub fn evaluates_after(&self, steps: u64) -> bool {
        steps.is_multiple_of(self.eval_every) || steps == self.total
    }

    /// The batches of step number `step`, counted from 0: the numbers of their samples. None of
    /// them in a step that learns from something else.
    pub fn batches(&mut self, step: u64) -> &[Vec<usize>] {
        let others = self.other_every.map_or(0, |every| step / every);
        if self.other_every.is_some_and(|every| (step + 1).is_multiple_of(every)) {
            return &[];
        }
        let step = step - others;
        let epoch = step / self.batch_steps;
        if self.epoch.as_ref().is_none_or(|(number, _)| *number != epoch) {
            self.epoch =
                Some((epoch, epoch_batches(self.lengths, self.batch_size, self.seed, epoch)));
        }
        let batches = self.epoch.as_ref().map_or(&[][..], |(_, batches)| batches);
        let start = (step % self.batch_steps) as usize * self.gradient_accumulation;
        &batches[start..batches.len().min(start + self.gradient_accumulation)]
    }
}
