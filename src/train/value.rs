//! Training a value model: its loss, and the paper's scores.

use std::path::Path;

use super::policy::Score;
use super::settings::TeacherValues;
use super::task::{Pass, Task};
use crate::data::Sample;
use crate::error::Result;
use crate::eval::{Evaluation, Scored, clusters};
use crate::model::value_head::Target;
use crate::model::value_model::Beside;
use crate::model::value_prompts::Prompts;
use crate::model::{Prediction, Predictor, ValueModel};
use crate::nn::params::Params;
use crate::nn::tape::Node;
use crate::value::{LabelCounts, Value};

/// A value model with its train and eval splits.
#[derive(Debug)]
pub struct ValueTask {
    model: ValueModel,
    prompts: Prompts,
    /// As many for each prompt as it has values.
    targets: Vec<Target>,
    /// The prompts that are learned from together: one each, or all of a text.
    groups: Vec<Vec<usize>>,
    /// How much the differences within a text weigh.
    contrast: f64,
    /// The value of each prompt, where that is needed for them.
    values: Vec<Value>,
    /// How much it weighs that two passes say different things.
    r_drop: f64,
    eval: Vec<Sample>,
    /// Those of the eval samples.
    eval_prompts: Prompts,
}

impl ValueTask {
    /// Prepares the splits for the model.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn new(mut model: ValueModel, train: &[Sample], eval: Vec<Sample>) -> Result<Self> {
        let meant = |sample: &Sample| model.meant(sample.label);
        let labels = train.iter().map(|sample| (sample.value, meant(sample)));
        let targets = train.iter().map(|sample| meant(sample).into()).collect();
        model.set_train_labels(LabelCounts::of(labels));
        Ok(Self {
            prompts: model.prompts(&pairs(train))?,
            eval_prompts: model.prompts(&pairs(&eval))?,
            groups: (0..train.len()).map(|row| vec![row]).collect(),
            contrast: 0.0,
            values: Vec::new(),
            r_drop: 0.0,
            targets,
            eval,
            model,
        })
    }

    /// Learns from these rows too, of which each has a target; they do not count as rows of the train
    /// split.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn with_more(mut self, rows: &[Sample], targets: Vec<Target>) -> Result<Self> {
        self.prompts.append(self.model.prompts(&pairs(rows))?);
        self.targets.extend(targets);
        self.groups.extend((self.groups.len()..).take(rows.len()).map(|row| vec![row]));
        Ok(self)
    }

    /// Learns from what a teacher says too: of the train samples in their order, or under all ten values
    /// of each of their [`distinct_texts`]. `weight` is how much of a row's target it is; under values
    /// that nobody was asked about it is all of it.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn with_teacher(
        self,
        train: &[Sample],
        said: Vec<Target>,
        values: TeacherValues,
        weight: f64,
    ) -> Result<Self> {
        if values == TeacherValues::Own {
            let rows = self.targets.iter().zip(said);
            let targets = rows.map(|(own, said)| own.towards(said, weight as f32)).collect();
            return Ok(Self { targets, ..self });
        }
        let mut targets = said.clone();
        let rows = train.iter().zip(clusters(train.iter().map(|row| row.scenario.as_str())));
        for (own, (row, text)) in self.targets.iter().zip(rows) {
            let place = text * Value::COUNT + row.value.index();
            targets[place] = own.towards(said[place], weight as f32);
        }
        let prompts = self.model.prompts_of_all(&distinct_texts(train))?;
        let groups = (0..prompts.len()).map(|prompt| vec![prompt]).collect();
        Ok(Self { targets, prompts, groups, ..self })
    }

    /// Learns from classes of which a share is spread evenly over all (label smoothing); utilities stay.
    pub fn with_smoothing(mut self, share: f64) -> Self {
        for Target { probabilities, .. } in &mut self.targets {
            let even = share as f32 / probabilities.len() as f32;
            probabilities.iter_mut().for_each(|it| *it = (1.0 - share as f32) * *it + even);
        }
        self
    }

    /// Reads each batch twice, with other dropout, and learns to say the same, which weighs so much.
    pub fn with_r_drop(self, weight: f64) -> Self {
        Self { r_drop: weight, ..self }
    }

    /// Learns from all rows of a text in one step, and also from how their labels differ, which weighs
    /// so much: what tells them apart is the value alone.
    pub fn with_contrast(self, train: &[Sample], weight: f64) -> Self {
        let texts = clusters(train.iter().map(|sample| sample.scenario.as_str()));
        let mut groups = vec![Vec::new(); texts.iter().max().map_or(0, |last| last + 1)];
        texts.into_iter().enumerate().for_each(|(row, text)| groups[text].push(row));
        Self {
            groups,
            contrast: weight,
            values: train.iter().map(|row| row.value).collect(),
            ..self
        }
    }
}

