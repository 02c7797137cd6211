//! `[dialogue]`: how dialogues are given to a language model, and how it replies.

use serde::{Deserialize, Serialize};

use crate::text::prompt::Layout;
use crate::text::prompt::dialogue::Settings;

/// `[dialogue]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// What makes a sample of the training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        }
    }
}

impl DialogueSettings {
    /// How much goes into a prompt that has at most `max_length` tokens with its reply.
    pub fn prompt(&self, max_length: usize) -> Settings {
        Settings { layout: self.layout, history: self.history, max_length }
    }
}
