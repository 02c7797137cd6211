//! Scenarios in the files that hold them: a line, a cell or a JSON string each, with their lines,
//! and with the value that a ValueNet file says they were found under.

use std::path::Path;
use std::str::FromStr;

use super::blocks::Block;
use crate::data::delimited::{Delimited, QUOTES};
use crate::data::record::Record;
use crate::error::{Error, Result};
use crate::value::Value;

/// How a file holds scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFormat {
    /// One a line.
    Text,
    /// In a column of comma-separated cells under a header.
    Csv,
    /// In a column of cells parted by tabs, as SOCIAL-CHEM-101 is published.
    Tsv,
    /// Under a key of one JSON object a line.
    Jsonl,
}

impl RecordFormat {
    /// The shape that a file's name tells; where it tells none, a column was asked for or not.
    pub fn of(path: &Path, column: Option<&str>) -> Self {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match extension.as_str() {
            "csv" => RecordFormat::Csv,
            "tsv" => RecordFormat::Tsv,
            "jsonl" | "ndjson" | "json" => RecordFormat::Jsonl,
            _ if column.is_some() => RecordFormat::Csv,
            _ => RecordFormat::Text,
        }
    }

    /// What parts the cells of a table.
    pub(super) fn delimiter(self) -> Option<u8> {
        match self {
            RecordFormat::Csv => Some(b','),
            RecordFormat::Tsv => Some(b'\t'),
            RecordFormat::Text | RecordFormat::Jsonl => None,
        }
    }
}

/// The columns or keys that are looked for when none is named.
const USUAL: [&str; 3] = ["scenario", "situation", "text"];

/// A scenario as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) text: String,
    /// The value that the file says it was found under.
    pub(super) own: Option<Value>,
}

/// Where a file keeps what.
#[derive(Debug)]
pub(super) struct Layout {
    kind: Kind,
    /// The value that the file's name says, as in `BENEVOLENCE.csv`.
    named: Option<Value>,
}

#[derive(Debug)]
enum Kind {
    Lines,
    Cells { delimiter: u8, names: Vec<String>, text: usize, value: Option<usize> },
    Objects { key: Option<String> },
}

impl Layout {
    /// The layout of a file that begins with `first`, of which a header is taken away.
    ///
    /// # Errors
    /// If the header lacks the column.
    pub(super) fn of(
        path: &Path,
        shape: RecordFormat,
        column: Option<&str>,
        first: &mut Block,
    ) -> Result<Self> {
        let kind = match (shape, shape.delimiter()) {
            (_, Some(delimiter)) => cells(path, delimiter, column, first)?,
            (RecordFormat::Jsonl, None) => Kind::Objects { key: column.map(String::from) },
            (_, None) => Kind::Lines,
        };
        let named = path.file_stem().and_then(|stem| Value::from_str(stem.to_str()?).ok());
        Ok(Self { kind, named })
    }

    /// The scenarios of a block; those that are blank are left out.
    ///
    /// # Errors
    /// At the first record that holds none.
    pub(super) fn rows(&self, path: &Path, block: &Block) -> Result<Vec<Row>> {
        let mut rows = match &self.kind {
            Kind::Lines => each_line(path, block, |_, line| Ok(Some((line.to_string(), None)))),
            Kind::Objects { key } => each_line(path, block, |number, line| {
                object(line, key.as_deref())
                    .map_err(|what| Error::row(path, number, what).help(JSON_HELP))
            }),
            Kind::Cells { delimiter, names, text, value } => {
                records(path, block, *delimiter, names, *text, *value)
            }
        }?;
        rows.retain_mut(|row| {
            if let Some((value, text)) = tagged(&row.text) {
                (row.own, row.text) = (row.own.or(Some(value)), text.into());
            }
            row.own = row.own.or(self.named);
            !row.text.trim().is_empty()
        });
        Ok(rows)
    }
}

/// The value in the tag before a text, and the text.
fn tagged(cell: &str) -> Option<(Value, &str)> {
    let (name, text) = cell.trim_start().strip_prefix('[')?.split_once(']')?;
    Some((name.parse().ok()?, text.trim()))
}