impl Task for ValueTask {
    fn params(&self) -> &Params {
        self.model.network().params()
    }

    fn lengths(&self) -> Vec<usize> {
        let lengths = self.prompts.lengths();
        self.groups.iter().map(|rows| rows.iter().map(|&row| lengths[row]).sum()).collect()
    }

    fn weight(&self, samples: &[usize]) -> u64 {
        samples.iter().map(|&sample| self.groups[sample].len() as u64).sum()
    }

    fn loss(&self, pass: &Pass, samples: &[usize]) -> Result<Node> {
        let groups = || samples.iter().map(|&sample| &self.groups[sample]);
        let prompts: Vec<usize> = groups().flatten().copied().collect();
        let (batch, values) = (self.prompts.batch(&prompts), self.prompts.values());
        let own = |&prompt: &usize| self.targets[prompt * values..][..values].iter().copied();
        let targets: Vec<Target> = prompts.iter().flat_map(own).collect();
        let mut pairs = Vec::new();
        if self.contrast > 0.0 {
            let mut first = 0;
            for rows in groups() {
                for (a, row) in (first..).zip(rows) {
                    let others = (first..).zip(rows).take_while(|(b, _)| *b < a);
                    let others =
                        others.filter(|(_, other)| self.values[**other] != self.values[*row]);
                    pairs.extend(others.map(|(b, _)| (a, b)));
                }
                first += rows.len() as u32;
            }
        }
        let weight = pass.scale / values as f64;
        let beside = Beside { pairs, contrast: self.contrast, r_drop: self.r_drop };
        Ok(self.model.loss(pass.tape, &batch, &targets, weight, &beside)?)
    }

    fn evaluate(&self) -> Result<Vec<Score>> {
        scores(&scored(&self.model, &self.eval, self.model.score(&self.eval_prompts)?, |_| None))
    }

    fn write(&self, folder: &Path) -> Result<()> {
        self.model.write(folder)
    }
}

/// The texts of samples, each once, in the order in which they come.
pub fn distinct_texts(samples: &[Sample]) -> Vec<&str> {
    let texts = clusters(samples.iter().map(|sample| sample.scenario.as_str()));
    let mut distinct = Vec::new();
    for (sample, text) in samples.iter().zip(texts) {
        if text == distinct.len() {
            distinct.push(sample.scenario.as_str());
        }
    }
    distinct
}

/// The scores by which checkpoints of a value model can be compared, as `train.select` calls them.
pub const SCORES: [&str; 3] = ["mse", "accuracy", "macro-f1"];

/// The scores by which checkpoints of a value model are compared.
pub(super) fn scores(rows: &[Scored]) -> Result<Vec<Score>> {
    let evaluation = Evaluation::of(rows, None)?;
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
    Ok(scored(model, samples, model.predict(&pairs(samples))?, seen))
}

fn pairs(samples: &[Sample]) -> Vec<(Value, &str)> {
    samples.iter().map(|sample| (sample.value, sample.scenario.as_str())).collect()
}

/// Samples with what the model predicts of them.
fn scored(
    model: &dyn Predictor,
    samples: &[Sample],
    predictions: Vec<Prediction>,
    seen: impl Fn(&str) -> Option<bool>,
) -> Vec<Scored> {
    let texts = clusters(samples.iter().map(|sample| sample.scenario.as_str()));
    let rows = samples.iter().zip(texts).zip(predictions);
    let scored = rows.map(|((sample, text), prediction)| Scored {
        value: sample.value,
        label: model.meant(sample.label),
        utility: prediction.utility.into(),
        class: prediction.class,
        probabilities: prediction.probabilities,
        text,
        seen: seen(&sample.scenario),
    });
    scored.collect()
}
