//! A pretrained encoder, as far as a new model with a head of its own takes it over; and what all
//! such models write.

use std::collections::HashMap;
use std::path::Path;

use candle_core::Tensor;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::backbone::Family;
use super::files::{ModelFiles, UNFIT};
use super::head::Pooling;
use super::metadata::METADATA_KEY;
use crate::disk::read_json;
use crate::error::{Error, Result};

/// The encoder of a model folder: its head, if it has one, is left behind.
pub(super) struct Base {
    pub(super) files: ModelFiles,
    pub(super) config: Json,
    pub(super) family: Family,
    pub(super) tensors: HashMap<String, Tensor>,
}

impl Base {
    /// Reads the files of a folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let files = ModelFiles::find(folder)?;
        let config = read_json(&files.config)?;
        let family =
            Family::from_config(&config).map_err(|what| Error::file(&files.config, what))?;
        let mut tensors = family.canonical(files.read_weights()?);
        let encoder = format!("{}.", family.architecture().prefix);
        tensors.retain(|name, _| name.starts_with(&encoder));
        Ok(Self { files, config, family, tensors })
    }
}

/// An error of weights that do not fit their sizes.
pub(super) fn unfit(files: &ModelFiles, error: candle_core::Error) -> Error {
    Error::file(&files.weights, error.to_string()).help(UNFIT)
}

/// Whether the embeddings have a row for each of so many tokens.
pub(super) fn check_rows(
    files: &ModelFiles,
    family: &Family,
    tensors: &HashMap<String, Tensor>,
    tokens: usize,
) -> Result<()> {
    let table = tensors.get(&family.architecture().word_embeddings());
    let rows = table.and_then(|table| table.dims().first().copied()).unwrap_or(0);
    if tokens <= rows {
        return Ok(());
    }
    let what = format!("it knows {tokens} tokens, but the model has embeddings for {rows}");
    Err(Error::file(&files.tokenizer, what)
        .help("tokenizer.json and the weights must come from the same model"))
}

/// The family of a `config.json`, in which all dropout probabilities become this one, if one is
/// given.
pub(super) fn family_with_dropout(
    config: &mut Json,
    dropout: Option<f64>,
) -> candle_core::Result<Family> {
    let family = Family::from_config(config).map_err(candle_core::Error::msg)?;
    let Some(probability) = dropout else { return Ok(family) };
    let keys = family.architecture().dropout_keys;
    keys.iter().for_each(|&key| config[key] = probability.into());
    Family::from_config(config).map_err(candle_core::Error::msg)
}

/// What the logits of a classifier mean, as transformers has it.
pub(super) struct Meaning<'a> {
    /// What each logit stands for.
    pub(super) labels: &'a [&'a str],
    /// `regression`, `single_label_classification` or `multi_label_classification`.
    pub(super) problem: &'a str,
    /// Whether the family's own layers stand before the last one.
    pub(super) pooling: Pooling,
}

/// `config.json` as transformers reads it, and our own settings beside it.
pub(super) fn full_config(
    config: &Json,
    meaning: &Meaning,
    metadata: &impl Serialize,
) -> Result<Json> {
    let family = Family::from_config(config).map_err(Error::failure)?;
    let classifier = family.classifier()?;
    let mut config = config.clone();
    config["architectures"] = match meaning.pooling {
        Pooling::Pooler => json!([classifier.class]),
        Pooling::Cls => json!([family.architecture().class]),
    };
    let numbered = || meaning.labels.iter().enumerate();
    let by_number = numbered().map(|(number, label)| (number.to_string(), json!(label)));
    let by_label = numbered().map(|(number, label)| (label.to_string(), json!(number)));
    config["id2label"] = Json::Object(by_number.collect());
    config["label2id"] = Json::Object(by_label.collect());
    config["problem_type"] = json!(meaning.problem);
    for (key, value) in classifier.settings {
        config[*key] = json!(value);
    }
    config["torch_dtype"] = json!("float32");
    config[METADATA_KEY] =
        serde_json::to_value(metadata).map_err(Error::failure_because("cannot write JSON"))?;
    Ok(config)
}
