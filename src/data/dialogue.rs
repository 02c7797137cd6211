//! Dialogues of a speaker with a persona: what the persona says of the speaker, and what the speaker says.
//!
//! Two formats are told apart by their first letter. JSON lines hold `{"persona": [...], "utterances": [...]}` each, and
//! whatever else. ConvAI2's text format numbers the lines of each dialogue from 1: first `N your persona: ...`, then
//! `N partner's utterance<TAB>own utterance`, perhaps with candidates behind. "Your" persona is that of the second column.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

/// A dialogue, seen from one speaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialogue {
    /// The line of the file that it begins on, counted from 1.
    pub line: u64,
    /// Sentences about the speaker; at least one.
    pub persona: Vec<String>,
    /// What the speaker says, in order; at least one.
    pub utterances: Vec<String>,
}

const HELP: &str = "a line is {\"persona\": [\"...\"], \"utterances\": [\"...\"]}, or as in ConvAI2 `1 your persona: ...` \
                    and `2 utterance<TAB>reply`";

/// The dialogues in the lines of a file.
///
/// # Errors
/// If the lines cannot be read, are in neither format, or hold a dialogue without a persona or without utterances.
pub fn read(path: &Path, lines: impl Iterator<Item = Result<String>>) -> Result<Vec<Dialogue>> {
    let mut dialogues: Vec<Dialogue> = Vec::new();
    let mut last = u64::MAX; // the number of the line before, in its dialogue
    for (line, number) in lines.zip(1..) {
        let line = line?;
        let bad = |what: String| Error::row(path, number, what).help(HELP);
        match line.trim_start() {
            "" => {}
            json if json.starts_with('{') => {
                dialogues.push(of_json(json, number).map_err(bad)?);
                last = u64::MAX;
            }
            text => {
                let (place, text) = numbered(text).ok_or_else(|| bad("this is no dialogue".into()))?;
                if place <= last {
                    dialogues.push(Dialogue { line: number, persona: Vec::new(), utterances: Vec::new() });
                }
                last = place;
                if let Some(dialogue) = dialogues.last_mut() {
                    add(dialogue, text).map_err(bad)?;
                }
            }
        }
    }
    if dialogues.is_empty() {
        return Err(Error::data(path, "there is no dialogue in this file").help(HELP));
    }
    let whole = |dialogue: &Dialogue| {
        complete(dialogue).map_err(|what| Error::row(path, dialogue.line, what).help(HELP))
    };
    dialogues.iter().try_for_each(whole)?;
    Ok(dialogues)
}

/// One dialogue from a file of persona sentences and a file of utterances, one a line; blank lines are left out.
///
/// # Errors
/// If the lines cannot be read, or one of the files holds none.
pub fn of_files(
    persona: (&Path, impl Iterator<Item = Result<String>>),
    utterances: (&Path, impl Iterator<Item = Result<String>>),
) -> Result<Dialogue> {
    fn filled(path: &Path, lines: impl Iterator<Item = Result<String>>, what: &str) -> Result<Vec<String>> {
        let is_filled = |line: &Result<String>| line.as_ref().map_or(true, |line| !line.trim().is_empty());
        let lines: Vec<String> = lines.filter(is_filled).collect::<Result<_>>()?;
        match lines.is_empty() {
            true => Err(Error::data(path, format!("there is no {what} in this file"))),
            false => Ok(lines),
        }
    }
    Ok(Dialogue {
        line: 1,
        persona: filled(persona.0, persona.1, "persona sentence")?,
        utterances: filled(utterances.0, utterances.1, "utterance")?,
    })
}

fn of_json(text: &str, line: u64) -> Result<Dialogue, String> {
    #[derive(Deserialize)]
    struct Read {
        persona: Vec<String>,
        utterances: Vec<String>,
    }
    let read: Read = serde_json::from_str(text).map_err(|error| {
        // Every line is a document of its own, so its own line number would mislead.
        let said = error.to_string();
        let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
        format!("{what} (column {})", error.column())
    })?;
    Ok(Dialogue { line, persona: read.persona, utterances: read.utterances })
}

/// The number that a line of ConvAI2 begins with, and the rest.
fn numbered(line: &str) -> Option<(u64, &str)> {
    let (number, rest) = line.split_once(' ')?;
    Some((number.parse().ok()?, rest))
}

/// Adds what a numbered line says. The partner's persona, which some of ConvAI2's files have, is left out.
fn add(dialogue: &mut Dialogue, text: &str) -> Result<(), String> {
    if let Some(sentence) = text.strip_prefix("your persona:") {
        dialogue.persona.push(sentence.trim().into());
    } else if !text.starts_with("partner's persona:") {
        let reply = text.split('\t').nth(1);
        let reply = reply.ok_or("neither a persona sentence nor two utterances with a tab between")?;
        dialogue.utterances.push(reply.trim().into());
    }
    Ok(())
}

fn complete(dialogue: &Dialogue) -> Result<(), String> {
    let lists = [("persona sentence", &dialogue.persona), ("utterance", &dialogue.utterances)];
    for (name, texts) in lists {
        if texts.is_empty() {
            return Err(format!("the dialogue that begins here has no {name}"));
        }
        if let Some(place) = texts.iter().position(|text| text.trim().is_empty()) {
            return Err(format!("{name} {} of the dialogue that begins here is blank", place + 1));
        }
    }
    Ok(())
}
