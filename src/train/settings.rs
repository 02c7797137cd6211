//! What a training run can be told: the section `[train]` of its configuration.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nn::adamw::AdamWSettings;
use crate::nn::precision::Precision;
use crate::nn::schedule::Schedule;

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// How often the train split is seen.
    pub epochs: u64,
    /// The number of optimiser steps, if fewer than the epochs make; 0 for all of them.
    pub max_steps: u64,
    /// The number of samples in a batch.
    pub batch_size: usize,
    /// The number of batches whose gradients make one optimiser step.
    #[serde(alias = "accumulate")]
    pub gradient_accumulation: usize,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// How the learning rate falls after the warm-up.
    pub schedule: Schedule,
    /// The share of all steps in which the learning rate rises from zero.
    pub warmup: f64,
    /// AdamW's weight decay, for matrices only.
    pub weight_decay: f64,
    /// AdamW's decay of the mean gradient.
    pub beta1: f64,
    /// AdamW's decay of the mean squared gradient.
    pub beta2: f64,
    /// AdamW's guard against division by zero.
    pub epsilon: f64,
    /// The largest norm of all gradients together; 0 for no limit.
    #[serde(alias = "clip")]
    pub max_grad_norm: f64,
    /// A factor of the learning rate from one layer of the encoder to the one below: the last layer's
    /// rate has it once, the embeddings' once more than there are layers; 1 for one rate.
    #[serde(skip_serializing_if = "is_one")]
    pub layer_decay: f64,
    /// The decay of a running mean of the weights, which is then what is judged and kept; 0 for the
    /// weights themselves.
    #[serde(skip_serializing_if = "is_zero")]
    pub average: f64,
    /// A value model's run, a folder of its runs under several seeds, or a model's folder, from whose
    /// predictions a value model learns beside the labels (Hinton et al. 2015).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<PathBuf>,
    /// How much of a row's target is the teacher's prediction; the rest is the label.
    #[serde(skip_serializing_if = "is_half")]
    pub teacher_weight: f64,
    /// Under which values it is asked about each text.
    #[serde(skip_serializing_if = "TeacherValues::is_own")]
    pub teacher_values: TeacherValues,
    /// How much it weighs in a value model's loss how the rows of one text differ under other values:
    /// the squared error of their differences in utility, each pair as a row; 0 for not at all. All
    /// rows of a text are then one sample: `batch_size` counts texts.
    #[serde(skip_serializing_if = "is_zero")]
    pub contrast: f64,
    /// How many rows a value model is given beside each row of the train split: its text under another
    /// value, under which nobody labelled it, as unrelated.
    #[serde(skip_serializing_if = "is_zero")]
    pub unrelated: f64,
    /// The same with what such a text is, as the train split's texts under several values tell: by the
    /// label that it has, and by how far apart the two values are on Schwartz's circle.
    #[serde(skip_serializing_if = "is_zero")]
    pub circle: f64,
    /// The share of each row's class that is spread evenly over all three, of value models that learn
    /// classes.
    #[serde(skip_serializing_if = "is_zero")]
    pub label_smoothing: f64,
    /// How much it weighs in a value model's loss that a second pass with other dropout says something
    /// else (R-Drop); 0 for no second pass.
    #[serde(skip_serializing_if = "is_zero")]
    pub r_drop: f64,
    /// The seed of order, dropout and new parameters.
    pub seed: u64,
    /// Steps between evaluations; 0 for one each epoch.
    pub eval_every: u64,
    /// Steps between rows of the training loss.
    pub log_every: u64,
    /// The score on the eval split that decides which checkpoint is the best.
    pub select: String,
    /// Evaluations without a better score after which training stops; 0 for never.
    pub patience: u64,
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// In which precision linear layers are computed.
    pub dtype: Precision,
}

/// Under which values a teacher is asked about a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TeacherValues {
    /// That of the row.
    #[default]
    Own,
    /// All ten, of which only the row's has a label.
    All,
}

fn is_half(number: &f64) -> bool {
    *number == 0.5
}

fn is_one(number: &f64) -> bool {
    *number == 1.0
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

impl TeacherValues {
    fn is_own(&self) -> bool {
        *self == Self::Own
    }
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            epochs: 3,
            max_steps: 0,
            batch_size: 32,
            gradient_accumulation: 1,
            learning_rate: 5e-5,
            schedule: Schedule::Linear,
            warmup: 0.06,
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            max_grad_norm: 1.0,
            layer_decay: 1.0,
            average: 0.0,
            teacher: None,
            teacher_weight: 0.5,
            teacher_values: TeacherValues::Own,
            contrast: 0.0,
            unrelated: 0.0,
            circle: 0.0,
            label_smoothing: 0.0,
            r_drop: 0.0,
            seed: 1,
            eval_every: 0,
            log_every: 20,
            select: "mse".into(),
            patience: 0,
            device: "auto".into(),
            dtype: Precision::F32,
        }
    }
}

impl TrainSettings {
    /// The optimiser's part.
    pub fn adamw(&self) -> AdamWSettings {
        AdamWSettings {
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
        }
    }
}
