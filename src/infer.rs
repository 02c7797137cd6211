//! A stream of texts to a stream of value vectors, in order and in bounded memory; and a queue of requests for them.

pub mod queue;

use std::io::BufRead;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::Predictor;
use crate::value::ScoredText;

/// Texts that are scored together: enough to sort prompts of like length into full batches.
pub const CHUNK: usize = 512;

/// Scores `texts` in chunks of at most `largest_chunk`, and hands each chunk to `write` as soon as it is done. The first
/// chunk is small, so the first row comes soon.
///
/// # Errors
/// If reading, scoring or writing fails; what was handed on before stays.
pub fn stream(
    model: &dyn Predictor,
    mut texts: impl Iterator<Item = Result<String>>,
    largest_chunk: usize,
    write: &mut dyn FnMut(&[ScoredText]) -> Result<()>,
) -> Result<()> {
    let mut size = largest_chunk.clamp(1, 8);
    loop {
        let mut failure = None;
        let mut chunk = Vec::with_capacity(size);
        for text in texts.by_ref().take(size) {
            match text {
                Ok(text) => chunk.push(text),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if !chunk.is_empty() {
            write(&score(model, chunk)?)?;
        } else if failure.is_none() {
            return Ok(());
        }
        if let Some(error) = failure {
            return Err(error);
        }
        size = (size * 4).min(largest_chunk.max(1));
    }
}

fn score(model: &dyn Predictor, texts: Vec<String>) -> Result<Vec<ScoredText>> {
    let filled: Vec<&str> = texts.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
    let mut profiles = model.profiles(&filled)?.into_iter();
    let mut rows = Vec::with_capacity(texts.len());
    for text in texts {
        let profile = if text.trim().is_empty() { None } else { profiles.next() };
        rows.push(ScoredText { text, profile });
    }
    Ok(rows)
}

/// The lines of a text file, without their ends.
pub fn lines(path: &Path, reader: impl BufRead) -> impl Iterator<Item = Result<String>> {
    let path = PathBuf::from(path);
    reader.split(b'\n').zip(1..).map(move |(line, number)| {
        let mut line = line.map_err(|error| Error::io(&path, "read", error))?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if number == 1 && line.starts_with(&[0xef, 0xbb, 0xbf]) {
            line.drain(..3);
        }
        String::from_utf8(line).map_err(|error| {
            let byte = error.as_bytes()[error.utf8_error().valid_up_to()];
            Error::row(&path, number, format!("the byte 0x{byte:02x} is not UTF-8"))
                .help("is the file Latin-1? save it as UTF-8")
        })
    })
}

/// The cells of one column of a CSV file with a header.
///
/// # Errors
/// If the header cannot be read, or has no such column.
pub fn column(
    path: &Path,
    mut reader: impl BufRead,
    name: &str,
) -> Result<impl Iterator<Item = Result<String>>> {
    let path = PathBuf::from(path);
    // The CSV reader's lines are one short where they end in CRLF.
    let first = reader.fill_buf().map_err(|error| Error::io(&path, "read", error))?;
    let end = first.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let short = u64::from(end > 0 && first[end - 1] == b'\r');
    let mut records = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let header = records.headers().map_err(|error| Error::data(&path, error.to_string()))?.clone();
    let place = header.iter().position(|cell| cell.trim() == name).ok_or_else(|| {
        let found = header.iter().collect::<Vec<_>>().join(", ");
        Error::row(&path, 1, format!("there is no column \"{name}\" (columns: {found})"))
    })?;
    let name = name.to_string();
    Ok(records.into_byte_records().map(move |record| {
        let record = record.map_err(|error| Error::data(&path, error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line) + short;
        let cell = record.get(place).ok_or_else(|| {
            Error::row(&path, line, format!("the row has {} cells and none for column {name}", record.len()))
        })?;
        let text = std::str::from_utf8(cell);
        text.map(String::from).map_err(|_| {
            Error::row(&path, line, format!("column {name} is not UTF-8")).help("save the file as UTF-8")
        })
    }))
}
