//! The language model: a tokenizer and a network that belong together, and the files they are kept
//! in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde_json::{Map, Value as Json, json};
use tokenizers::Tokenizer;

use super::backbone::Family;
use super::files::{self, ModelFiles, UNFIT};
use super::gguf;
use super::language_network::LanguageNetwork;
use super::metadata::METADATA_KEY;
use super::scratch::ScratchSettings;
use super::seq2seq::Seq2SeqConfig;
use crate::disk;
use crate::error::{Error, Result};
use crate::nn::precision::Precision;
use crate::text::byte_level::learn_byte_pairs;
use crate::text::tokenizer::{parse, rows_for};

/// A model that continues texts.
#[derive(Debug)]
pub struct LanguageModel {
    network: LanguageNetwork,
    family: Family,
    tokenizer: Tokenizer,
    files: SideFiles,
    precision: Precision,
    device: Device,
}

/// What stands in a model's folder beside weights and tokenizer.
#[derive(Debug, Clone)]
pub(super) struct SideFiles {
    /// `config.json`.
    pub(super) config: Json,
    /// `tokenizer_config.json`, with the chat template if there is one.
    pub(super) tokenizer: Map<String, Json>,
    /// `generation_config.json`.
    pub(super) generation: Map<String, Json>,
}

/// What a model is built from.
#[derive(Debug)]
pub(super) struct Checkpoint {
    /// Under the family's canonical names.
    pub(super) tensors: HashMap<String, Tensor>,
    pub(super) tokenizer: Tokenizer,
    pub(super) files: SideFiles,
    /// Where they come from, for errors.
    pub(super) path: PathBuf,
}

