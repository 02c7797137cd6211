//! Dialogues of a speaker with a persona: what the persona says of the speaker, and what the
//! speaker says.
//!
//! Two formats are told apart by their first letter. JSON lines hold `{"persona": [...],
//! "utterances": [...]}` each, and whatever else. ConvAI2's text format numbers the lines of each
//! dialogue from 1: first `N your persona: ...`, then `N partner's utterance<TAB>own utterance`,
//! perhaps with candidates behind. "Your" persona is that of the second column.
//!
//! Dialogues of which only value vectors are known are JSON lines `{"persona_vectors": [[...]],
//! "utterance_vectors": [[...]]}`.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A dialogue, seen from one speaker; of texts, or of what stands for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialogue<T = String> {
    /// The line of the file that it begins on, counted from 1.
    pub line: u64,
    /// Sentences about the speaker; at least one.
    pub persona: Vec<T>,
    /// What the speaker says, in order; at least one.
    pub utterances: Vec<T>,
}

impl<T> Dialogue<T> {
    /// The same with something else for each sentence, in the order of [`Dialogue::all`].
    pub fn map<U>(&self, mut change: impl FnMut(&T) -> U) -> Dialogue<U> {
        Dialogue {
            line: self.line,
            persona: self.persona.iter().map(&mut change).collect(),
            utterances: self.utterances.iter().map(change).collect(),
        }
    }

    /// The persona sentences, and then the utterances.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.persona.iter().chain(&self.utterances)
    }
}

const HELP: &str = "a line is {\"persona\": [\"...\"], \"utterances\": [\"...\"]}, or as in ConvAI2 `1 your persona: ...` \
                    and `2 utterance<TAB>reply`";

/// The dialogues in the lines of a file.
///
/// # Errors
/// If the lines cannot be read, are in neither format, or hold a dialogue without a persona or
/// without utterances.
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
                let (place, text) =
                    numbered(text).ok_or_else(|| bad("this is no dialogue".into()))?;
                if place <= last {
                    dialogues.push(Dialogue {
                        line: number,
                        persona: Vec::new(),
                        utterances: Vec::new(),
                    });
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

/// One dialogue from a file of persona sentences and a file of utterances, one a line; blank lines
/// are left out.
///
/// # Errors
/// If the lines cannot be read, or one of the files holds none.
pub fn of_files(
    persona: (&Path, impl Iterator<Item = Result<String>>),
    utterances: (&Path, impl Iterator<Item = Result<String>>),
) -> Result<Dialogue> {
    Ok(Dialogue {
        line: 1,
        persona: filled(persona.0, persona.1, "persona sentence")?,
        utterances: filled(utterances.0, utterances.1, "utterance")?,
    })
}

/// The lines that are not blank, of which there is at least one.
fn filled(
    path: &Path,
    lines: impl Iterator<Item = Result<String>>,
    what: &str,
) -> Result<Vec<String>> {
    let is_filled =
        |line: &Result<String>| line.as_ref().map_or(true, |line| !line.trim().is_empty());
    let lines: Vec<String> = lines.filter(is_filled).collect::<Result<_>>()?;
    match lines.is_empty() {
        true => Err(Error::data(path, format!("there is no {what} in this file"))),
        false => Ok(lines),
    }
}

fn of_json(text: &str, line: u64) -> Result<Dialogue, String> {
    #[derive(Deserialize)]
    struct Read {
        persona: Vec<String>,
        utterances: Vec<String>,
    }
    let Read { persona, utterances } = parse(text)?;
    Ok(Dialogue { line, persona, utterances })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        // Every line is a document of its own, so its own line number would mislead.
        let said = error.to_string();
        let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
        format!("{what} (column {})", error.column())
    })
}

/// The number that a line of ConvAI2 begins with, and the rest.
fn numbered(line: &str) -> Option<(u64, &str)> {
    let (number, rest) = line.split_once(' ')?;
    Some((number.parse().ok()?, rest))
}

