//! A model as a folder to hand on.

use std::path::Path;

use super::models::{checkpoint_folder, members};
use crate::disk::{write_file, write_folder};
use crate::error::{Error, Result};
use crate::model::onnx::onnx;
use crate::train::Checkpoint;

/// Makes a new folder of a run's checkpoint, or of a model's folder: what transformers and the hub want, with the model's
/// card, and if it is asked for a value model as ONNX too (`model.onnx`).
///
/// # Errors
/// If there is something at `to`, no model at `run`, or none that can be written as ONNX.
pub fn export(run: &Path, checkpoint: Checkpoint, to: &Path, with_onnx: bool) -> Result<()> {
    if !members(run).is_empty() {
        let what =
            format!("{} has runs under several seeds, which are several models", run.display());
        return Err(Error::usage(what).help("export them one by one"));
    }
    let is_free =
        std::fs::read_dir(to).map_or(!to.exists(), |mut entries| entries.next().is_none());
    if !is_free {
        return Err(Error::usage(format!("{} exists and is not an empty folder", to.display())));
    }
    let folder = checkpoint_folder(run, checkpoint)?;
    if !folder.join("config.json").is_file() {
        return Err(Error::file(&folder, "there is no config.json, and so no model here"));
    }
    let entries = std::fs::read_dir(&folder).map_err(|error| Error::io(&folder, "read", error))?;
    let files: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    let graph = with_onnx.then(|| onnx(&folder)).transpose()?;
    write_folder(to, |new| {
        for file in &files {
            let bytes = std::fs::read(file).map_err(|error| Error::io(file, "read", error))?;
            write_file(&new.join(file.file_name().unwrap_or_default()), &bytes)?;
        }
        graph.as_ref().map_or(Ok(()), |graph| write_file(&new.join("model.onnx"), graph))
    })
}
