//! From a run, or a folder, to its model, and which of the hub's files make one.

use std::path::{Path, PathBuf};

use candle_core::Device;

use crate::error::{Error, Result};
use crate::hub::Layout;
use crate::model::{Ensemble, Model, files};
use crate::nn::precision::Precision;
use crate::run::{self, DataFile, SavedRun};
use crate::train::Checkpoint;

/// What the hub is asked for.
pub const LAYOUT: Layout = Layout {
    needed: &files::NEEDED,
    welcome: &files::WELCOME,
    indexes: &files::INDEXES,
    parts: files::parts,
};

/// The model of a run's checkpoint, or of a model folder, which predicts in this precision if it
/// can; those of runs under several seeds in a folder are one together.
///
/// # Errors
/// If there is none, or it is damaged.
pub fn open_model(
    run: &Path,
    checkpoint: Checkpoint,
    device: &Device,
    precision: Precision,
) -> Result<Model> {
    let open = |run: &Path| Model::open(&checkpoint_folder(run, checkpoint)?, device, precision);
    let members = members(run);
    if members.is_empty() {
        return open(run);
    }
    SavedRun::of_seeds(run)?; // of one recipe
    let models: Vec<Model> = members.iter().map(|run| open(run)).collect::<Result<_>>()?;
    let parameters = models.iter().map(Model::parameters).sum();
    let models = models.into_iter().map(Model::into_predictor).collect();
    Ok(Model::Ensemble(Ensemble::new(models, parameters, run)?))
}

/// The runs under several seeds in a folder that is no run itself.
pub(super) fn members(folder: &Path) -> Vec<PathBuf> {
    match SavedRun::is_run(folder) {
        true => Vec::new(),
        false => run::seeds(folder).into_iter().map(|(_, run)| run).collect(),
    }
}

/// The folder of a run's checkpoint; what is no run is a folder itself.
pub(super) fn checkpoint_folder(run: &Path, checkpoint: Checkpoint) -> Result<PathBuf> {
    if !SavedRun::is_run(run) {
        return Ok(run.into());
    }
    SavedRun::open(run)?.checkpoint(checkpoint).ok_or_else(|| {
        Error::file(run, "this run has no such checkpoint yet")
            .help("it appears with the first evaluation that crosses no limit")
    })
}

/// The SHA-256 of a model's weights, of each file in their order: those of a run's checkpoint, or of a
/// folder.
///
/// # Errors
/// If they cannot be read.
pub fn weights_sha256(path: &Path, checkpoint: Checkpoint) -> Result<String> {
    Ok(joined_sha256(&weights_of("model", path, checkpoint)?))
}

/// The SHA-256 of files, of each in their order.
pub(super) fn joined_sha256(files: &[DataFile]) -> String {
    files.iter().map(|file| file.sha256.as_str()).collect::<Vec<_>>().join("-")
}

/// The files of weights of a run's best checkpoint, of those of runs under several seeds, of a folder
/// or a GGUF file, as data without rows; none of what is not on this machine under this name.
pub(super) fn weights(role: &str, path: &Path) -> Result<Vec<DataFile>> {
    weights_of(role, path, Checkpoint::Best)
}

fn weights_of(role: &str, path: &Path, checkpoint: Checkpoint) -> Result<Vec<DataFile>> {
    let members = members(path);
    if !members.is_empty() {
        SavedRun::of_seeds(path)?; // of one recipe
        let files = members.iter().map(|run| weights_of(role, run, checkpoint));
        return Ok(files.collect::<Result<Vec<_>>>()?.concat());
    }
    let folder = checkpoint_folder(path, checkpoint)?;
    let is_of_weights = |file: &PathBuf| {
        file.extension()
            .is_some_and(|it| ["safetensors", "bin", "gguf"].iter().any(|ext| it == *ext))
    };
    let mut files: Vec<PathBuf> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).filter(is_of_weights).collect(),
        Err(_) if folder.is_file() => vec![folder],
        Err(_) => Vec::new(),
    };
    files.sort();
    files.iter().map(|file| DataFile::of(role, file, 0)).collect()
}
