//! `[emotion]` and `[values]`: how a classifier of texts learns, and what it sees beside them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, FamilyKind, TaskKind, is_default};
use crate::error::{Error, Result};
use crate::model::emotion::{Control, EncoderUse};

/// `[emotion]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmotionSettings {
    /// Whether the encoder learns, or only the head on top of it.
    pub encoder: EncoderUse,
    /// In how many parts the train split is dealt out, of which one is left out; 0 for none.
    #[serde(skip_serializing_if = "is_default")]
    pub folds: usize,
    /// Which of the parts is left out, from 1.
    #[serde(skip_serializing_if = "is_default")]
    pub fold: usize,
}

/// `[values]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValuesSettings {
    /// The run of the value model, or its folder.
    pub run: PathBuf,
    /// What stands in the place of values, to see what they are worth.
    #[serde(default)]
    pub control: Control,
}

/// Refuses what cannot be meant.
pub(super) fn check(config: &Config) -> Result<()> {
    let is_of_emotions = config.task.kind == TaskKind::Emotion;
    let refuse = |key: &str, what: &str| Err(Error::key(key, what));
    if !is_of_emotions && config.emotion != EmotionSettings::default() {
        return refuse("emotion", "it is for `task.kind = \"emotion\"`");
    }
    let EmotionSettings { folds, fold, .. } = config.emotion;
    let is_whole = folds == 0 && fold == 0;
    if !is_whole && (folds < 2 || !(1..=folds).contains(&fold)) {
        return refuse("emotion.fold", "one of 2 folds or more, from 1, was expected");
    }
    match &config.values {
        Some(_) if !is_of_emotions => {
            refuse("values", "only `task.kind = \"emotion\"` sees values beside texts")
        }
        Some(values) if values.run.as_os_str().is_empty() => {
            Err(Error::key("values.run", "the value model is missing").help(
                "name its run (`valuenet train configs/minilm.toml` makes one), or leave out \
                 [values]",
            ))
        }
        _ if config.model.family == FamilyKind::Linear
            && config.emotion.encoder == EncoderUse::Frozen =>
        {
            refuse("emotion.encoder", "`linear` has no encoder that could be frozen")
        }
        _ => Ok(()),
    }
}
