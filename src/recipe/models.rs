//! From a run, or a folder, to its model, and which of the hub's files make one.

use std::path::{Path, PathBuf};

use candle_core::Device;

use crate::error::{Error, Result};
use crate::hub::Layout;
use crate::model::{Model, files};
use crate::nn::precision::Precision;
use crate::run::{DataFile, SavedRun};
use crate::train::Checkpoint;

/// What the hub is asked for.
pub const LAYOUT: Layout = Layout {
    needed: &files::NEEDED,
    welcome: &files::WELCOME,
    indexes: &files::INDEXES,
    parts: files::parts,
};

/// The model of a run's checkpoint, or of a model folder, which predicts in this precision if it
/// can.
///
/// # Errors
/// If there is none, or it is damaged.
pub fn open_model(
    run: &Path,
    checkpoint: Checkpoint,
    device: &Device,
    precision: Precision,
) -> Result<Model> {
    Model::open(&checkpoint_folder(run, checkpoint)?, device, precision)
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

/// The files of weights of a run's best checkpoint, a folder or a GGUF file, as data without rows;
/// none of what is not on this machine under this name.
pub(super) fn weights(role: &str, path: &Path) -> Result<Vec<DataFile>> {
    let folder = checkpoint_folder(path, Checkpoint::Best)?;
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
