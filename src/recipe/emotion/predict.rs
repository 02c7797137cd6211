//! The labels of texts that nobody has labelled.

use std::path::Path;

use candle_core::Device;

use super::features::Features;
use crate::config::TaskKind;
use crate::error::{Error, Result};
use crate::infer;
use crate::model::emotion::Control;
use crate::model::{EmotionModel, Model};
use crate::nn::precision::Precision;
use crate::recipe::models::checkpoint_folder;
use crate::run::SavedRun;
use crate::train::Checkpoint;

/// A trained classifier, and the value model that it needs beside texts.
pub struct EmotionPredictor {
    model: EmotionModel,
    values: Option<Model>,
}

impl EmotionPredictor {
    /// Opens the model of a run's checkpoint, or of a model folder.
    ///
    /// # Errors
    /// If it is damaged, or the value model that it has learned with is gone or another.
    pub fn open(
        run: &Path,
        checkpoint: Checkpoint,
        device: &Device,
        precision: Precision,
    ) -> Result<Self> {
        let folder = checkpoint_folder(run, checkpoint)?;
        let model = EmotionModel::open(&folder, device, precision)?;
        let features = model.values().map(Features::of_model).transpose()?;
        let values = match features {
            None => None,
            Some(features) => match features.control() {
                Control::None | Control::Only => Some(features.model(device)?),
                Control::Shuffled | Control::Zeros => {
                    let what = "this model is a control, which has learned without the values of \
                                its texts: it is of no use but to be judged";
                    return Err(Error::file(run, what));
                }
            },
        };
        Ok(Self { model, values })
    }

    /// What it tells apart, in the order of its probabilities.
    pub fn labels(&self) -> &[String] {
        self.model.labels()
    }

    /// The probability of each label for each text: (texts, labels).
    ///
    /// # Errors
    /// If the model fails.
    pub fn predict(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let values = self.values.as_ref().map(|model| model.predictor().profiles(texts));
        self.model.predict(texts, values.transpose()?.as_deref())
    }
}

/// A text, and the probabilities of its labels; none for a blank text.
pub type LabelledShares = (String, Option<Vec<f32>>);

impl EmotionPredictor {
    /// The probabilities for `texts`, in chunks as [`infer::stream`] makes them.
    ///
    /// # Errors
    /// If reading, predicting or writing fails; what was handed on before stays.
    pub fn stream(
        &self,
        texts: impl Iterator<Item = Result<String>>,
        largest_chunk: usize,
        write: &mut dyn FnMut(&[LabelledShares]) -> Result<()>,
    ) -> Result<()> {
        infer::in_chunks(texts, largest_chunk, &mut |chunk| {
            let is_filled = |text: &&str| !text.trim().is_empty();
            let filled: Vec<&str> = chunk.iter().map(String::as_str).filter(is_filled).collect();
            let mut shares = self.predict(&filled)?.into_iter();
            let rows = chunk.into_iter().map(|text| {
                let shares = if is_filled(&text.as_str()) { shares.next() } else { None };
                (text, shares)
            });
            write(&rows.collect::<Vec<_>>())
        })
    }
}

/// Whether a run, or the folder of a model, is of such a classifier.
pub fn is_classifier(path: &Path) -> bool {
    match SavedRun::is_run(path) {
        true => {
            SavedRun::open(path).is_ok_and(|saved| saved.info.config.task.kind == TaskKind::Emotion)
        }
        false => EmotionModel::is_in(path),
    }
}
