//! `[dialogue]`: how dialogues are given to a language model, and how it replies.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, TaskKind};
use crate::error::{Error, Result};

use crate::text::prompt::Layout;
use crate::text::prompt::dialogue::Settings;

/// `[dialogue]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DialogueSettings {
    /// The order of persona, history and reply, and the tokens between: `gpt2`, `dialogpt` or
    /// `chatml`.
    pub layout: Layout,
    /// How many utterances before a reply are given, the last ones; 0 for all.
    pub history: usize,
    /// What makes a sample of the training.
    pub sample: SampleUnit,
    /// How many tokens a generated reply has at most.
    pub max_new_tokens: usize,
    /// How many replies beam search looks at; 1 is greedy search.
    pub num_beams: usize,
    /// No so many tokens behind each other stand twice in a generated reply; 0 allows it.
    pub no_repeat_ngram_size: usize,
    /// Which emotion a reply is given before the history (the paper's Table 6).
    pub emotion: EmotionTold,
    /// The run of the classifier that predicts emotions, with `emotion = "predicted"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emotions: Option<PathBuf>,
    /// What the best checkpoint is judged by on the test files.
    pub measure: Vec<Measure>,
}

/// Which emotion of the partner a reply is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EmotionTold {
    /// None.
    #[default]
    None,
    /// That of the file.
    Gold,
    /// That which a classifier predicts of the situation; for dialogues that it has learned from,
    /// one that has not.
    Predicted,
    /// That of another dialogue of the same file.
    Shuffled,
}

/// What a dialogue model is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// How well the replies are predicted.
    Perplexity,
    /// How often they are found among their candidates.
    Hits,
    /// What generated replies are like.
    F1,
}

/// What makes a sample of the training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SampleUnit {
    /// A reply with what is before it.
    #[default]
    Reply,
    /// Replies of one dialogue, as far as each is given all that is before it: what they have in
    /// common is read once. With `history = 0`, and in a layout in which a reply looks the same in
    /// the history, that is the whole dialogue.
    Dialogue,
}

impl Default for DialogueSettings {
    /// The paper says none of it; ours.
    fn default() -> Self {
        Self {
            layout: Layout::Gpt2,
            history: 5,
            sample: SampleUnit::Reply,
            max_new_tokens: 40,
            num_beams: 1,
            no_repeat_ngram_size: 0,
            emotion: EmotionTold::None,
            emotions: None,
            measure: vec![Measure::Perplexity, Measure::Hits, Measure::F1],
        }
    }
}

/// Refuses what cannot be meant.
pub(super) fn check(config: &Config) -> Result<()> {
    let DialogueSettings { emotion, emotions, measure, .. } = &config.dialogue;
    let refuse = |key: &str, what: &str| Err(Error::key(key, what));
    if config.task.kind != TaskKind::Dialogue {
        return match config.dialogue == DialogueSettings::default() {
            true => Ok(()),
            false => refuse("dialogue", "it is for `task.kind = \"dialogue\"`"),
        };
    }
    match (emotion, emotions) {
        (EmotionTold::Predicted, None) => {
            Err(Error::key("dialogue.emotions", "the classifier that predicts emotions is missing")
                .help("name its run (`valuenet train configs/emotion-minilm.toml --folds 5`)"))
        }
        (EmotionTold::None | EmotionTold::Gold | EmotionTold::Shuffled, Some(_)) => {
            refuse("dialogue.emotions", "it is for `dialogue.emotion = \"predicted\"`")
        }
        _ if measure.is_empty() => refuse("dialogue.measure", "nothing is to be measured"),
        _ => Ok(()),
    }
}

impl DialogueSettings {
    /// How much goes into a prompt that has at most `max_length` tokens with its reply.
    pub fn prompt(&self, max_length: usize) -> Settings {
        Settings { layout: self.layout, history: self.history, max_length }
    }
}
