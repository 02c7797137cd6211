//! The files of a model folder in the Hugging Face layout: their names, and their weights as
//! tensors.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use safetensors::tensor::{Metadata, TensorInfo, View};

use super::pickle;
use crate::disk;
use crate::error::{Error, Result};
use crate::guard;
use crate::nn::params::Params;

/// The name of the weights.
pub const WEIGHTS: &str = "model.safetensors";
/// The names of the lists of files that the weights are in, where they are in several.
pub const INDEXES: [&str; 2] = ["model.safetensors.index.json", "pytorch_model.bin.index.json"];
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

/// What can stand for one part of a model, the best first: a file, or several that belong together,
/// the one that leads to the others in front.
type Choices = &'static [&'static [&'static str]];

/// What a model folder must have: its settings, its tokenizer and its weights.
pub const NEEDED: [Choices; 3] = [
    &[&[CONFIG]],
    &[&[TOKENIZER], &["vocab.json", "merges.txt"], &["vocab.txt"], &["spm.model"]],
    &[&[WEIGHTS], &[INDEXES[0]], &["pytorch_model.bin"], &[INDEXES[1]]],
];

/// What a model folder may have beside that.
pub const WELCOME: [&str; 5] = [
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS,
    "added_tokens.json",
    GENERATION_CONFIG,
    "chat_template.jinja",
];

/// What a user can do when weights and sizes do not fit each other.
pub(super) const UNFIT: &str = "config.json and the weights must come from the same model";

/// Where the parts of a model lie.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    /// The folder itself.
    pub folder: PathBuf,
    /// `config.json`.
    pub config: PathBuf,
    /// `tokenizer.json`, or where there is none the best of what can stand for it.
    pub tokenizer: PathBuf,
    /// `model.safetensors`, or where there is none the best of what can stand for it.
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
        let best_of = |choices: Choices| {
            let is_whole = |files: &&&[&str]| files.iter().all(|name| folder.join(name).is_file());
            let found = choices.iter().find(is_whole).and_then(|files| files.first());
            found.map(|name| folder.join(name)).ok_or_else(|| {
                let names: Vec<String> = choices.iter().map(|files| files.join(" with ")).collect();
                Error::file(folder, format!("there is no {} in this folder", names.join(" or ")))
                    .help("a model folder has config.json, tokenizer.json and model.safetensors")
            })
        };
        let [config, tokenizer, weights] = NEEDED;
        Ok(Self {
            folder: folder.into(),
            config: best_of(config)?,
            tokenizer: best_of(tokenizer)?,
            weights: best_of(weights)?,
        })
    }

    /// Reads the weights, under the names they have in their file or files.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn read_weights(&self) -> Result<HashMap<String, Tensor>> {
        let Some(index) = INDEXES.into_iter().find(|index| self.weights.ends_with(index)) else {
            return read_tensors(&self.weights);
        };
        let text = std::fs::read(&self.weights);
        let text = text.map_err(|error| Error::io(&self.weights, "read", error))?;
        let mut tensors = HashMap::new();
        for part in parts(index, &text).map_err(|what| Error::file(&self.weights, what))? {
            tensors.extend(read_tensors(&self.folder.join(part))?);
        }
        Ok(tensors)
    }
}

/// The files that an index of this name and with this text names, each once: all beside it, and of
/// the kind that its own name says.
///
/// # Errors
/// If it is no index, or names something else.
pub fn parts(index: &str, text: &[u8]) -> Result<BTreeSet<String>, String> {
    let json: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| format!("not a JSON file: {error}"))?;
    let named = json["weight_map"].as_object().filter(|named| !named.is_empty());
    let named = named.ok_or("there is no \"weight_map\" in it")?;
    let kind = Path::new(index.trim_end_matches(".index.json")).extension();
    let beside = |name: &serde_json::Value| match name.as_str() {
        Some(text)
            if Path::new(text).file_name() == Some(text.as_ref())
                && Path::new(text).extension() == kind
                && !text.contains(char::is_control) =>
        {
            Ok(text.to_string())
        }
        _ => Err(format!("{name} is not the name of a file of weights beside it")),
    };
    named.values().map(beside).collect()
}

