//! Which trained model is meant, and on what and how it computes: for every verb that uses one.

use std::path::{Path, PathBuf};

use candle_core::Device;
use clap::ValueEnum;
use valuenet::error::Error;
use valuenet::model::Model;
use valuenet::nn::device;
use valuenet::nn::precision::Precision;
use valuenet::run::Saved;
use valuenet::train::Checkpoint;

#[derive(clap::Args)]
pub struct ModelArgs {
    /// A run directory, or the folder of a trained model.
    pub run: PathBuf,

    /// Which of a run's checkpoints.
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointName,

    /// auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    pub device: String,

    /// In which precision linear layers are computed.
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: Dtype,
}

impl ModelArgs {
    /// Opens the model.
    pub fn open(&self) -> anyhow::Result<Model> {
        self.open_at(&self.run)
    }

    /// Opens another run's model in the same way.
    pub fn open_at(&self, run: &Path) -> anyhow::Result<Model> {
        let device = device::open(&self.device)?.device;
        open(run, self.checkpoint, &device, self.dtype.into())
    }
}

/// The model of a run, or of a model folder.
pub fn open(
    run: &Path,
    checkpoint: CheckpointName,
    device: &Device,
    precision: Precision,
) -> anyhow::Result<Model> {
    let of_run = |saved: Saved| {
        saved.checkpoint(checkpoint.into()).ok_or_else(|| {
            Error::file(run, "this run has no such checkpoint yet")
                .help("it appears with the first evaluation")
        })
    };
    let folder = match Saved::is_run(run) {
        true => of_run(Saved::open(run)?)?,
        false => run.to_path_buf(),
    };
    Ok(Model::open(&folder, device, precision)?)
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckpointName {
    /// The one with the best score on the eval split.
    Best,
    /// The latest.
    Last,
}

impl From<CheckpointName> for Checkpoint {
    fn from(name: CheckpointName) -> Self {
        match name {
            CheckpointName::Best => Checkpoint::Best,
            CheckpointName::Last => Checkpoint::Last,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dtype {
    /// 32-bit floating point.
    F32,
    /// Factors rounded to bfloat16: faster on CPUs with AMX or AVX512-BF16.
    Bf16,
}

impl From<Dtype> for Precision {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Precision::F32,
            Dtype::Bf16 => Precision::Bf16,
        }
    }
}
