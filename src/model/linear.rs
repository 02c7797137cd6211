//! The value model without an encoder: a bag of words and n-grams, the value's token among them.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::bag_of_words::{self, Bag, BagOfWords, BagShape, MODEL_TYPE, damaged};
use super::files;
use super::metadata::METADATA_KEY;
use super::predictor::{Prediction, Predictor, whole};
use super::value_head::Objective;
use crate::disk;
use crate::error::Result;
use crate::value::{Label, LabelCounts, Value};

pub use super::bag_of_words::LinearSettings;

const SHAPE: BagShape = BagShape { classes: Label::COUNT, inputs: 0 };

/// A linear classifier over the mean vector of a prompt's words and n-grams.
#[derive(Debug)]
pub struct LinearModel {
    bag: BagOfWords,
    train_labels: Option<LabelCounts>,
}

/// What `config.json` says of it.
#[derive(Serialize, Deserialize)]
struct LinearConfig {
    version: String,
    #[serde(flatten)]
    settings: LinearSettings,
    train_labels: Option<LabelCounts>,
}

impl LinearModel {
    /// A model that knows the words of these prompts and nothing of their labels.
    pub fn new<'a>(
        settings: &LinearSettings,
        prompts: impl Iterator<Item = (Value, &'a str)>,
        seed: u64,
    ) -> Self {
        let texts = prompts.map(|(value, text)| words(value, text));
        Self { bag: BagOfWords::new(settings, SHAPE, texts, seed), train_labels: None }
    }

    /// The number of trained parameters, each number of a vector counted.
    pub fn parameters(&self) -> usize {
        self.bag.parameters()
    }

    /// Remembers the label counts of the split it is trained on.
    pub fn set_train_labels(&mut self, counts: LabelCounts) {
        self.train_labels = Some(counts);
    }

    /// What learns.
    pub fn bag_mut(&mut self) -> &mut BagOfWords {
        &mut self.bag
    }

    /// A prompt as the classifier sees it.
    pub fn bag(&self, value: Value, text: &str) -> Bag {
        Bag { rows: self.bag.rows(&words(value, text)), inputs: Vec::new() }
    }

    /// Opens the folder of a trained model.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub(super) fn open(folder: &Path, config: &Json) -> Result<Self> {
        let LinearConfig { settings, train_labels, .. } =
            serde_json::from_value(config[METADATA_KEY].clone()).map_err(|error| {
                damaged(folder, files::CONFIG, format!("key \"{METADATA_KEY}\": {error}"))
            })?;
        Ok(Self { bag: BagOfWords::read(folder, settings, SHAPE)?, train_labels })
    }

    /// Writes the model into an existing folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let extras = LinearConfig {
            version: env!("CARGO_PKG_VERSION").into(),
            settings: self.bag.settings().clone(),
            train_labels: self.train_labels,
        };
        disk::write_json(
            &folder.join(files::CONFIG),
            &json!({"model_type": MODEL_TYPE, METADATA_KEY: extras}),
        )?;
        self.bag.write(folder)
    }
}

impl Predictor for LinearModel {
    fn predict(&self, pairs: &[(Value, &str)]) -> Result<Vec<Prediction>> {
        let prediction = |(value, text): &(Value, &str)| {
            let logits = self.bag.logits(&self.bag(*value, text));
            Prediction::of_logits(logits.as_slice().try_into().ok()?)
        };
        whole(pairs.iter().map(prediction).collect())
    }

    fn rule(&self) -> &'static str {
        Objective::ThreeClass.rule()
    }

    fn has_probabilities(&self) -> bool {
        true
    }

    fn dtype(&self) -> &'static str {
        "f32"
    }

    fn train_labels(&self) -> Option<&LabelCounts> {
        self.train_labels.as_ref()
    }
}

/// The words of a prompt: the value's token, and the text's words.
fn words(value: Value, text: &str) -> Vec<String> {
    std::iter::once(value.token()).chain(bag_of_words::words(text)).collect()
}
