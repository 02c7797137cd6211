//! A model that replies in dialogues, and how dialogues are laid out for it, which its
//! `config.json` says.

use std::path::Path;

use candle_core::Device;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokenizers::Tokenizer;

use super::ReplyModel;
use super::metadata::METADATA_KEY;
use crate::error::{Error, Result};
use crate::nn::precision::Precision;
use crate::text::prompt::Layout;
use crate::text::prompt::dialogue::{DialogueEncoder, Settings};

/// A model that replies in dialogues.
#[derive(Debug)]
pub struct DialogueModel {
    model: ReplyModel,
    encoder: DialogueEncoder<Tokenizer>,
    settings: Settings,
    /// Whether it is told how its partner feels.
    told_emotions: bool,
}

/// What `config.json` says of it beside what transformers reads.
#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    version: String,
    layout: Layout,
    history: usize,
    max_length: usize,
    #[serde(default)]
    emotions: bool,
}

impl Metadata {
    fn of(folder: &Path) -> Option<Self> {
        Self::deserialize(ReplyModel::note(folder, METADATA_KEY)).ok()
    }
}

impl DialogueModel {
    /// How dialogues were laid out for the model in a folder when it was trained on them, if it was.
    pub fn learned_layout(folder: &Path) -> Option<Layout> {
        Metadata::of(folder).map(|metadata| metadata.layout)
    }

    /// A model that is given dialogues in this layout. The layout's tokens that its
    /// tokenizer lacks are added, and their embeddings start at the mean of all.
    ///
    /// # Errors
    /// If it cannot read as many tokens as the settings ask for.
    pub fn new(model: impl Into<ReplyModel>, settings: Settings) -> Result<Self> {
        let model: ReplyModel = model.into();
        if settings.max_length > model.max_length() {
            let (asked, most) = (settings.max_length, model.max_length());
            return Err(Error::key(
                "model.max_length",
                format!("{asked} tokens are asked for, and the model reads {most} at most"),
            ));
        }
        let model = model.with_tokenizer(|tokenizer| settings.layout.prepare(tokenizer))?;
        let encoder = DialogueEncoder::new(model.tokenizer().clone(), settings)?;
        Ok(Self { model, encoder, settings, told_emotions: false })
    }

    /// The same model, which is told how its partner feels, before the history, or is not.
    pub fn with_emotions(self, told_emotions: bool) -> Self {
        Self { told_emotions, ..self }
    }

    /// Whether it is told how its partner feels.
    pub fn is_told_emotions(&self) -> bool {
        self.told_emotions
    }

    /// Opens a model that was trained on dialogues.
    ///
    /// # Errors
    /// If it cannot be read, or does not say how dialogues are laid out for it.
    pub fn open(path: &Path, device: &Device, precision: Precision) -> Result<Self> {
        let model = ReplyModel::open(path, device)?.with_precision(precision);
        let metadata = Metadata::of(path).ok_or_else(|| {
            Error::file(path, "this language model was not trained on dialogues")
                .help("--layout says how they are laid out for it: gpt2, dialogpt or chatml")
        })?;
        let Metadata { layout, history, max_length, emotions, .. } = metadata;
        let model = Self::new(model, Settings { layout, history, max_length })?;
        Ok(model.with_emotions(emotions))
    }

    /// What predicts its replies.
    pub fn model(&self) -> &ReplyModel {
        &self.model
    }

    /// What lays dialogues out for it.
    pub fn encoder(&self) -> &DialogueEncoder<Tokenizer> {
        &self.encoder
    }

    /// How dialogues are laid out for it.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The tokens that end a reply: the layout's, and those of the model itself.
    pub fn ends(&self) -> Vec<u32> {
        let mut ends = self.model.end_tokens();
        ends.push(self.encoder.end());
        ends
    }

    /// What these token ids say.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let text = self.model.tokenizer().decode(ids, true);
        Ok(text.map_err(Error::failure_because("cannot decode a reply"))?.trim().into())
    }

    /// Writes the model into an existing folder, as transformers reads it.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let Settings { layout, history, max_length } = self.settings;
        let version = env!("CARGO_PKG_VERSION").into();
        let emotions = self.told_emotions;
        let metadata = Metadata { version, layout, history, max_length, emotions };
        self.model.write(folder, &[(METADATA_KEY, json!(metadata))])
    }
}
