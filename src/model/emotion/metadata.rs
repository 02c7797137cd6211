//! What a classifier of texts is told, and remembers, beside its weights.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::head::{HeadShape, Pooling};
use crate::nn::precision::Precision;
use crate::value::Value;

/// What the folder of such a model says that it does.
pub(super) const TASK: &str = "emotion";

/// Whether the encoder learns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderUse {
    /// All of it learns.
    #[default]
    Finetune,
    /// It stays as it is, and only the head learns.
    Frozen,
}

/// What stands in the place of values, to see what they are worth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// The text's own values.
    #[default]
    None,
    /// The values of another text of the same split.
    Shuffled,
    /// Zeros.
    Zeros,
    /// The text's own values, and nothing of its words.
    Only,
}

/// The values that a classifier sees beside a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueFeatures {
    /// The run of the value model, or its folder.
    pub run: PathBuf,
    /// The SHA-256 of that model's weights.
    pub sha256: String,
    /// In which precision it predicts them.
    pub precision: Precision,
    /// What stands in their place, if anything.
    #[serde(default)]
    pub control: Control,
}

/// What is asked of a classifier that is about to be trained.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEmotionModel {
    /// What it tells apart.
    pub labels: Vec<String>,
    /// The values that it sees beside a text, if it does.
    pub values: Option<ValueFeatures>,
    /// Whether its encoder learns.
    pub encoder: EncoderUse,
    /// What stands before its last layer.
    pub pooling: Pooling,
    /// The longest text in tokens; longer ones are cut.
    pub max_length: usize,
    /// The dropout probability, if not the checkpoint's own.
    pub dropout: Option<f64>,
    /// The seed of everything that starts at random.
    pub seed: u64,
}

/// What its folder says of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct EmotionMetadata {
    pub(super) version: String,
    pub(super) task: String,
    pub(super) labels: Vec<String>,
    pub(super) values: Option<ValueFeatures>,
    #[serde(default)]
    pub(super) encoder: EncoderUse,
    pub(super) pooling: Pooling,
    pub(super) max_length: usize,
}

impl EmotionMetadata {
    pub(super) fn new(new: &NewEmotionModel) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            task: TASK.into(),
            labels: new.labels.clone(),
            values: new.values.clone(),
            encoder: new.encoder,
            pooling: new.pooling,
            max_length: new.max_length,
        }
    }

    /// How many numbers stand beside a text.
    pub(super) fn inputs(&self) -> usize {
        if self.values.is_some() { Value::COUNT } else { 0 }
    }

    pub(super) fn head(&self) -> HeadShape {
        let (outputs, pooling) = (self.labels.len(), self.pooling);
        HeadShape { outputs, pooling, inputs: self.inputs() }
    }

    /// Whether it sees the words of a text.
    pub(super) fn reads(&self) -> bool {
        self.values.as_ref().is_none_or(|values| values.control != Control::Only)
    }
}