impl LanguageModel {
    /// Opens a model folder in the Hugging Face layout, or a GGUF file, or a folder with one.
    ///
    /// # Errors
    /// If a file is missing or damaged, or holds no language model.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let checkpoint = match gguf_file(path) {
            Some(file) => gguf::read(&file)?,
            None => read_folder(path)?,
        };
        Self::build(checkpoint, Precision::F32, device)
    }

    /// A GPT-2 of this size with random weights, which reads at most `max_length` tokens, and a
    /// byte-level vocabulary learned from texts.
    ///
    /// # Errors
    /// If no vocabulary can be learned, or the sizes do not fit each other.
    pub fn from_scratch<'a>(
        size: &ScratchSettings,
        texts: impl Iterator<Item = &'a str>,
        max_length: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let tokenizer = learn_byte_pairs(texts, size.vocabulary_size)?;
        let config = size.decoder_config(max_length, rows_for(&tokenizer));
        let misfit = |what: String| Error::key("model.scratch", what);
        let family = Family::from_config(&config).map_err(misfit)?;
        let network = LanguageNetwork::from_scratch(&family, seed, device)
            .map_err(|error| misfit(error.to_string()))?;
        let tokenizer_settings = json!({ "tokenizer_class": "PreTrainedTokenizerFast" });
        let files = SideFiles {
            generation: generation(&config),
            tokenizer: tokenizer_settings.as_object().cloned().unwrap_or_default(),
            config,
        };
        let (precision, device) = (Precision::F32, device.clone());
        Ok(Self { network, family, tokenizer, files, precision, device })
    }

    fn build(checkpoint: Checkpoint, precision: Precision, device: &Device) -> Result<Self> {
        let Checkpoint { tensors, tokenizer, files, path } = checkpoint;
        let family = Family::from_config(&files.config).map_err(|what| Error::file(&path, what))?;
        let network = LanguageNetwork::build(&family, tensors, device)
            .map_err(|error| Error::file(&path, error.to_string()).help(UNFIT))?;
        let (tokens, rows) = (rows_for(&tokenizer), network.vocabulary_size());
        if tokens > rows {
            let what = format!("it knows {tokens} tokens, but has embeddings for {rows}");
            return Err(Error::file(&path, what)
                .help("the tokenizer and the weights must come from the same model"));
        }
        Ok(Self { network, family, tokenizer, files, precision, device: device.clone() })
    }

    /// The same model, which computes in this precision.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The same model with this dropout probability wherever its own configuration has one.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn with_dropout(self, probability: f64) -> Result<Self> {
        let mut checkpoint = self.taken_apart();
        for key in self.family.architecture().dropout_keys {
            checkpoint.files.config[*key] = probability.into();
        }
        Self::build(checkpoint, self.precision, &self.device)
    }

    /// The same model with a tokenizer that `change` has changed. A token that it adds gets a row
    /// of the embeddings, which starts at their mean.
    ///
    /// # Errors
    /// As `change`, and if there is no memory for the rows.
    pub fn with_tokenizer<T>(
        self,
        change: impl FnOnce(&mut Tokenizer) -> Result<T>,
    ) -> Result<(Self, T)> {
        let mut checkpoint = self.taken_apart();
        let known = checkpoint.tokenizer.get_vocab(true);
        let answer = change(&mut checkpoint.tokenizer)?;
        let vocabulary = checkpoint.tokenizer.get_vocab(true);
        let is_added = |(token, _): &(&String, &u32)| !known.contains_key(*token);
        let mut added: Vec<u32> = vocabulary.iter().filter(is_added).map(|(_, id)| *id).collect();
        if added.is_empty() {
            return Ok((Self { tokenizer: checkpoint.tokenizer, ..self }, answer));
        }
        added.sort_unstable();
        let output = format!("{}.weight", self.family.language_head()?.output);
        for name in [self.family.architecture().word_embeddings(), output] {
            if let Some(table) = checkpoint.tensors.get_mut(&name) {
                *table = with_mean_rows(table, &added)?;
                checkpoint.files.config["vocab_size"] = table.dims()[0].into();
            }
        }
        Ok((Self::build(checkpoint, self.precision, &self.device)?, answer))
    }

    /// The parameters in order.
    fn tensors(&self) -> impl Iterator<Item = (String, Tensor)> {
        let params = self.network.params().iter();
        params.map(|(name, var)| (name.to_string(), var.as_detached_tensor()))
    }

    fn taken_apart(&self) -> Checkpoint {
        let (tokenizer, files) = (self.tokenizer.clone(), self.files.clone());
        let path = files::CONFIG.into();
        Checkpoint { tensors: self.tensors().collect(), tokenizer, files, path }
    }

    /// The network.
    pub fn network(&self) -> &LanguageNetwork {
        &self.network
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// In which precision it computes.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The longest sequence it can read, in tokens.
    pub fn max_length(&self) -> usize {
        self.family.architecture().max_length
    }

    /// The tokens that end a text, as its own configuration names them.
    pub fn end_tokens(&self) -> Vec<u32> {
        let stated = self.files.generation.get("eos_token_id");
        let stated = stated.unwrap_or(&self.files.config["eos_token_id"]);
        let id = |id: &Json| id.as_u64().and_then(|id| u32::try_from(id).ok());
        match stated {
            Json::Array(ids) => ids.iter().filter_map(id).collect(),
            one => id(one).into_iter().collect(),
        }
    }

    /// How its tokenizer's own template lays out a chat, if it has one.
    pub fn chat_template(&self) -> Option<&str> {
        self.files.tokenizer.get("chat_template")?.as_str()
    }

    /// Writes the model into an existing folder, as transformers reads it, with `notes` under keys
    /// of `config.json` that transformers does not read.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path, notes: &[(&str, Json)]) -> Result<()> {
        let mut config = self.files.config.clone();
        notes.iter().for_each(|(key, note)| config[*key] = note.clone());
        config["architectures"] = json!([self.family.language_head()?.class]);
        config["torch_dtype"] = json!("float32");
        disk::write_json(&folder.join(files::CONFIG), &config)?;
        let tokenizer =
            self.tokenizer.to_string(false).map_err(Error::failure_because("no tokenizer.json"))?;
        disk::write_file(&folder.join(files::TOKENIZER), tokenizer.as_bytes())?;
        disk::write_json(&folder.join(files::TOKENIZER_CONFIG), &self.files.tokenizer)?;
        disk::write_json(&folder.join(files::GENERATION_CONFIG), &self.files.generation)?;
        let tensors = self.family.restored(self.tensors().collect());
        files::write_tensors(&folder.join(files::WEIGHTS), tensors)
    }
}

