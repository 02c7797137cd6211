//! Training a bag of words: plain stochastic gradient descent, sample by sample.

use std::path::Path;

use super::learner::{Learner, StepOutcome};
use super::policy::Score;
use super::{emotion, value};
use crate::data::Sample;
use crate::error::Result;
use crate::model::bag_of_words::{Bag, BagOfWords};
use crate::model::emotion::EmotionLinear;
use crate::model::linear::LinearModel;
use crate::value::{LabelCounts, Profile};

/// A model that is a bag of words.
pub trait BagModel {
    /// What learns.
    fn bag_mut(&mut self) -> &mut BagOfWords;

    /// Writes the model into an empty folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write(&self, folder: &Path) -> Result<()>;
}

impl BagModel for LinearModel {
    fn bag_mut(&mut self) -> &mut BagOfWords {
        self.bag_mut()
    }

    fn write(&self, folder: &Path) -> Result<()> {
        self.write(folder)
    }
}

impl BagModel for EmotionLinear {
    fn bag_mut(&mut self) -> &mut BagOfWords {
        self.bag_mut()
    }

    fn write(&self, folder: &Path) -> Result<()> {
        self.write(folder)
    }
}

/// The scores of a model on held-out data.
type Judge<M> = Box<dyn Fn(&M) -> Result<Vec<Score>>>;

/// A linear model with what it learns from, and how it is judged.
pub struct LinearLearner<M> {
    model: M,
    samples: Vec<(Bag, usize)>,
    judge: Judge<M>,
}

impl LinearLearner<LinearModel> {
    /// A value model with its train and eval splits.
    pub fn of_values(mut model: LinearModel, train: &[Sample], eval: Vec<Sample>) -> Self {
        model.set_train_labels(LabelCounts::of(
            train.iter().map(|sample| (sample.value, sample.label)),
        ));
        let prompt =
            |sample: &Sample| (model.bag(sample.value, &sample.scenario), sample.label.index());
        let samples = train.iter().map(prompt).collect();
        let judge =
            move |model: &LinearModel| value::scores(&value::predict(model, &eval, |_| None)?);
        Self { model, samples, judge: Box::new(judge) }
    }
}

impl LinearLearner<EmotionLinear> {
    /// A classifier of texts with its train and eval splits.
    pub fn of_emotions(
        model: EmotionLinear,
        train: &emotion::Texts,
        eval: &emotion::Texts,
    ) -> Self {
        let bags = |split: &emotion::Texts| {
            let texts: Vec<&str> = split.texts.iter().map(String::as_str).collect();
            let values: Option<&[Profile]> = split.values.as_deref();
            model.bags(&texts, values)
        };
        let samples = bags(train).into_iter().zip(train.classes.iter().copied()).collect();
        let (eval_bags, classes) = (bags(eval), eval.classes.clone());
        let judge =
            move |model: &EmotionLinear| Ok(emotion::scores(&model.predict(&eval_bags)?, &classes));
        Self { model, samples, judge: Box::new(judge) }
    }
}

impl<M: BagModel> Learner for LinearLearner<M> {
    fn lengths(&self) -> Vec<usize> {
        self.samples.iter().map(|(bag, _)| bag.rows.len()).collect()
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
            let (bag, class) = &self.samples[sample];
            sum += f64::from(self.model.bag_mut().learn(bag, *class, learning_rate as f32));
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
        (self.judge)(&self.model)
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