/// Adds what a numbered line says. The partner's persona, which some of ConvAI2's files have, is
/// left out.
fn add(dialogue: &mut Dialogue, text: &str) -> Result<(), String> {
    if let Some(sentence) = text.strip_prefix("your persona:") {
        dialogue.persona.push(sentence.trim().into());
    } else if !text.starts_with("partner's persona:") {
        let reply = text.split('\t').nth(1);
        let reply =
            reply.ok_or("neither a persona sentence nor two utterances with a tab between")?;
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

/// A value vector in place of a text: ten utilities, or any other numbers.
pub type Vector = Vec<f64>;

const VECTORS_HELP: &str = "a line is {\"persona_vectors\": [[...], ...], \"utterance_vectors\": [[...], ...]}, and all \
                            vectors of a file are of one length";

/// The dialogues of value vectors in the lines of a file.
///
/// # Errors
/// If the lines cannot be read or hold something else, a dialogue has no persona or no utterances,
/// or two vectors are of different lengths.
pub fn read_vectors(
    path: &Path,
    lines: impl Iterator<Item = Result<String>>,
) -> Result<Vec<Dialogue<Vector>>> {
    #[derive(Deserialize)]
    struct Read {
        persona_vectors: Vec<Vector>,
        utterance_vectors: Vec<Vector>,
    }
    let mut dialogues = Vec::new();
    let mut length = None;
    for (line, number) in lines.zip(1..) {
        let text = line?;
        let bad = |what: String| Error::row(path, number, what).help(VECTORS_HELP);
        if !text.trim().is_empty() {
            let Read { persona_vectors: persona, utterance_vectors: utterances } =
                parse(&text).map_err(bad)?;
            let dialogue = Dialogue { line: number, persona, utterances };
            check_vectors(&dialogue, &mut length).map_err(bad)?;
            dialogues.push(dialogue);
        }
    }
    if dialogues.is_empty() {
        return Err(Error::data(path, "there is no dialogue in this file").help(VECTORS_HELP));
    }
    Ok(dialogues)
}

/// Checks that there are vectors, all of the same length, which is that of the vectors before if
/// there are any.
///
/// # Errors
/// What is wrong, by the key of the lists.
pub fn check_vectors(
    dialogue: &Dialogue<Vector>,
    length: &mut Option<usize>,
) -> Result<(), String> {
    let lists =
        [("persona_vectors", &dialogue.persona), ("utterance_vectors", &dialogue.utterances)];
    for (name, vectors) in lists {
        if vectors.is_empty() {
            return Err(format!("\"{name}\" is empty"));
        }
        for (vector, place) in vectors.iter().zip(1..) {
            let length = *length.get_or_insert(vector.len());
            match vector.len() {
                0 => return Err(format!("vector {place} of \"{name}\" is empty")),
                other if other != length => {
                    let what = format!(
                        "vector {place} of \"{name}\" has {other} numbers, and those before {length}"
                    );
                    return Err(what);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The sentences of a file about speakers: the personas of its dialogues, or, where it holds no
/// dialogues, its lines.
///
/// # Errors
/// As [`read`].
pub fn sentences(path: &Path, lines: impl Iterator<Item = Result<String>>) -> Result<Vec<String>> {
    let lines: Vec<String> = lines.collect::<Result<_>>()?;
    let first = lines
        .iter()
        .map(|line| line.trim_start())
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let is_convai2 = numbered(first).is_some_and(|(_, text)| {
        text.starts_with("your persona:")
            || text.starts_with("partner's persona:")
            || text.contains('\t')
    });
    if first.starts_with('{') || is_convai2 {
        let dialogues = read(path, lines.into_iter().map(Ok))?;
        return Ok(dialogues.into_iter().flat_map(|dialogue| dialogue.persona).collect());
    }
    filled(path, lines.into_iter().map(Ok), "sentence")
}
