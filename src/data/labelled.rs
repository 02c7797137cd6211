//! Texts with a label each: what a classifier learns from and is judged by. In
//! EMPATHETICDIALOGUES (Rashkin et al., ACL 2019) the text is what happened to a speaker, and the
//! label what that speaker felt.
//!
//! A file holds conversations with `emotion` and `situation` in any of their formats
//! ([`super::conversation`]), or has columns `text` and `label`: CSV, JSON Lines, Parquet. Either
//! may be compressed with gzip or Zstandard.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use csv::ByteRecord;

use super::conversation::{self, Conversation};
use super::record::Records;
use super::records::text;
use super::{FileKind, Split};
use crate::error::{Error, Result};

/// A text and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledText {
    /// The line that it begins on, or in a JSON document its number.
    pub line: u64,
    /// The name of its conversation, if it has one.
    pub id: Option<String>,
    /// The text, without blanks around it.
    pub text: String,
    /// The label.
    pub label: String,
}

/// The texts of a file.
#[derive(Debug, Clone)]
pub struct LabelledFile {
    /// The file.
    pub path: PathBuf,
    /// Its texts, in order; at least one.
    pub rows: Vec<LabelledText>,
}

/// The labels that a classifier tells apart, in alphabetical order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSet {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

const HELP: &str = "a file of labelled texts has the columns text and label, or holds \
                    conversations with an emotion and a situation, as EMPATHETICDIALOGUES";

/// The file of a split in a folder, if there is one; CSV comes before the other kinds, and what is
/// not compressed before what is.
pub fn find(folder: &Path, split: Split) -> Option<PathBuf> {
    split.find_kind(folder, &["csv", "jsonl", "parquet", "csv.gz", "jsonl.gz"])
}

impl LabelledFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is none of labelled texts, or a text or label is missing; it names the
    /// line.
    pub fn read(path: &Path) -> Result<Self> {
        let rows = match of_conversations(path)? {
            Some(rows) => rows,
            None => of_columns(path)?,
        };
        match rows.is_empty() {
            true => Err(Error::data(path, "there is a header, but not one row").help(HELP)),
            false => Ok(Self { path: path.into(), rows }),
        }
    }

    /// Whether a file seems to hold labelled texts, and not samples of ValueNet or dialogues without
    /// emotions. Its rows may be wrong.
    pub fn is_likely(path: &Path) -> bool {
        let is_table = || {
            let rows = Records::read(path, HELP);
            rows.is_ok_and(|rows| rows.place("text").is_some() && rows.place("label").is_some())
        };
        match conversations_in(path) {
            Ok(Some(text)) => {
                text.starts_with("conv_id,")
                    || conversation::of_text(path, &text)
                        .is_ok_and(|found| found.iter().all(|one| one.emotion.is_some()))
            }
            Ok(None) => is_table(),
            Err(_) => false,
        }
    }

    /// Reads the file of a split in a folder.
    ///
    /// # Errors
    /// If there is none, and as [`LabelledFile::read`].
    pub fn of_split(folder: &Path, split: Split) -> Result<Self> {
        match find(folder, split) {
            Some(path) => Self::read(&path),
            None => Err(split.missing(folder)),
        }
    }

    /// Whether each text has the name of its conversation.
    ///
    /// # Errors
    /// If one has none; it names the line.
    pub fn check_named(&self) -> Result<()> {
        match self.rows.iter().find(|row| row.id.is_none()) {
            Some(row) => {
                let what = "this text has no name of its conversation, by which it could be found";
                Err(Error::row(&self.path, row.line, what).help("a column `id` gives one"))
            }
            None => Ok(()),
        }
    }

    /// The number of each row's label.
    ///
    /// # Errors
    /// If one is none of the set; it names the line.
    pub fn classes(&self, labels: &LabelSet) -> Result<Vec<usize>> {
        let class = |row: &LabelledText| {
            labels.number(&row.label).ok_or_else(|| {
                let count = labels.names().len();
                let what = format!("the label \"{}\" is none of the {count} labels", row.label);
                let known = "the labels are those of the train split: ";
                Error::row(&self.path, row.line, what).help(known.to_string() + &labels.listed())
            })
        };
        self.rows.iter().map(class).collect()
    }
}

impl LabelSet {
    /// The labels of a file.
    ///
    /// # Errors
    /// If there is only one.
    pub fn of(file: &LabelledFile) -> Result<Self> {
        let names: BTreeSet<&String> = file.rows.iter().map(|row| &row.label).collect();
        match names.len() {
            ..2 => Err(Error::data(&file.path, "all labels are the same").help(HELP)),
            _ => Ok(Self::new(names.into_iter().cloned().collect())),
        }
    }

    /// These labels, in their order.
    pub fn new(names: Vec<String>) -> Self {
        let numbers = names.iter().cloned().zip(0..).collect();
        Self { names, numbers }
    }

    /// Their names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of a label, if it is one of them.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// The first of them in one line.
    fn listed(&self) -> String {
        const SHOWN: usize = 40;
        let more = if self.names.len() > SHOWN { ", …" } else { "" };
        let shown: Vec<&str> = self.names.iter().take(SHOWN).map(String::as_str).collect();
        shown.join(", ") + more
    }
}

/// The text of a file, if it holds conversations.
fn conversations_in(path: &Path) -> Result<Option<String>> {
    if FileKind::of(path) == FileKind::Parquet {
        return Ok(None);
    }
    let file = File::open(path).map_err(|error| Error::io(path, "read", error))?;
    let text = conversation::text(path, file)?;
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // An object with a text is no conversation, and is read as a row.
    let has_text = serde_json::from_str::<serde_json::Value>(first)
        .is_ok_and(|line| !line["text"].is_null() && line["turns"].is_null());
    Ok((!has_text && conversation::seems(&text)).then_some(text))
}

/// The situations of conversations, if the file holds conversations.
fn of_conversations(path: &Path) -> Result<Option<Vec<LabelledText>>> {
    let Some(text) = conversations_in(path)? else { return Ok(None) };
    let of_one = |one: Conversation| {
        let missing = |what: &str| {
            one.place.error(path, format!("this conversation has no {what}")).help(HELP)
        };
        Ok(LabelledText {
            line: one.place.number(),
            id: one.id.clone(),
            text: one.situation.clone().ok_or_else(|| missing("situation"))?,
            label: one.emotion.clone().ok_or_else(|| missing("emotion"))?,
        })
    };
    conversation::of_text(path, &text)?.into_iter().map(of_one).collect::<Result<_>>().map(Some)
}

/// The rows of a file with columns.
fn of_columns(path: &Path) -> Result<Vec<LabelledText>> {
    let records = Records::read(path, HELP)?;
    let text_column = records.require(path, &["text"], HELP)?;
    let label_column = records.require(path, &["label"], HELP)?;
    let id = records.place("id");
    let filled =
        |cells: &ByteRecord, place: usize, name: &str| match text(cells, place, name)?.trim() {
            "" => Err(format!("the {name} is blank")),
            cell => Ok(cell.to_string()),
        };
    let row = |line: u64, cells: ByteRecord| -> Result<LabelledText, String> {
        Ok(LabelledText {
            line,
            id: id.map(|id| text(&cells, id, "id").map(String::from)).transpose()?,
            text: filled(&cells, text_column, "text")?,
            label: filled(&cells, label_column, "label")?,
        })
    };
    let rows = records.rows.into_iter().map(|record| {
        let line = record.line;
        let read = record.cells.and_then(|cells| row(line, cells));
        read.map_err(|what| Error::row(path, line, what).help(HELP))
    });
    rows.collect()
}