/// What is read from each line that is not blank.
fn each_line(
    path: &Path,
    block: &Block,
    read: impl Fn(u64, &str) -> Result<Option<(String, Option<Value>)>>,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (line, number) in block.bytes.split(|&byte| byte == b'\n').zip(block.first_line..) {
        let text =
            std::str::from_utf8(line).map_err(|error| not_utf8(path, number, line, error))?.trim();
        if let Some((text, own)) = if text.is_empty() { None } else { read(number, text)? } {
            rows.push(Row { line: number, text, own });
        }
    }
    Ok(rows)
}

fn not_utf8(path: &Path, line: u64, bytes: &[u8], error: std::str::Utf8Error) -> Error {
    let byte = bytes[error.valid_up_to()];
    Error::row(path, line, format!("the byte 0x{byte:02x} is not UTF-8"))
        .help("is the file Latin-1? save it as UTF-8")
}

const JSON_HELP: &str =
    "each line is a JSON object; --column names the key that holds the scenario";

/// The scenario in a JSON object, or what is wrong with it; none if it is null.
fn object(line: &str, key: Option<&str>) -> Result<Option<(String, Option<Value>)>, String> {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(line).map_err(|error| {
            let what = error.to_string();
            format!("not a JSON object: {}", what.split(" at line").next().unwrap_or_default())
        })?;
    let found = match key {
        Some(key) => object.get(key),
        None => USUAL.iter().find_map(|key| object.get(*key)),
    };
    let wanted = || key.map_or_else(|| USUAL.join("\" or \""), String::from);
    let own = object.get("value").and_then(|value| value.as_str()?.parse().ok());
    match found {
        Some(serde_json::Value::String(text)) => Ok(Some((text.clone(), own))),
        Some(serde_json::Value::Null) => Ok(None),
        Some(_) => Err(format!("\"{}\" is not a string", wanted())),
        None => {
            let keys = object.keys().cloned().collect::<Vec<_>>().join(", ");
            Err(format!("there is no key \"{}\" (keys: {keys})", wanted()))
        }
    }
}

/// Reads the header, and takes it from the block.
fn cells(path: &Path, delimiter: u8, column: Option<&str>, first: &mut Block) -> Result<Kind> {
    let mut records = Delimited::of(path, first.bytes.as_slice(), delimiter, first.first_line);
    let names = records.header("the first line names the columns")?;
    let end = records.position();
    let place = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let text = match column {
        Some(column) => place(column),
        None => USUAL.iter().find_map(|name| place(name)),
    };
    let text = text.ok_or_else(|| {
        let wanted = column.map_or_else(|| USUAL.join("\" or \""), String::from);
        let found = names.iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>().join(", ");
        Error::row(path, 1, format!("there is no column \"{wanted}\" (columns: {found})")).help(
            "--column names the column that holds the scenarios; --input text reads a file line by line",
        )
    })?;
    let value = place("value").filter(|value| *value != text);
    first.first_line += first.bytes[..end].iter().filter(|&&byte| byte == b'\n').count() as u64;
    first.bytes.drain(..end);
    Ok(Kind::Cells { delimiter, names, text, value })
}

fn records(
    path: &Path,
    block: &Block,
    delimiter: u8,
    names: &[String],
    text: usize,
    value: Option<usize>,
) -> Result<Vec<Row>> {
    let records = Delimited::of(path, block.bytes.as_slice(), delimiter, block.first_line);
    let mut rows = Vec::new();
    for record in records.of_width(names.len()) {
        let Record { line, cells } = record?;
        let record = cells.map_err(|what| Error::row(path, line, what).help(QUOTES))?;
        let cell = &record[text];
        let scenario =
            std::str::from_utf8(cell).map_err(|error| not_utf8(path, line, cell, error))?;
        let own = value.and_then(|place| std::str::from_utf8(record.get(place)?).ok());
        let own = own.and_then(|name| name.trim_matches(['[', ']', ' ']).parse().ok());
        rows.push(Row { line, text: scenario.trim().into(), own });
    }
    Ok(rows)
}
