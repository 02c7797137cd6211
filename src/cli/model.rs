//! Which trained model is meant, and on what and how it computes: for every verb that uses one.

use std::path::PathBuf;

use clap::ValueEnum;
use valuenet::error::Result;
use valuenet::model::Model;
use valuenet::nn::device;
use valuenet::nn::precision::Precision;
use valuenet::recipe::open_model;
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
    pub fn open(&self) -> Result<Model> {
        let device = device::open(&self.device)?.device;
        open_model(&self.run, self.checkpoint.into(), &device, self.dtype.into())
    }
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
