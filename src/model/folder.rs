//! A trained value model as a folder in the Hugging Face layout.

use std::path::Path;

use candle_core::Device;
use serde_json::{Value as Json, json};

use super::backbone::Family;
use super::budget::TokenBudget;
use super::extras::{EXTRAS, Extras, TokenizerSettings};
use super::files::{self, ModelFiles, UNFIT};
use super::head::Pooling;
use super::network::{Network, Start};
use super::value_head::Objective;
use super::value_model::ValueModel;
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
        let extras: Extras = serde_json::from_value(config[EXTRAS].clone()).map_err(|error| {
            Error::file(&files.config, format!("this is no value model: key \"{EXTRAS}\": {error}"))
                .help("name a run, or a model folder that `valuenet train` wrote")
        })?;
        let text = TextEncoder::read(&files.tokenizer, extras.max_length)?;
        let tensors = family.canonical(files.read_weights()?);
        let rows = tensors
            .get(&family.architecture().word_embeddings())
            .map_or(0, |table| table.dims()[0]);
        if text.vocabulary_size() > rows {
            let tokens = text.vocabulary_size();
            let what = format!("it knows {tokens} tokens, but the model has embeddings for {rows}");
            return Err(Error::file(&files.tokenizer, what)
                .help("tokenizer.json and the weights must come from the same model"));
        }
        let network =
            Network::build(&family, extras.head.shape(), tensors, Start::Trained, 0, device)
                .map_err(|error| Error::file(&files.weights, error.to_string()).help(UNFIT))?;
        let tokenizer_settings = TokenizerSettings::read(&files.folder);
        let (precision, budget) = (Precision::F32, TokenBudget::of(device));
        Ok(Self { network, text, extras, config, tokenizer_settings, precision, budget })
    }

    /// Writes the model into an existing folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        disk::write_json(&folder.join(files::CONFIG), &self.full_config()?)?;
        disk::write_file(&folder.join(files::TOKENIZER), self.text.to_json()?.as_bytes())?;
        self.tokenizer_settings.write(folder, &self.extras)?;
        files::write_weights(&folder.join(files::WEIGHTS), self.network.params())
    }

    /// `config.json` as transformers reads it, and our own settings beside it.
    fn full_config(&self) -> Result<Json> {
        let family = Family::from_config(&self.config).map_err(Error::failure)?;
        let classifier = family.classifier()?;
        let mut config = self.config.clone();
        config["architectures"] = match self.extras.head.pooling {
            Pooling::Pooler => json!([classifier.class]),
            Pooling::Cls => json!([family.architecture().class]),
        };
        let (labels, problem): (&[&str], _) = match self.extras.head.objective {
            Objective::Regression => (&["utility"], "regression"),
            Objective::ThreeClass => (&["-1", "0", "1"], "single_label_classification"),
        };
        let by_number =
            labels.iter().enumerate().map(|(number, label)| (number.to_string(), json!(label)));
        let by_label =
            labels.iter().enumerate().map(|(number, label)| (label.to_string(), json!(number)));
        config["id2label"] = Json::Object(by_number.collect());
        config["label2id"] = Json::Object(by_label.collect());
        config["problem_type"] = json!(problem);
        for (key, value) in classifier.settings {
            config[*key] = json!(value);
        }
        config["torch_dtype"] = json!("float32");
        config[EXTRAS] = serde_json::to_value(&self.extras)
            .map_err(Error::failure_because("cannot write JSON"))?;
        Ok(config)
    }
}
