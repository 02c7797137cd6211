//! What a trained model folder says beside weights and sizes: our own settings, and the
//! tokenizer's.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::files;
use super::value_head::HeadSettings;
use super::value_model::NewModel;
use super::value_prompts::PromptKind;
use crate::disk;
use crate::error::Result;
use crate::value::{LabelCounts, Value};

/// The key of `config.json` under which our own settings stand.
pub(super) const METADATA_KEY: &str = "valuenet";

/// Our own settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ModelMetadata {
    pub(super) version: String,
    #[serde(flatten)]
    pub(super) head: HeadSettings,
    #[serde(default)]
    pub(super) prompt: PromptKind,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) shared_layers: usize,
    pub(super) max_length: usize,
    pub(super) value_tokens: Vec<String>,
    pub(super) train_labels: Option<LabelCounts>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl ModelMetadata {
    pub(super) fn new(new: &NewModel) -> Self {
        let NewModel { head, prompt, shared_layers, max_length, .. } = *new;
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            head,
            prompt,
            shared_layers,
            max_length,
            value_tokens: Value::ALL.map(Value::token).into(),
            train_labels: None,
        }
    }
}

/// `tokenizer_config.json`: what transformers wants to know beside `tokenizer.json`.
#[derive(Debug, Clone)]
pub(super) struct TokenizerSettings(Map<String, Json>);

/// The special tokens that `special_tokens_map.json` names.
const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl TokenizerSettings {
    /// Those of a BERT.
    pub(super) fn bert() -> Self {
        let settings = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": "[UNK]",
            "sep_token": "[SEP]",
            "pad_token": "[PAD]",
            "cls_token": "[CLS]",
            "mask_token": "[MASK]",
        });
        Self(settings.as_object().cloned().unwrap_or_default())
    }

    /// Those in a model folder, or a BERT's if there are none.
    pub(super) fn read(folder: &Path) -> Self {
        match disk::read_json(&folder.join(files::TOKENIZER_CONFIG)) {
            Ok(Json::Object(settings)) => Self(settings),
            _ => Self::bert(),
        }
    }

    /// Writes them into a model folder, with tokens that were added and the length of texts.
    pub(super) fn write(&self, folder: &Path, added: &[String], max_length: usize) -> Result<()> {
        let mut settings = self.0.clone();
        settings.insert("model_max_length".into(), json!(max_length));
        let mut special: Map<String, Json> = ROLES
            .into_iter()
            .filter_map(|role| Some((role.to_string(), settings.get(role)?.clone())))
            .collect();
        if !added.is_empty() {
            settings.insert("additional_special_tokens".into(), json!(added));
            special.insert("additional_special_tokens".into(), json!(added));
        }
        disk::write_json(&folder.join(files::TOKENIZER_CONFIG), &settings)?;
        disk::write_json(&folder.join(files::SPECIAL_TOKENS), &special)
    }
}
