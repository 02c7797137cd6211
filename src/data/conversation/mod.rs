//! Conversations of two speakers, each perhaps with a persona: what a dialogue model learns from
//! and is judged by.
//!
//! One speaker is the own one, whose utterances are the replies to be modelled. The formats are
//! told apart by what a file holds, not by its name:
//!
//! * ConvAI2's text (`1 your persona: ...`, `2 partner<TAB>own`);
//! * the JSON of huggingface/transfer-learning-conv-ai (`{"train": [{"personality": ...`);
//! * the CSV of EMPATHETICDIALOGUES (`conv_id,utterance_idx,...`), whose listener is the own one;
//! * JSON Lines with `persona`, `partner_persona`, `turns` or `utterances`, `emotion`, `situation`,
//!   `id` and `split`, which is also what is written.

pub mod candidates;
mod convai2;
pub mod empathetic;
pub(super) mod json_lines;
pub mod normalize;
mod read;
pub mod stats;
mod transfer;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;

pub use json_lines::to_json_lines;
pub(super) use read::{of_text, seems, text};
pub use read::{read, read_if_likely};

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Speaker {
    /// The speaker whose replies are modelled.
    #[serde(rename = "self")]
    Own,
    /// The partner.
    #[serde(rename = "other")]
    Other,
}

/// An utterance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Who says it.
    #[serde(rename = "who")]
    pub speaker: Speaker,
    /// What is said, without blanks around it.
    pub text: String,
    /// What could be said instead, and last the text itself; none where nothing is to choose from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

/// Where a conversation stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The line that it begins on, counted from 1.
    Line(u64),
    /// Its number in a part of a JSON document, counted from 1.
    Entry {
        /// The part's key, such as `valid`.
        part: &'static str,
        /// The number.
        number: u64,
    },
}

impl Place {
    /// Its line or number.
    pub fn number(&self) -> u64 {
        match self {
            Place::Line(number) | Place::Entry { number, .. } => *number,
        }
    }

    /// A fault of the conversation at this place.
    pub fn error(&self, path: &Path, what: impl std::fmt::Display) -> Error {
        match self {
            Place::Line(line) => Error::row(path, *line, what.to_string()),
            Place::Entry { part, number } => {
                Error::data(path, format!("dialogue {number} of \"{part}\": {what}"))
            }
        }
    }
}

/// What two speakers say, and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Where it stands.
    pub place: Place,
    /// Its name in the file.
    pub id: Option<String>,
    /// The part of the dataset that it belongs to, where one file holds several.
    pub split: Option<String>,
    /// Sentences about the own speaker.
    pub persona: Vec<String>,
    /// Sentences about the partner.
    pub partner_persona: Vec<String>,
    /// How a speaker felt.
    pub emotion: Option<String>,
    /// What happened to that speaker.
    pub situation: Option<String>,
    /// What is said, in order; at least one utterance.
    pub turns: Vec<Turn>,
}

impl Conversation {
    fn at(place: Place) -> Self {
        Self {
            place,
            id: None,
            split: None,
            persona: Vec::new(),
            partner_persona: Vec::new(),
            emotion: None,
            situation: None,
            turns: Vec::new(),
        }
    }

    /// The own utterances, each with what was said before.
    pub fn examples(&self) -> impl Iterator<Item = Example<'_>> {
        let turns = self.turns.iter().enumerate();
        let own = turns.filter(|(_, turn)| turn.speaker == Speaker::Own);
        own.map(|(place, _)| Example { conversation: self, place })
    }
}

/// A reply to be modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example<'a> {
    /// The conversation that it is from.
    pub conversation: &'a Conversation,
    /// Its place among the turns, counted from 0.
    pub place: usize,
}

impl<'a> Example<'a> {
    /// What was said before, by both.
    pub fn history(&self) -> &'a [Turn] {
        &self.conversation.turns[..self.place]
    }

    /// The reply, with its candidates.
    pub fn reply(&self) -> &'a Turn {
        &self.conversation.turns[self.place]
    }
}

/// A text without blanks around it.
///
/// # Errors
/// If nothing is left; `name` says what it should be.
fn filled(text: &str, name: impl std::fmt::Display) -> Result<String, String> {
    match text.trim() {
        "" => Err(format!("{name} is blank")),
        text => Ok(text.into()),
    }
}

/// Texts without blanks around them.
///
/// # Errors
/// If one is blank; it is named by its number.
fn all_filled<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    name: &str,
) -> Result<Vec<String>, String> {
    let numbered = (1..).zip(texts);
    numbered.map(|(number, text)| filled(text, format_args!("{name} {number}"))).collect()
}

/// Candidates, of which the last must be the reply.
fn with_gold<'a>(
    candidates: impl IntoIterator<Item = &'a str>,
    reply: &str,
) -> Result<Vec<String>, String> {
    let candidates = all_filled(candidates, "candidate")?;
    match candidates.last() {
        Some(last) if last != reply => Err("the last candidate is not the reply".into()),
        Some(_) if candidates.len() == 1 => {
            Err("the reply is the only candidate, and there is nothing to choose from".into())
        }
        _ => Ok(candidates),
    }
}
