//! Training a value model: its loss, and the paper's scores.

use std::path::Path;

use super::policy::Score;
use super::task::{Pass, Task};
use crate::data::Sample;
use crate::error::Result;
use crate::eval::{Evaluation, Scored, clusters};
use crate::model::{Predictor, ValueModel};
use crate::nn::params::Params;
use crate::nn::tape::Node;
use crate::text::PackedBatch;
use crate::value::{Label, LabelCounts, Value};

/// A value model with its train and eval splits.
#[derive(Debug)]
pub struct ValueTask {
    model: ValueModel,
    prompts: Vec<Vec<u32>>,
    labels: Vec<Label>,
    eval: Vec<Sample>,
}

impl ValueTask {
    /// Prepares the splits for the model.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn new(mut model: ValueModel, train: &[Sample], eval: Vec<Sample>) -> Result<Self> {
        model.set_train_labels(LabelCounts::of(
            train.iter().map(|sample| (sample.value, sample.label)),
        ));
        let pairs: Vec<(Value, &str)> =
            train.iter().map(|sample| (sample.value, sample.scenario.as_str())).collect();
        Ok(Self {
            prompts: model.text().encode_all(&pairs)?,
            labels: train.iter().map(|sample| sample.label).collect(),
            eval,
            model,
        })
    }
}

impl Task for ValueTask {
    fn params(&self) -> &Params {
        self.model.network().params()
    }

    fn lengths(&self) -> Vec<usize> {
        self.prompts.iter().map(Vec::len).collect()
    }

    fn loss(&self, pass: &Pass, samples: &[usize]) -> Result<Node> {
        let batch = PackedBatch::new(samples.iter().map(|&sample| self.prompts[sample].as_slice()));
        let labels: Vec<Label> = samples.iter().map(|&sample| self.labels[sample]).collect();
        Ok(self.model.loss(pass.tape, &batch, &labels, pass.scale)?)
    }

    fn evaluate(&self) -> Result<Vec<Score>> {
        scores(&self.model, &self.eval)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        self.model.write(folder)
    }
}

/// The scores by which checkpoints of a value model can be compared, as `train.select` calls them.
pub const SCORES: [&str; 3] = ["mse", "accuracy", "macro-f1"];

/// The scores by which checkpoints of a value model are compared.
pub(super) fn scores(model: &dyn Predictor, eval: &[Sample]) -> Result<Vec<Score>> {
    let evaluation = Evaluation::of(&predict(model, eval, |_| None)?, None)?;
    let all = evaluation.all();
    Ok(vec![
        Score::lower_is_better("mse", all.mse),
        Score::higher_is_better("accuracy", all.accuracy),
        Score::higher_is_better("macro_f1", all.macro_f1),
    ])
}

/// The model's predictions of samples; `seen` tells whether a text stood in the train split, if
/// that is known.
///
/// # Errors
/// If the model fails.
pub fn predict(
    model: &dyn Predictor,
    samples: &[Sample],
    seen: impl Fn(&str) -> Option<bool>,
) -> Result<Vec<Scored>> {
    let pairs: Vec<(Value, &str)> =
        samples.iter().map(|sample| (sample.value, sample.scenario.as_str())).collect();
    let predictions = model.predict(&pairs)?;
    let texts = clusters(samples.iter().map(|sample| sample.scenario.as_str()));
    let rows = samples.iter().zip(texts).zip(predictions);
    let scored = rows.map(|((sample, text), prediction)| Scored {
        value: sample.value,
        label: sample.label,
        utility: prediction.utility.into(),
        class: prediction.class,
        text,
        seen: seen(&sample.scenario),
    });
    Ok(scored.collect())
}
