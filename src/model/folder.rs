//! A trained value model as a folder in the Hugging Face layout.

use std::path::Path;

use candle_core::Device;
use serde_json::Value as Json;

use super::backbone::Family;
use super::base::{Meaning, check_rows, full_config, unfit};
use super::budget::TokenBudget;
use super::files::{self, ModelFiles};
use super::metadata::{METADATA_KEY, ModelMetadata, TokenizerSettings};
use super::network::{Network, Start};
use super::value_head::{HeadSettings, Objective};
use super::value_model::ValueModel;
use super::value_prompts::check_prompt;
use crate::disk;
use crate::error::{Error, Result};
use crate::nn::precision::Precision;
use crate::text::TextEncoder;

impl ValueModel {
    /// Opens the folder of a trained value model.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the folder holds no value model.
    pub fn open(folder: &Path, device: &Device) -> Result<Self> {
        let files = ModelFiles::find(folder)?;
        let config = disk::read_json(&files.config)?;
        let family =
            Family::from_config(&config).map_err(|what| Error::file(&files.config, what))?;
        let metadata: ModelMetadata = serde_json::from_value(config[METADATA_KEY].clone())
            .map_err(|error| {
                Error::file(
                    &files.config,
                    format!("this is no value model: key \"{METADATA_KEY}\": {error}"),
                )
                .help(
                    "name a run, or a model folder that `valuenet train` wrote; of a classifier that others trained, \
                     valuenet.toml says what it reads (docs/models.md)",
                )
            })?;
        check_prompt(&family, metadata.prompt, metadata.shared_layers)
            .map_err(|error| unfit(&files, error))?;
        let text = TextEncoder::read(&files.tokenizer, metadata.max_length)?;
        let tensors = family.canonical(files.read_weights()?);
        check_rows(&files, &family, &tensors, text.vocabulary_size())?;
        let network =
            Network::build(&family, metadata.head.shape(), tensors, Start::Trained, 0, device)
                .map_err(|error| unfit(&files, error))?;
        let tokenizer_settings = TokenizerSettings::read(&files.folder);
        let (precision, budget) = (Precision::F32, TokenBudget::of(device));
        Ok(Self { network, text, metadata, config, tokenizer_settings, precision, budget })
    }

    /// Writes the model into an existing folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        disk::write_json(&folder.join(files::CONFIG), &self.full_config()?)?;
        disk::write_file(&folder.join(files::TOKENIZER), self.text.to_json()?.as_bytes())?;
        let Self { metadata, .. } = self;
        self.tokenizer_settings.write(folder, &metadata.value_tokens, metadata.max_length)?;
        files::write_weights(&folder.join(files::WEIGHTS), self.network.params())
    }

    /// `config.json` as transformers reads it, and our own settings beside it.
    fn full_config(&self) -> Result<Json> {
        let HeadSettings { objective, pooling, .. } = self.metadata.head;
        let (labels, problem): (&[&str], _) = match objective {
            Objective::Regression => (&["utility"], "regression"),
            Objective::ThreeClass | Objective::Joint => {
                (&["-1", "0", "1"], "single_label_classification")
            }
            Objective::Relevance => (&["-1 or 1"], "multi_label_classification"),
            Objective::Ordinal => {
                (&["at least 0", "1 if at least 0"], "multi_label_classification")
            }
        };
        full_config(&self.config, &Meaning { labels, problem, pooling }, &self.metadata)
    }
}
