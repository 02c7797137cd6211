//! The CSV of EMPATHETICDIALOGUES (Rashkin et al., 2019).
//!
//! `conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags`, and in some versions
//! a ninth cell of candidates. Cells are split at every comma, for quotes stand for themselves;
//! `_comma_` and `_pipe_` stand for `,` and `|`. The context is an emotion, the prompt what
//! happened. Utterances are numbered from 1; the odd ones are those of the speaker who tells of it,
//! the even ones those of the listener, which are the replies to be modelled.

use std::collections::HashMap;
use std::path::Path;

use super::{Conversation, Place, Speaker, Turn, filled};
use crate::error::{Error, Result};

/// The emotions that a conversation is about, in alphabetical order.
#[rustfmt::skip]
pub const EMOTIONS: [&str; 32] = [
    "afraid", "angry", "annoyed", "anticipating", "anxious", "apprehensive", "ashamed", "caring",
    "confident", "content", "devastated", "disappointed", "disgusted", "embarrassed", "excited",
    "faithful", "furious", "grateful", "guilty", "hopeful", "impressed", "jealous", "joyful",
    "lonely", "nostalgic", "prepared", "proud", "sad", "sentimental", "surprised", "terrified",
    "trusting",
];

const HEADER: &str = "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags";

const HELP: &str = "\
    a line of EMPATHETICDIALOGUES is conv_id,utterance_idx,context,prompt,speaker_idx,utterance,\
    selfeval,tags with _comma_ for commas, and perhaps candidates behind";

/// The conversations of a text.
///
/// # Errors
/// If the header is another, a line has too few cells or too many, an utterance is missing or
/// blank, an emotion is unknown, or a conversation is torn apart or changes its emotion or prompt.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<Conversation>> {
    let mut conversations: Vec<Conversation> = Vec::new();
    let mut begun: HashMap<String, u64> = HashMap::new();
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    if let Some((line, header)) = lines.next().filter(|(_, header)| header.trim() != HEADER) {
        let what = format!("the header is \"{}\", not \"{HEADER}\"", header.trim());
        return Err(Error::row(path, line, what).help(HELP));
    }
    for (line, text) in lines {
        let bad = |what: String| Error::row(path, line, what).help(HELP);
        let row = Row::of(text).map_err(bad)?;
        match conversations.last_mut() {
            Some(last) if last.id.as_deref() == Some(row.id) => {
                add(last, row).map_err(bad)?;
            }
            _ => {
                if let Some(first) = begun.insert(row.id.into(), line) {
                    let what = format!("{} goes on, which began on line {first}", row.id);
                    return Err(bad(what));
                }
                let mut conversation = Conversation::at(Place::Line(line));
                conversation.id = Some(row.id.into());
                conversation.emotion = Some(row.emotion.into());
                conversation.situation = Some(plain(row.prompt, "the prompt").map_err(bad)?);
                add(&mut conversation, row).map_err(bad)?;
                conversations.push(conversation);
            }
        }
    }
    Ok(conversations)
}

/// The cells of a line.
struct Row<'a> {
    id: &'a str,
    number: usize,
    emotion: &'a str,
    prompt: &'a str,
    utterance: &'a str,
    candidates: &'a str,
}

impl<'a> Row<'a> {
    fn of(line: &'a str) -> Result<Self, String> {
        let cells: Vec<&str> = line.split(',').collect();
        let (id, number, emotion, prompt, utterance, candidates) = match cells[..] {
            [id, number, emotion, prompt, _, utterance, _, _] => {
                (id, number, emotion, prompt, utterance, "")
            }
            [id, number, emotion, prompt, _, utterance, _, _, candidates] => {
                (id, number, emotion, prompt, utterance, candidates)
            }
            _ => return Err(format!("{} cells, and there are 8 or 9", cells.len())),
        };
        let (id, emotion) = (id.trim(), emotion.trim());
        if id.is_empty() {
            return Err("conv_id is blank".into());
        }
        if !EMOTIONS.contains(&emotion) {
            return Err(format!("the context \"{emotion}\" is none of the 32 emotions"));
        }
        let number = number
            .trim()
            .parse()
            .map_err(|_| format!("the utterance_idx \"{number}\" is not a number"))?;
        Ok(Self { id, number, emotion, prompt, utterance, candidates })
    }
}

/// Adds an utterance to the conversation that it belongs to.
fn add(conversation: &mut Conversation, row: Row) -> Result<(), String> {
    let expected = conversation.turns.len() + 1;
    if row.number != expected {
        return Err(format!("utterance {} of {}, where {expected} should be", row.number, row.id));
    }
    if conversation.emotion.as_deref() != Some(row.emotion) {
        return Err(format!("the context of {} was another before", row.id));
    }
    if conversation.situation != Some(plain(row.prompt, "the prompt")?) {
        return Err(format!("the prompt of {} was another before", row.id));
    }
    let speaker = if row.number % 2 == 1 { Speaker::Other } else { Speaker::Own };
    let text = plain(row.utterance, "the utterance")?;
    let candidates = match row.candidates.trim() {
        "" => Vec::new(),
        // A speaker's may be there too, and nobody is to choose from them.
        _ if speaker == Speaker::Other => Vec::new(),
        candidates => beside(candidates, &text)?,
    };
    conversation.turns.push(Turn { speaker, text, candidates });
    Ok(())
}

/// What a cell stands for.
fn plain(cell: &str, name: &str) -> Result<String, String> {
    filled(&cell.replace("_comma_", ",").replace("_pipe_", "|"), name)
}

/// The candidates of a cell, which the reply is not among, and the reply.
fn beside(candidates: &str, reply: &str) -> Result<Vec<String>, String> {
    let others = candidates.split('|').map(|candidate| plain(candidate, "a candidate"));
    let mut all: Vec<String> = others.collect::<Result<_, String>>()?;
    all.retain(|candidate| candidate != reply);
    all.push(reply.into());
    Ok(all)
}
