//! The files of a model folder in the Hugging Face layout: their names, and their weights as
//! tensors.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};

use crate::disk;
use crate::error::{Error, Result};
use crate::nn::params::Params;

/// The name of the weights.
pub const WEIGHTS: &str = "model.safetensors";
/// The name of the list of files that the weights are in, where they are in several.
const INDEX: &str = "model.safetensors.index.json";
/// The name of the model's sizes and settings.
pub const CONFIG: &str = "config.json";
/// The name of the tokenizer.
pub const TOKENIZER: &str = "tokenizer.json";
/// What transformers needs beside the tokenizer.
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// The names of the special tokens, for older readers.
pub const SPECIAL_TOKENS: &str = "special_tokens_map.json";

/// How a language model continues texts if it is not told otherwise.
pub const GENERATION_CONFIG: &str = "generation_config.json";

/// What a user can do when weights and sizes do not fit each other.
pub(super) const UNFIT: &str = "config.json and the weights must come from the same model";

/// Where the parts of a model lie.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    /// The folder itself.
    pub folder: PathBuf,
    /// `config.json`.
    pub config: PathBuf,
    /// `tokenizer.json`, or `vocab.txt`, `spm.model` or `vocab.json` where there is none.
    pub tokenizer: PathBuf,
    /// `model.safetensors`, or where there is none the index of its parts or `pytorch_model.bin`.
    pub weights: PathBuf,
}

impl ModelFiles {
    /// Finds the files of a model in a folder.
    ///
    /// # Errors
    /// If the folder or one of the files is missing.
    pub fn find(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::file(folder, "no such folder"));
        }
        let first_of = |names: &[&str]| {
            let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
            found.ok_or_else(|| {
                Error::file(folder, format!("there is no {} in this folder", names.join(" or ")))
                    .help("a model folder has config.json, tokenizer.json and model.safetensors")
            })
        };
        Ok(Self {
            folder: folder.into(),
            config: first_of(&[CONFIG])?,
            tokenizer: first_of(&[TOKENIZER, "vocab.txt", "spm.model", "vocab.json"])?,
            weights: first_of(&[WEIGHTS, INDEX, "pytorch_model.bin"])?,
        })
    }

    /// Reads the weights, under the names they have in their file or files.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn read_weights(&self) -> Result<HashMap<String, Tensor>> {
        if !self.weights.ends_with(INDEX) {
            return read_tensors(&self.weights);
        }
        let mut tensors = HashMap::new();
        for part in parts(&self.weights)? {
            tensors.extend(read_tensors(&self.folder.join(part))?);
        }
        Ok(tensors)
    }
}

/// The files that an index names, each once.
fn parts(index: &Path) -> Result<BTreeSet<String>> {
    let json = disk::read_json(index)?;
    let named = json["weight_map"].as_object();
    let named = named.ok_or_else(|| Error::file(index, "there is no \"weight_map\" in it"))?;
    let beside = |name: &serde_json::Value| match name.as_str() {
        Some(name) if Path::new(name).file_name() == Some(name.as_ref()) => Ok(name.to_string()),
        _ => Err(Error::file(index, format!("{name} is not the name of a file beside it"))),
    };
    named.values().map(beside).collect()
}

fn read_tensors(path: &Path) -> Result<HashMap<String, Tensor>> {
    let is_safetensors = path.extension().is_some_and(|extension| extension == "safetensors");
    let tensors = match is_safetensors {
        true => candle_core::safetensors::load(path, &Device::Cpu),
        false => candle_core::pickle::read_all(path).map(HashMap::from_iter),
    };
    tensors.map_err(|error| {
        Error::file(path, "the weights cannot be read")
            .because(error)
            .help("the file may be incomplete or damaged: copy or download it again")
    })
}

/// Writes tensors to a safetensors file; the same tensors give the same bytes.
///
/// # Errors
/// If the file cannot be written.
pub fn write_tensors(path: &Path, tensors: Vec<(String, Tensor)>) -> Result<()> {
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]); // transformers insists on it
    let bytes = safetensors::serialize(tensors, Some(metadata));
    let bytes =
        bytes.map_err(|error| Error::file(path, "cannot write the tensors").because(error))?;
    disk::write_file(path, &bytes)
}

/// Writes a network's parameters under their names.
///
/// # Errors
/// If the file cannot be written.
pub fn write_weights(path: &Path, params: &Params) -> Result<()> {
    write_tensors(
        path,
        params.iter().map(|(name, var)| (name.to_string(), var.as_detached_tensor())).collect(),
    )
}
