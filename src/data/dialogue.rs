//! Dialogues of a speaker with a persona, as the reward takes them: what the persona says of the
//! speaker, and what the speaker says.
//!
//! They are read as [`conversation`]s in any of the formats there, and seen from the own speaker:
//! ConvAI2's "your" persona is that of the second column.
//!
//! Dialogues of which only value vectors are known are JSON lines `{"persona_vectors": [[...]],
//! "utterance_vectors": [[...]]}`.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::conversation::json_lines::parse;
use super::conversation::{self, Conversation, Speaker};
use crate::error::{Error, Result};

/// A dialogue, seen from one speaker; of texts, or of what stands for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialogue<T = String> {
    /// The line of the file that it begins on, or its number in a JSON document, counted from 1.
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

const HELP: &str = "\
    a reward is that of a speaker with a persona: {\"persona\": [\"...\"], \"utterances\": [\"...\"]}, \
    or as in ConvAI2 `1 your persona: ...` and `2 utterance<TAB>reply`";

/// The dialogues of a file.
///
/// # Errors
/// If the file is not one of conversations, or one of them has no persona or no utterance of the
/// own speaker.
pub fn read(path: &Path, reader: impl Read) -> Result<Vec<Dialogue>> {
    of_conversations(path, conversation::read(path, reader)?)
}

fn of_conversations(path: &Path, conversations: Vec<Conversation>) -> Result<Vec<Dialogue>> {
    let own = |Conversation { place, persona, turns, .. }: Conversation| {
        let own = turns.into_iter().filter(|turn| turn.speaker == Speaker::Own);
        let utterances: Vec<String> = own.map(|turn| turn.text).collect();
        for (name, texts) in [("persona sentence", &persona), ("utterance", &utterances)] {
            if texts.is_empty() {
                let what = format!("the dialogue that begins here has no {name}");
                return Err(place.error(path, what).help(HELP));
            }
        }
        Ok(Dialogue { line: place.number(), persona, utterances })
    };
    conversations.into_iter().map(own).collect()
}

/// One dialogue from a file of persona sentences and a file of utterances, one a line; blank lines
/// are left out.
///
/// # Errors
/// If the files cannot be read, or one of them holds no line.
pub fn of_files(persona: (&Path, impl Read), utterances: (&Path, impl Read)) -> Result<Dialogue> {
    let [of_persona, said] = [
        conversation::text(persona.0, persona.1)?,
        conversation::text(utterances.0, utterances.1)?,
    ];
    Ok(Dialogue {
        line: 1,
        persona: filled(persona.0, &of_persona, "persona sentence")?,
        utterances: filled(utterances.0, &said, "utterance")?,
    })
}

/// The lines that are not blank, of which there is at least one.
fn filled(path: &Path, text: &str, what: &str) -> Result<Vec<String>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<String> = lines.map(String::from).collect();
    if lines.is_empty() {
        return Err(Error::data(path, format!("there is no {what} in this file")));
    }
    Ok(lines)
}

/// The sentences of a file about speakers: the personas of its dialogues, or, where it holds no
/// dialogues, its lines.
///
/// # Errors
/// As [`read`].
pub fn sentences(path: &Path, reader: impl Read) -> Result<Vec<String>> {
    let text = conversation::text(path, reader)?;
    if !conversation::seems(&text) {
        return filled(path, &text, "sentence");
    }
    let dialogues = of_conversations(path, conversation::of_text(path, &text)?)?;
    Ok(dialogues.into_iter().flat_map(|dialogue| dialogue.persona).collect())
}

/// A value vector in place of a text: ten utilities, or any other numbers.
pub type Vector = Vec<f64>;

const VECTORS_HELP: &str = "a line is {\"persona_vectors\": [[...], ...], \"utterance_vectors\": [[...], ...]}, and all \
                            vectors of a file are of one length";

/// The dialogues of value vectors in the lines of a file.
///
/// # Errors
/// If the file cannot be read or holds something else, a dialogue has no persona or no utterances,
/// or two vectors are of different lengths.
pub fn read_vectors(path: &Path, reader: impl Read) -> Result<Vec<Dialogue<Vector>>> {
    #[derive(Deserialize)]
    struct Line {
        persona_vectors: Vec<Vector>,
        utterance_vectors: Vec<Vector>,
    }
    let mut dialogues = Vec::new();
    let mut length = None;
    for (text, number) in conversation::text(path, reader)?.lines().zip(1..) {
        let bad = |what: String| Error::row(path, number, what).help(VECTORS_HELP);
        if !text.trim().is_empty() {
            let Line { persona_vectors: persona, utterance_vectors: utterances } =
                parse(text).map_err(bad)?;
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
