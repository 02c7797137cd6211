//! One ValueNet file, in every shape that is met in the wild.
//!
//! * `scenario,label`, the scenario as `[VALUE] text`; perhaps with an unnamed index column and
//!   `orig_label`;
//! * `value,scenario,label`, values in any case;
//! * `BENEVOLENCE.csv` and the like with `,uid,scenario,label`: plain text, the value is the file's
//!   name;
//! * the same columns in JSON Lines (`.jsonl`) and Parquet (`.parquet`).

use std::path::{Path, PathBuf};

use csv::ByteRecord;

use super::record::Records;
use super::records::text;
use crate::error::{Error, Result};
use crate::value::{Label, Value};

/// A scenario, a value, and whether the one serves the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sample {
    /// The value that was asked about.
    pub value: Value,
    /// What happens, without the `[VALUE]` tag.
    pub scenario: String,
    /// The annotators' answer.
    pub label: Label,
}

/// A sample and the line it begins on, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line in the file.
    pub line: u64,
    /// What it says.
    pub sample: Sample,
}

/// A line that cannot be read as a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The line in the file, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub what: String,
}

/// What a file holds.
#[derive(Debug, Clone)]
pub struct SampleTable {
    /// Where it was read.
    pub path: PathBuf,
    /// The samples, in order.
    pub rows: Vec<Row>,
    /// The lines that hold none, in order.
    pub bad: Vec<BadRow>,
}

/// What is wrong with a file that has columns only.
pub(super) const NO_ROWS: &str = "there is a header, but not one row";

/// What to do about a bad row.
const HELP: &str = "`valuenet data check` lists every bad row";

impl SampleTable {
    /// Reads a file; rows that are wrong are set aside.
    ///
    /// # Errors
    /// If the file cannot be read, lacks a column, or has no rows at all.
    pub fn read(path: &Path) -> Result<SampleTable> {
        let records = Records::read(path, Columns::HELP)?;
        let columns = Columns::find(path, &records)?;
        let (mut rows, mut bad) = (Vec::new(), Vec::new());
        for record in records.rows {
            let line = record.line;
            match record.cells.and_then(|cells| columns.sample(&cells)) {
                Ok(sample) => rows.push(Row { line, sample }),
                Err(what) => bad.push(BadRow { line, what }),
            }
        }
        match rows.is_empty() && bad.is_empty() {
            true => Err(Error::data(path, NO_ROWS).help(Columns::HELP)),
            false => Ok(SampleTable { path: path.into(), rows, bad }),
        }
    }

    /// Reads a file of which every row must be right.
    ///
    /// # Errors
    /// At the first wrong row, and as [`SampleTable::read`].
    pub fn read_strict(path: &Path) -> Result<SampleTable> {
        Self::read(path)?.strict()
    }

    /// The same table, if every row of it is right.
    ///
    /// # Errors
    /// At the first wrong row.
    pub fn strict(self) -> Result<SampleTable> {
        match self.bad.as_slice() {
            [] => Ok(self),
            [only] => Err(Error::row(&self.path, only.line, only.what.clone()).help(HELP)),
            [first, rest @ ..] => {
                let what = format!("{} (and {} more bad rows)", first.what, rest.len());
                Err(Error::row(&self.path, first.line, what).help(HELP))
            }
        }
    }
}

/// Where a file keeps scenarios and their values.
pub(super) struct Asked {
    pub scenario: usize,
    pub value: Option<usize>,
    /// The value that the file's name says, as in `BENEVOLENCE.csv`.
    named: Option<Value>,
}

/// Where a file keeps what.
pub(super) struct Columns {
    pub asked: Asked,
    pub label: usize,
}

impl Columns {
    pub(super) const HELP: &str =
        "ValueNet files have the columns scenario and label, the scenario as \"[VALUE] text\"";

    pub(super) fn find(path: &Path, records: &Records) -> Result<Columns> {
        let asked = Asked::find(path, records, Self::HELP)?;
        Ok(Columns { asked, label: records.require(path, &["label"], Self::HELP)? })
    }

    /// The sample in a record without blanks around its text, or what is wrong with it.
    fn sample(&self, cells: &ByteRecord) -> Result<Sample, String> {
        let sample = self.exact_sample(cells)?;
        let trimmed = sample.scenario.trim();
        Ok(match trimmed.len() == sample.scenario.len() {
            true => sample,
            false => Sample { scenario: trimmed.into(), ..sample },
        })
    }

    /// The sample in a record, its text to the letter; the one blank after a tag belongs to the
    /// tag.
    pub(super) fn exact_sample(&self, cells: &ByteRecord) -> Result<Sample, String> {
        let label = text(cells, self.label, "label")?;
        let label = label.parse().map_err(|()| match label.trim() {
            "" => "the label is empty".to_string(),
            other => format!("label \"{other}\" is not -1, 0 or 1"),
        })?;
        let (value, scenario) = self.asked.value_and_text(cells)?;
        Ok(Sample { value, scenario: scenario.into(), label })
    }
}

impl Asked {
    pub(super) fn find(path: &Path, records: &Records, help: &str) -> Result<Self> {
        Ok(Self {
            scenario: records.require(path, &["scenario"], help)?,
            value: records.place("value"),
            named: path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()),
        })
    }

    /// The value and the text to the letter, which is not blank; or what is wrong with them. The
    /// value comes from its own column, else from the tag before the text, else from the file's
    /// name.
    pub(super) fn value_and_text<'a>(
        &self,
        cells: &'a ByteRecord,
    ) -> Result<(Value, &'a str), String> {
        let cell = text(cells, self.scenario, "scenario")?;
        let (value, scenario) = self.parted(cell, |column| text(cells, column, "value"))?;
        match scenario.trim() {
            "" => Err("the scenario is empty".into()),
            _ => Ok((value, scenario)),
        }
    }

    fn parted<'a>(
        &self,
        cell: &'a str,
        value_cell: impl Fn(usize) -> Result<&'a str, String>,
    ) -> Result<(Value, &'a str), String> {
        let unknown = |name: &str| format!("\"{name}\" is none of the ten values");
        let tagged = cell.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let tag = tagged.and_then(|(name, text)| {
            Some((name.parse().ok()?, text.strip_prefix(' ').unwrap_or(text)))
        });
        let stated = match self.value {
            Some(column) => {
                let name = value_cell(column)?;
                Some(
                    name.trim_matches(['[', ']', ' '])
                        .parse::<Value>()
                        .map_err(|()| unknown(name))?,
                )
            }
            None => self.named,
        };
        match (stated, tag) {
            (None, Some((value, text))) => Ok((value, text)),
            (None, None) => Err(match tagged {
                Some((name, _)) => unknown(name),
                None => "the scenario does not begin with a [VALUE] tag".into(),
            }),
            (Some(value), Some((tag, text))) if tag == value => Ok((value, text)),
            (Some(value), Some((tag, _))) => {
                Err(format!("the row says {value}, but its text is tagged [{tag}]"))
            }
            (Some(value), None) => Ok((value, cell)),
        }
    }
}
