//! The JSON of huggingface/transfer-learning-conv-ai (`personachat_self_original.json`): parts of
//! dialogues, each with its `personality` and with an entry for each own utterance.
//!
//! An entry holds `candidates`, of which the last was said, and as `history` all that was said
//! before: that of the entry before, what was said then, and what the partner says to it.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};

use super::convai2::is_silence;
use super::{Conversation, Place, Speaker, Turn, all_filled, filled, with_gold};
use crate::error::{Error, Result};

const PARTS: [&str; 3] = ["train", "valid", "test"];

const HELP: &str = "\
    a file of transfer-learning-conv-ai is {\"train\": [...], \"valid\": [...]}, a dialogue in it \
    {\"personality\": [\"...\"], \"utterances\": [{\"candidates\": [..., \"reply\"], \"history\": \
    [\"...\"]}]}";

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Document {
    #[serde(deserialize_with = "numbered")]
    train: Vec<Entry>,
    #[serde(deserialize_with = "numbered")]
    valid: Vec<Entry>,
    #[serde(deserialize_with = "numbered")]
    test: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    personality: Vec<String>,
    utterances: Vec<Utterance>,
}

#[derive(Deserialize)]
struct Utterance {
    candidates: Vec<String>,
    history: Vec<String>,
}

/// Entries; an error says the number of the one that is wrong, which a document of one long line
/// could not be searched for otherwise.
fn numbered<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<Entry>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of dialogues")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Entry>, A::Error> {
            let mut entries = Vec::new();
            loop {
                let number = entries.len() + 1;
                let named = |error| A::Error::custom(format!("dialogue {number}: {error}"));
                match list.next_element().map_err(named)? {
                    Some(entry) => entries.push(entry),
                    None => return Ok(entries),
                }
            }
        }
    }

    deserializer.deserialize_seq(Entries)
}

/// Whether a text begins as such a document does: with the key of a part.
pub(super) fn begins(text: &str) -> bool {
    let rest = text.trim_start().strip_prefix('{').map(str::trim_start).unwrap_or_default();
    let key = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    key.is_some_and(|(key, rest)| PARTS.contains(&key) && rest.trim_start().starts_with(':'))
}

/// The conversations of a document, part by part.
///
/// # Errors
/// If it is not such a document, a history does not go on as it should, or a text is blank.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<Conversation>> {
    let Document { train, valid, test } = serde_json::from_str(text).map_err(|error| {
        let said = error.to_string();
        let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
        let what = format!("{what} (column {})", error.column());
        Error::row(path, error.line() as u64, what).help(HELP)
    })?;
    let mut conversations = Vec::new();
    for (part, entries) in PARTS.into_iter().zip([train, valid, test]) {
        for (entry, number) in entries.into_iter().zip(1..) {
            let place = Place::Entry { part, number };
            let mut conversation = Conversation::at(place.clone());
            conversation.split = Some(part.into());
            fill(&mut conversation, &entry).map_err(|what| place.error(path, what).help(HELP))?;
            conversations.push(conversation);
        }
    }
    Ok(conversations)
}

fn fill(conversation: &mut Conversation, entry: &Entry) -> Result<(), String> {
    let sentences = entry.personality.iter().map(String::as_str);
    conversation.persona = all_filled(sentences, "sentence of \"personality\"")?;
    let mut said: Vec<&str> = Vec::new();
    for (utterance, number) in entry.utterances.iter().zip(1..) {
        let bad = |what: String| format!("utterance {number}: {what}");
        let history: Vec<&str> = utterance.history.iter().map(String::as_str).collect();
        let new = match history.strip_prefix(said.as_slice()) {
            Some([]) if number == 1 => None, // the own speaker begins
            Some([new]) => Some(*new),
            Some(more) => {
                let what = format!("\"history\" goes on with {} utterances, not one", more.len());
                return Err(bad(what));
            }
            None => {
                let what = "\"history\" does not begin with that of the utterance before and its \
                            reply";
                return Err(bad(what.into()));
            }
        };
        if let Some(new) = new.filter(|new| !is_silence(new)) {
            let text = filled(new, "the last of \"history\"").map_err(bad)?;
            conversation.turns.push(Turn { speaker: Speaker::Other, text, candidates: Vec::new() });
        }
        let gold = utterance.candidates.last().ok_or("\"candidates\" is empty".to_string());
        let gold = gold.map_err(bad)?;
        let text = filled(gold, "the last candidate, which is the reply,").map_err(bad)?;
        let candidates = match utterance.candidates.as_slice() {
            [_] => Vec::new(), // the reply alone
            all => with_gold(all.iter().map(String::as_str), &text).map_err(bad)?,
        };
        conversation.turns.push(Turn { speaker: Speaker::Own, text, candidates });
        said = history;
        said.push(gold);
    }
    Ok(())
}
