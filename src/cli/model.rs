//! Which trained model is meant, and on what and how it computes: for every verb that uses one.

use std::path::PathBuf;

use clap::ValueEnum;
use valuenet::error::Result;
use valuenet::model::Model;
use valuenet::nn::device;
use valuenet::nn::precision::Precision;
use valuenet::recipe::open_model;
use valuenet::text::prompt::Layout;
use valuenet::text::prompt::dialogue::Settings;
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

/// How dialogues are laid out for a language model that does not say so itself.
#[derive(clap::Args)]
pub struct LayoutArgs {
    /// How dialogues are laid out for a language model that was not trained on them by valuenet.
    #[arg(long, value_enum)]
    layout: Option<LayoutName>,

    /// With --layout: how many utterances before a reply it is given, the last ones; 0 for all.
    #[arg(long, value_name = "N", default_value = "5", requires = "layout")]
    history: usize,

    /// With --layout: how many tokens a prompt has at most with its reply.
    #[arg(long, value_name = "N", default_value = "512", requires = "layout")]
    max_length: usize,
}

impl LayoutArgs {
    /// What was said, if anything.
    pub fn settings(&self) -> Option<Settings> {
        let Self { layout, history, max_length } = *self;
        layout.map(|layout| Settings { layout: layout.into(), history, max_length })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LayoutName {
    /// Speaker tokens and segments, as TransferTransfo.
    Gpt2,
    /// <|endoftext|> after each utterance.
    Dialogpt,
    /// ChatML, as SmolLM2.
    Chatml,
}

impl From<LayoutName> for Layout {
    fn from(name: LayoutName) -> Self {
        match name {
            LayoutName::Gpt2 => Layout::Gpt2,
            LayoutName::Dialogpt => Layout::DialoGpt,
            LayoutName::Chatml => Layout::ChatMl,
        }
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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