/// Whether a folder or a file holds a language model, or one that replies.
pub fn is_language_model(path: &Path) -> bool {
    let replies = || -> Option<bool> {
        let config = disk::read_json(&path.join(files::CONFIG)).ok()?;
        if Seq2SeqConfig::is_of(&config) {
            return Some(true);
        }
        let is_classifier = config[METADATA_KEY]["value_tokens"].is_array();
        Some(!is_classifier && Family::from_config(&config).ok()?.language_head().is_ok())
    };
    gguf_file(path).is_some() || replies().unwrap_or(false)
}

/// The GGUF file that is meant: the file itself, or the only kind of model in a folder.
fn gguf_file(path: &Path) -> Option<PathBuf> {
    let is_gguf = |path: &Path| path.extension().is_some_and(|extension| extension == "gguf");
    if path.is_file() {
        return is_gguf(path).then(|| path.into());
    }
    if path.join(files::CONFIG).is_file() {
        return None;
    }
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.sort();
    found.into_iter().find(|path| is_gguf(path))
}

/// A table with rows for these ids, which start at the mean of the rows that it has: (entries,
/// width).
fn with_mean_rows(table: &Tensor, ids: &[u32]) -> Result<Tensor> {
    let (entries, _) = table.dims2()?;
    let mean = (table.sum_keepdim(0)? / entries as f64)?;
    let all = ids.last().map_or(entries, |&last| entries.max(last as usize + 1));
    let mut parts = vec![table.copy()?]; // its memory is a parameter's
    parts.extend((entries..all).map(|_| mean.clone()));
    let longer = Tensor::cat(&parts, 0)?;
    for &id in ids.iter().filter(|&&id| (id as usize) < entries) {
        longer.slice_set(&mean, 0, id as usize)?;
    }
    Ok(longer)
}

/// Reads a folder in the Hugging Face layout.
fn read_folder(folder: &Path) -> Result<Checkpoint> {
    let files = ModelFiles::find(folder)?;
    let config = disk::read_json(&files.config)?;
    let family = Family::from_config(&config).map_err(|what| Error::file(&files.config, what))?;
    family.language_head().map_err(|error| {
        Error::file(&files.config, error.to_string()).help("name a GPT-2, a DialoGPT or a Llama")
    })?;
    let mut tokenizer = parse(&files.tokenizer)?;
    tokenizer
        .with_padding(None)
        .with_truncation(None)
        .map_err(Error::failure_because("cannot take away the length limit"))?;
    let object = |name: &str| match disk::read_json(&folder.join(name)) {
        Ok(Json::Object(object)) => Some(object),
        _ => None,
    };
    let side = SideFiles {
        tokenizer: object(files::TOKENIZER_CONFIG).unwrap_or_default(),
        generation: object(files::GENERATION_CONFIG).unwrap_or_else(|| generation(&config)),
        config,
    };
    let tensors = family.canonical(files.read_weights()?);
    Ok(Checkpoint { tensors, tokenizer, files: side, path: files.weights })
}

/// What a `generation_config.json` says that transformers makes of a `config.json`.
pub(super) fn generation(config: &Json) -> Map<String, Json> {
    let ids = ["bos_token_id", "eos_token_id", "pad_token_id"];
    let stated = ids.into_iter().filter(|key| !config[*key].is_null());
    stated.map(|key| (key.to_string(), config[key].clone())).collect()
}
