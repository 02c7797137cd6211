//! The classifier without an encoder: a bag of words and n-grams (the paper's fastText row), and
//! perhaps values beside it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::metadata::{EmotionMetadata, NewEmotionModel};
use super::{finite, softmax};
use crate::disk;
use crate::error::Result;
use crate::model::bag_of_words::{
    Bag, BagOfWords, BagShape, LinearSettings, MODEL_TYPE, damaged, words,
};
use crate::model::files;
use crate::model::metadata::METADATA_KEY;
use crate::value::Profile;

/// A linear classifier over the mean vector of a text's words and n-grams, and its values.
#[derive(Debug)]
pub struct EmotionLinear {
    bag: BagOfWords,
    metadata: EmotionMetadata,
}

/// What `config.json` says of it.
#[derive(Serialize, Deserialize)]
struct Extras {
    #[serde(flatten)]
    metadata: EmotionMetadata,
    linear: LinearSettings,
}

impl EmotionLinear {
    /// A model that knows the words of these texts and nothing of their labels.
    pub fn new<'a>(
        settings: &LinearSettings,
        texts: impl Iterator<Item = &'a str>,
        new: &NewEmotionModel,
    ) -> Self {
        let metadata = EmotionMetadata::new(new);
        let bag = BagOfWords::new(settings, shape(&metadata), texts.map(words), new.seed);
        Self { bag, metadata }
    }

    pub(super) fn metadata(&self) -> &EmotionMetadata {
        &self.metadata
    }

    /// The number of trained parameters, each number of a vector counted.
    pub fn parameters(&self) -> usize {
        self.bag.parameters()
    }

    /// What learns.
    pub fn bag_mut(&mut self) -> &mut BagOfWords {
        &mut self.bag
    }

    /// Texts, and their values if the model sees values, as the classifier sees them.
    pub fn bags(&self, texts: &[&str], values: Option<&[Profile]>) -> Vec<Bag> {
        let bag = |(number, text): (usize, &&str)| Bag {
            rows: if self.metadata.reads() { self.bag.rows(&words(text)) } else { Vec::new() },
            inputs: values.map_or(Vec::new(), |values| values[number].to_vec()),
        };
        texts.iter().enumerate().map(bag).collect()
    }

    /// The probability of each label: (texts, labels).
    ///
    /// # Errors
    /// If one is not finite.
    pub fn predict(&self, bags: &[Bag]) -> Result<Vec<Vec<f32>>> {
        finite(bags.iter().map(|bag| softmax(&self.bag.logits(bag))).collect())
    }

    /// Opens the folder of a trained model.
    pub(super) fn open(folder: &Path, config: &Json) -> Result<Self> {
        let Extras { metadata, linear } = serde_json::from_value(config[METADATA_KEY].clone())
            .map_err(|error| {
                damaged(folder, files::CONFIG, format!("key \"{METADATA_KEY}\": {error}"))
            })?;
        Ok(Self { bag: BagOfWords::read(folder, linear, shape(&metadata))?, metadata })
    }

    /// Writes the model into an existing folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let (metadata, linear) = (self.metadata.clone(), self.bag.settings().clone());
        disk::write_json(
            &folder.join(files::CONFIG),
            &json!({"model_type": MODEL_TYPE, METADATA_KEY: Extras { metadata, linear }}),
        )?;
        self.bag.write(folder)
    }
}

fn shape(metadata: &EmotionMetadata) -> BagShape {
    BagShape { classes: metadata.labels.len(), inputs: metadata.inputs() }
}
