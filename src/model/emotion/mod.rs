//! Classifiers of texts, such as of what somebody feels in a situation, with or without the values
//! of the text beside it (the paper's Table 5): `e = softmax(W [h; V(s)] + b)`, of which `h` is the
//! text as an encoder, or a bag of words, sees it, and `V(s)` the ten utilities that a value model
//! has predicted of it.

mod encoder;
mod linear;
mod metadata;

use std::path::Path;

use candle_core::Device;

pub use encoder::{EmotionEncoder, Inputs};
pub use linear::EmotionLinear;
pub use metadata::{Control, EncoderUse, NewEmotionModel, ValueFeatures};

use super::bag_of_words::MODEL_TYPE;
use super::files::CONFIG;
use super::metadata::METADATA_KEY;
use crate::disk::read_json;
use crate::error::{Error, Result};
use crate::nn::precision::Precision;
use crate::value::Profile;
use metadata::{EmotionMetadata, TASK};

/// A classifier of texts.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // there is one of it
pub enum EmotionModel {
    /// An encoder with a head.
    Encoder(EmotionEncoder),
    /// A bag of words.
    Linear(EmotionLinear),
}

impl EmotionModel {
    /// Whether a folder holds such a model.
    pub fn is_in(folder: &Path) -> bool {
        read_json(&folder.join(CONFIG)).is_ok_and(|config| config[METADATA_KEY]["task"] == TASK)
    }

    /// Opens the folder of a trained model, which predicts in this precision if it can.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the folder holds no such model.
    pub fn open(folder: &Path, device: &Device, precision: Precision) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::file(folder, "no such folder"));
        }
        if !Self::is_in(folder) {
            return Err(Error::file(folder.join(CONFIG), "this is no classifier of texts")
                .help("name a run of `task.kind = \"emotion\"`, or its checkpoint"));
        }
        let config = read_json(&folder.join(CONFIG))?;
        Ok(match config["model_type"] == MODEL_TYPE {
            true => Self::Linear(EmotionLinear::open(folder, &config)?),
            false => Self::Encoder(EmotionEncoder::open(folder, device)?.with_precision(precision)),
        })
    }

    fn metadata(&self) -> &EmotionMetadata {
        match self {
            Self::Encoder(model) => model.metadata(),
            Self::Linear(model) => model.metadata(),
        }
    }

    /// What it tells apart, in the order of its probabilities.
    pub fn labels(&self) -> &[String] {
        &self.metadata().labels
    }

    /// The values that it sees beside a text, if it does.
    pub fn values(&self) -> Option<&ValueFeatures> {
        self.metadata().values.as_ref()
    }

    /// In which precision it computes: `f32` or `bf16`.
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::Encoder(model) => model.precision().name(),
            Self::Linear(_) => Precision::F32.name(),
        }
    }

    /// The number of parameters, each number of a tensor counted.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Encoder(model) => model.network().params().count(),
            Self::Linear(model) => model.parameters(),
        }
    }

    /// The names of the tensors that were initialised, and not read from a checkpoint.
    pub fn newly_initialised(&self) -> Vec<String> {
        match self {
            Self::Encoder(model) => model.network().newly_initialised().to_vec(),
            Self::Linear(_) => vec!["vectors".into(), "output".into()],
        }
    }

    /// The probability of each label for each text, whose values are given if the model sees
    /// values: (texts, labels).
    ///
    /// # Errors
    /// If the model fails, or a probability is not finite.
    pub fn predict(&self, texts: &[&str], values: Option<&[Profile]>) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Encoder(model) => model.predict(&model.inputs(texts, values)?),
            Self::Linear(model) => model.predict(&model.bags(texts, values)),
        }
    }
}

/// Probabilities, if all are numbers.
fn finite(shares: Vec<Vec<f32>>) -> Result<Vec<Vec<f32>>> {
    match shares.iter().flatten().all(|share| share.is_finite()) {
        true => Ok(shares),
        false => Err(Error::failure("the model predicted a number that is not finite")
            .help("the training may have diverged: lower the learning rate")),
    }
}

/// The probabilities that logits stand for.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().fold(f32::NEG_INFINITY, |largest, logit| largest.max(*logit));
    let shares: Vec<f64> = logits.iter().map(|logit| f64::from(logit - largest).exp()).collect();
    let sum: f64 = shares.iter().sum();
    shares.into_iter().map(|share| (share / sum) as f32).collect()
}
