//! A trained model of whatever kind its folder says.

use std::path::Path;

use candle_core::Device;

use super::bag_of_words::MODEL_TYPE;
use super::emotion::EmotionModel;
use super::ensemble::Ensemble;
use super::files::CONFIG;
use super::imported::ImportedModel;
use super::linear::LinearModel;
use super::metadata::METADATA_KEY;
use super::predictor::Predictor;
use super::value_model::ValueModel;
use crate::disk::read_json;
use crate::error::{Error, Result};
use crate::nn::precision::Precision;

/// A value model.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // there is one of it
pub enum Model {
    /// An encoder with a head.
    Encoder(ValueModel),
    /// A bag of words.
    Linear(LinearModel),
    /// One that others trained.
    Imported(ImportedModel),
    /// Several of them as one.
    Ensemble(Ensemble),
}

impl Model {
    /// Opens the folder of a trained model, which predicts in this precision if it can.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the folder holds no value model.
    pub fn open(folder: &Path, device: &Device, precision: Precision) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::file(folder, "no such folder"));
        }
        let config = folder.join(CONFIG);
        if EmotionModel::is_in(folder) {
            return Err(Error::file(&config, "this is a classifier of texts, and no value model"));
        }
        match config.is_file().then(|| read_json(&config)).transpose()? {
            Some(config) if config["model_type"] == MODEL_TYPE => {
                LinearModel::open(folder, &config).map(Self::Linear)
            }
            Some(config) if config.get(METADATA_KEY).is_none() && ImportedModel::is_in(folder) => {
                ImportedModel::open(folder, device, precision).map(Self::Imported)
            }
            _ => Ok(Self::Encoder(ValueModel::open(folder, device)?.with_precision(precision))),
        }
    }

    /// What predicts.
    pub fn predictor(&self) -> &dyn Predictor {
        match self {
            Self::Encoder(model) => model,
            Self::Linear(model) => model,
            Self::Imported(model) => model,
            Self::Ensemble(models) => models,
        }
    }

    /// What predicts, on its own.
    pub fn into_predictor(self) -> Box<dyn Predictor> {
        match self {
            Self::Encoder(model) => Box::new(model),
            Self::Linear(model) => Box::new(model),
            Self::Imported(model) => Box::new(model),
            Self::Ensemble(models) => Box::new(models),
        }
    }

    /// The number of trained parameters, each number of a tensor counted.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Encoder(model) => model.network().params().count(),
            Self::Linear(model) => model.parameters(),
            Self::Imported(model) => model.parameters(),
            Self::Ensemble(models) => models.parameters(),
        }
    }

    /// The names of the tensors that were initialised, and not read from a checkpoint.
    pub fn newly_initialised(&self) -> Vec<String> {
        match self {
            Self::Encoder(model) => model.network().newly_initialised().to_vec(),
            Self::Linear(_) => vec!["vectors".into(), "output".into()],
            Self::Imported(_) | Self::Ensemble(_) => Vec::new(),
        }
    }
}