pub(super) fn read_tensors(path: &Path) -> Result<HashMap<String, Tensor>> {
    let is_safetensors = path.extension().is_some_and(|extension| extension == "safetensors");
    let unreadable = || Error::file(path, "the weights cannot be read");
    let tensors = || match is_safetensors {
        true => candle_core::safetensors::load(path, &Device::Cpu)
            .map_err(|error| unreadable().because(error)),
        false => pickle::read(path).map_err(|what| unreadable().because(what)),
    };
    let help = "the file may be incomplete or damaged: copy or download it again";
    guard::reading(path, || tensors().map_err(|error| error.help(help)))
}

/// Writes tensors to a safetensors file, one after the other: in memory there is never more than one
/// of them twice. The same tensors give the same bytes, those of `safetensors::serialize`, which
/// holds a whole file in memory; its `serialize_to_file` writes to a name, and so not whole or not at
/// all.
///
/// # Errors
/// If the file cannot be written.
pub fn write_tensors(path: &Path, mut tensors: Vec<(String, Tensor)>) -> Result<()> {
    let failed = |error| {
        Error::file(path, "cannot write the tensors").because(candle_core::Error::wrap(error))
    };
    let of_tensor =
        |(name, tensor): &(String, Tensor)| (Reverse(View::dtype(tensor)), name.clone());
    tensors.sort_by_cached_key(of_tensor);
    let mut end = 0;
    let infos = tensors.iter().map(|(name, tensor)| {
        let start = end;
        end += View::data_len(tensor);
        let (dtype, shape) = (View::dtype(tensor), tensor.dims().to_vec());
        (name.clone(), TensorInfo { dtype, shape, data_offsets: (start, end) })
    });
    let format = HashMap::from([("format".to_string(), "pt".to_string())]); // transformers insists on it
    let header = Metadata::new(Some(format), infos.collect()).map_err(failed)?;
    let mut header =
        serde_json::to_vec(&header).map_err(Error::failure_because("cannot write JSON"))?;
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut file = BufWriter::with_capacity(1 << 20, disk::NewFile::create(path)?);
    let mut write = || {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        tensors.iter().try_for_each(|(_, tensor)| file.write_all(&View::data(tensor)))
    };
    write().map_err(|error| Error::io(path, "write", error))?;
    let file = file.into_inner().map_err(|error| Error::io(path, "write", error.into_error()))?;
    file.keep()
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

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;

    #[test]
    fn tensors_are_written_as_safetensors_writes_them() -> Result<()> {
        let tensor = |shape: &[usize], dtype| {
            Tensor::arange(0f32, shape.iter().product::<usize>() as f32, &Device::Cpu)?
                .reshape(shape)?
                .to_dtype(dtype)
        };
        let tensors = vec![
            ("z".to_string(), tensor(&[3, 5], DType::BF16)?),
            ("b".to_string(), tensor(&[2, 2], DType::F32)?),
            ("a".to_string(), tensor(&[7], DType::F32)?.narrow(0, 2, 4)?),
            ("i".to_string(), tensor(&[3], DType::I64)?),
            ("none".to_string(), tensor(&[0, 4], DType::F32)?),
        ];
        let format = HashMap::from([("format".to_string(), "pt".to_string())]);
        let expected = safetensors::serialize(tensors.clone(), Some(format));
        let folder = tempfile::tempdir().map_err(|error| Error::io("", "write", error))?;
        let path = folder.path().join("t.safetensors");
        write_tensors(&path, tensors)?;
        let written = std::fs::read(&path).map_err(|error| Error::io(&path, "read", error))?;
        assert!(expected.is_ok_and(|expected| expected == written));
        Ok(())
    }
}
