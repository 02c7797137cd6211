//! Training the linear baseline: plain stochastic gradient descent, sample by sample.

use std::path::Path;

use super::learner::{Learner, StepOutcome};
use super::policy::Score;
use super::value::scores;
use crate::data::Sample;
use crate::error::Result;
use crate::model::linear::LinearModel;
use crate::value::{Label, LabelCounts};

/// A linear model with its train and eval splits.
#[derive(Debug)]
pub struct LinearLearner {
    model: LinearModel,
    prompts: Vec<(Vec<u32>, Label)>,
    eval: Vec<Sample>,
}

impl LinearLearner {
    /// Prepares the splits for the model.
    pub fn new(mut model: LinearModel, train: &[Sample], eval: Vec<Sample>) -> Self {
        model.set_train_labels(LabelCounts::of(
            train.iter().map(|sample| (sample.value, sample.label)),
        ));
        let prompt =
            |sample: &Sample| (model.features(sample.value, &sample.scenario), sample.label);
        Self { prompts: train.iter().map(prompt).collect(), model, eval }
    }
}

impl Learner for LinearLearner {
    fn lengths(&self) -> Vec<usize> {
        self.prompts.iter().map(|(features, _)| features.len()).collect()
    }

    /// The samples of a batch are learned one after the other: a batch only shares its learning
    /// rate.
    fn step(
        &mut self,
        _number: u64,
        batches: &[Vec<usize>],
        learning_rate: f64,
    ) -> Result<StepOutcome> {
        let samples: usize = batches.iter().map(Vec::len).sum();
        let mut sum = 0.0;
        for &sample in batches.iter().flatten() {
            let (features, label) = &self.prompts[sample];
            sum += f64::from(self.model.learn(features, *label, learning_rate as f32));
        }
        Ok(StepOutcome {
            loss: sum / samples as f64,
            weight: samples as u64,
            gradient_norm: None,
            samples,
            rollout: None,
        })
    }

    fn evaluate(&mut self) -> Result<Vec<Score>> {
        scores(&self.model, &self.eval)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        self.model.write(folder)
    }

    /// The model is all there is.
    fn write_state(&self, _folder: &Path) -> Result<()> {
        Ok(())
    }

    fn read_state(&mut self, _folder: &Path, _steps: u64) -> Result<()> {
        Ok(())
    }
}
