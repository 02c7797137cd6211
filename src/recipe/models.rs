//! From a run, or a folder, to its model, and which of the hub's files make one.

use std::path::Path;

use candle_core::Device;

use crate::error::{Error, Result};
use crate::hub::Layout;
use crate::model::{Model, files};
use crate::nn::precision::Precision;
use crate::run::SavedRun;
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
    let of_run = |saved: SavedRun| {
        saved.checkpoint(checkpoint).ok_or_else(|| {
            Error::file(run, "this run has no such checkpoint yet")
                .help("it appears with the first evaluation")
        })
    };
    let folder = match SavedRun::is_run(run) {
        true => of_run(SavedRun::open(run)?)?,
        false => run.to_path_buf(),
    };
    Model::open(&folder, device, precision)
}
