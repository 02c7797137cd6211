//! Which format a file is in, and its conversations.

use std::io::Read;
use std::path::Path;

use super::{Conversation, Place, convai2, empathetic, json_lines, transfer};
use crate::data::delimited::without_mark;
use crate::data::packed;
use crate::error::{Error, Result};

/// How a file keeps conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// JSON Lines and ConvAI2's text: each line says which.
    Lines,
    Transfer,
    Empathetic,
}

impl Format {
    /// The format of a text; none if it holds no conversations.
    fn of(text: &str) -> Option<Self> {
        let first = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        let numbered = || {
            convai2::numbered(first)
                .is_some_and(|(_, rest)| convai2::is_persona(rest) || rest.contains('\t'))
        };
        if first.starts_with("conv_id,") {
            Some(Format::Empathetic)
        } else if first.starts_with('{') {
            Some(if transfer::begins(text) { Format::Transfer } else { Format::Lines })
        } else {
            numbered().then_some(Format::Lines)
        }
    }
}

const HELP: &str = "\
    a dialogue is a line {\"persona\": [\"...\"], \"turns\": [{\"who\": \"other\", \"text\": \
    \"...\"}, ...]} or {\"persona\": [\"...\"], \"utterances\": [\"...\"]}, or as in ConvAI2 \
    `1 your persona: ...` and `2 utterance<TAB>reply`";

/// Reads the conversations of a file.
///
/// # Errors
/// If the file cannot be read or is not UTF-8, is in none of the formats, or holds a conversation in
/// which nothing is said, or a text, a number or a candidate that is wrong. The error names the
/// line, or in a JSON document the dialogue.
pub fn read(path: &Path, reader: impl Read) -> Result<Vec<Conversation>> {
    of_text(path, &text(path, reader)?)
}

/// Whether a text begins as conversations do, or as JSON does.
pub(in crate::data) fn seems(text: &str) -> bool {
    Format::of(text).is_some()
}

/// Reads the conversations of a file that seems to hold some, and not samples of ValueNet.
///
/// # Errors
/// As [`read`], of a file that begins as one of conversations does.
pub fn read_if_likely(path: &Path) -> Result<Option<Vec<Conversation>>> {
    let Ok(bytes) = std::fs::read(path) else {
        return Ok(None); // a folder, or no file
    };
    let bytes = packed::unpacked(path, bytes)?;
    let Ok(text) = text(path, bytes.as_slice()) else {
        return Ok(None); // not UTF-8, such as Parquet
    };
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let is_likely = match Format::of(&text) {
        Some(Format::Lines) if first.trim_start().starts_with('{') => {
            json_lines::conversation(first, 1).is_ok()
        }
        found => found.is_some(),
    };
    is_likely.then(|| of_text(path, &text)).transpose()
}

/// The conversations in a text.
pub(in crate::data) fn of_text(path: &Path, text: &str) -> Result<Vec<Conversation>> {
    let found = match Format::of(text) {
        Some(Format::Transfer) => transfer::read(path, text)?,
        Some(Format::Empathetic) => empathetic::read(path, text)?,
        // What is in no format has a line that is wrong, or no line at all.
        Some(Format::Lines) | None => of_lines(path, text)?,
    };
    if found.is_empty() {
        return Err(Error::data(path, "there is no dialogue in this file").help(HELP));
    }
    match found.iter().find(|conversation| conversation.turns.is_empty()) {
        Some(silent) => {
            let what = "the dialogue that begins here has no utterance";
            Err(silent.place.error(path, what).help(HELP))
        }
        None => Ok(found),
    }
}

/// The conversations of JSON Lines, and of ConvAI2's numbered lines.
fn of_lines(path: &Path, text: &str) -> Result<Vec<Conversation>> {
    let mut conversations: Vec<Conversation> = Vec::new();
    let mut last = u64::MAX; // the number of the line before, in its dialogue
    for (line, number) in text.lines().map(str::trim_start).zip(1..) {
        let bad = |what: String| Error::row(path, number, what).help(HELP);
        if line.trim().is_empty() {
            continue;
        }
        if line.starts_with('{') {
            conversations.push(json_lines::conversation(line, number).map_err(bad)?);
            last = u64::MAX;
            continue;
        }
        let (place, rest) =
            convai2::numbered(line).ok_or_else(|| bad("this is no dialogue".into()))?;
        if place <= last {
            conversations.push(Conversation::at(Place::Line(number)));
        }
        last = place;
        if let Some(conversation) = conversations.last_mut() {
            convai2::add(conversation, rest).map_err(bad)?;
        }
    }
    Ok(conversations)
}

/// A file as text, unpacked if it is compressed, and without UTF-8's mark.
///
/// # Errors
/// If it cannot be read or is not UTF-8; it names the line.
pub(in crate::data) fn text(path: &Path, mut reader: impl Read) -> Result<String> {
    let mut packed = Vec::new();
    reader.read_to_end(&mut packed).map_err(|error| Error::io(path, "read", error))?;
    let unpacked = packed::unpacked(path, packed)?;
    let mut bytes = Vec::new();
    without_mark(path, unpacked.as_slice())?
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io(path, "read", error))?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let (before, byte) = (&error.as_bytes()[..place], error.as_bytes()[place]);
        let line = before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        Error::row(path, line, format!("the byte 0x{byte:02x} is not UTF-8"))
            .help("is the file Latin-1? save it as UTF-8")
    })
}
