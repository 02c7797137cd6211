//! A conversation as one line of JSON.
//!
//! `turns` are those of both speakers; `utterances` are the own ones alone, for those who know no
//! others. Other keys may stand beside them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Conversation, Place, Speaker, Turn, all_filled, filled, with_gold};
use crate::error::{Error, Result};

#[derive(Deserialize)]
struct Read {
    id: Option<Json>,
    split: Option<String>,
    #[serde(default)]
    persona: Vec<String>,
    #[serde(default)]
    partner_persona: Vec<String>,
    emotion: Option<String>,
    situation: Option<String>,
    turns: Option<Vec<Turn>>,
    utterances: Option<Vec<String>>,
}

/// Reads a line of JSON.
///
/// # Errors
/// If it is not JSON, or of another type; it names the column.
pub(in crate::data) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        // Every line is a document of its own, so its own line number would mislead.
        let said = error.to_string();
        let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
        format!("{what} (column {})", error.column())
    })
}

/// The conversation of a line.
///
/// # Errors
/// If it is not JSON of this kind, or a text is blank.
pub(super) fn conversation(text: &str, line: u64) -> Result<Conversation, String> {
    let read: Read = parse(text)?;
    let turns = match (read.turns, read.utterances) {
        (Some(turns), None) => (1..)
            .zip(turns)
            .map(|(number, turn)| checked(turn, number))
            .collect::<Result<_, String>>()?,
        (None, Some(own)) => all_filled(own.iter().map(String::as_str), "utterance")?
            .into_iter()
            .map(|text| Turn { speaker: Speaker::Own, text, candidates: Vec::new() })
            .collect(),
        (Some(_), Some(_)) => return Err("both `turns` and `utterances`".into()),
        (None, None) => return Err("missing field `turns` or `utterances`".into()),
    };
    let sentences =
        |texts: &[String], name: &str| all_filled(texts.iter().map(String::as_str), name);
    let optional = |text: Option<String>, name: &str| {
        text.map(|text| filled(&text, format_args!("`{name}`"))).transpose()
    };
    let id = match read.id {
        Some(Json::String(id)) => Some(id),
        Some(id @ (Json::Number(_) | Json::Bool(_))) => Some(id.to_string()),
        // A list or an object is no name, and nothing that we could not do without.
        Some(Json::Null | Json::Array(_) | Json::Object(_)) | None => None,
    };
    Ok(Conversation {
        place: Place::Line(line),
        id,
        split: optional(read.split, "split")?,
        persona: sentences(&read.persona, "persona sentence")?,
        partner_persona: sentences(&read.partner_persona, "partner's persona sentence")?,
        emotion: optional(read.emotion, "emotion")?,
        situation: optional(read.situation, "situation")?,
        turns,
    })
}

fn checked(turn: Turn, number: usize) -> Result<Turn, String> {
    let Turn { speaker, text, candidates } = turn;
    let text = filled(&text, format_args!("utterance {number}"))?;
    if speaker == Speaker::Other && !candidates.is_empty() {
        return Err(format!("utterance {number} has candidates, but is the other's"));
    }
    let candidates = with_gold(candidates.iter().map(String::as_str), &text)
        .map_err(|what| format!("utterance {number}: {what}"))?;
    Ok(Turn { speaker, text, candidates })
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: &'a Option<String>,
    persona: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    partner_persona: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    emotion: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    situation: &'a Option<String>,
    turns: &'a [Turn],
}

/// Conversations, a line of JSON each.
///
/// # Errors
/// If one cannot be written.
pub fn to_json_lines(conversations: &[Conversation]) -> Result<String> {
    let mut text = String::new();
    for conversation in conversations {
        let Conversation { id, split, persona, partner_persona, emotion, situation, turns, .. } =
            conversation;
        let line = Written { id, split, persona, partner_persona, emotion, situation, turns };
        text +=
            &serde_json::to_string(&line).map_err(Error::failure_because("cannot write JSON"))?;
        text.push('\n');
    }
    Ok(text)
}
