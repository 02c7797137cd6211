//! One ValueNet CSV file, in every shape that is met in the wild.
//!
//! * `scenario,label`, the scenario as `[VALUE] text`; perhaps with an unnamed index column and `orig_label`;
//! * `value,scenario,label`, values in any case;
//! * `BENEVOLENCE.csv` and the like with `,uid,scenario,label`: plain text, the value is the file's name.

use std::path::{Path, PathBuf};

use csv::ByteRecord;

use super::lines::Lines;
use super::quoting;
use crate::error::{Error, Result};
use crate::value::{Label, Value};

/// A scenario, a value, and whether the one serves the other.
#[derive(Debug, Clone, PartialEq, Eq)]
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
pub struct Table {
    /// Where it was read.
    pub path: PathBuf,
    /// The samples, in order.
    pub rows: Vec<Row>,
    /// The lines that hold none, in order.
    pub bad: Vec<BadRow>,
}

/// What to do about a bad row.
const HELP: &str = "`valuenet data check` lists every bad row";

impl Table {
    /// Reads a file; rows that are wrong are set aside.
    ///
    /// # Errors
    /// If the file cannot be read, lacks a column, or has no rows at all.
    pub fn read(path: &Path) -> Result<Table> {
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
        Self::parse(path, &bytes)
    }

    /// Reads a file of which every row must be right.
    ///
    /// # Errors
    /// At the first wrong row, and as [`Table::read`].
    pub fn read_strict(path: &Path) -> Result<Table> {
        let table = Self::read(path)?;
        match table.bad.as_slice() {
            [] => Ok(table),
            [only] => Err(Error::row(path, only.line, only.what.clone()).help(HELP)),
            [first, rest @ ..] => {
                let what = format!("{} (and {} more bad rows)", first.what, rest.len());
                Err(Error::row(path, first.line, what).help(HELP))
            }
        }
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Table> {
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(Error::data(path, "the file is UTF-16").help("save it as UTF-8"));
        }
        let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
        let mut records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes)
            .into_byte_records();
        let header = match records.next() {
            Some(header) => header.map_err(|error| Error::data(path, error.to_string()))?,
            None => return Err(Error::data(path, "the file is empty").help(Columns::HELP)),
        };
        let columns = Columns::find(path, &header)?;
        let faults = quoting::faults(bytes);
        let (mut rows, mut bad) = (Vec::new(), Vec::new());
        let mut lines = Lines::of(bytes);
        for record in records {
            let record = record.map_err(|error| Error::data(path, error.to_string()))?;
            let line = lines.line_of(&record);
            let last_line = line + record.iter().flatten().filter(|&&byte| byte == b'\n').count() as u64;
            let fault = faults.iter().find(|(at, _)| (line..=last_line).contains(at));
            match fault.map_or_else(|| columns.sample(&record), |(_, what)| Err(what.to_string())) {
                Ok(sample) => rows.push(Row { line, sample }),
                Err(what) => bad.push(BadRow { line, what }),
            }
        }
        match rows.is_empty() && bad.is_empty() {
            true => Err(Error::data(path, "there is a header, but not one row").help(Columns::HELP)),
            false => Ok(Table { path: path.into(), rows, bad }),
        }
    }
}

/// Where a file keeps what.
struct Columns {
    count: usize,
    scenario: usize,
    label: usize,
    value: Option<usize>,
    /// The value that the file's name says, as in `BENEVOLENCE.csv`.
    named: Option<Value>,
}

impl Columns {
    const HELP: &str = "ValueNet files have the columns scenario and label, the scenario as \"[VALUE] text\"";

    fn find(path: &Path, header: &ByteRecord) -> Result<Columns> {
        let names: Vec<String> =
            header.iter().map(|name| String::from_utf8_lossy(name).trim().to_lowercase()).collect();
        let place = |wanted: &str| names.iter().position(|name| name == wanted);
        let required = |wanted: &str| {
            place(wanted).ok_or_else(|| {
                let found =
                    names.iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>().join(", ");
                let what = format!("there is no column \"{wanted}\" (columns: {found})");
                Error::row(path, 1, what).help(Self::HELP)
            })
        };
        Ok(Columns {
            count: names.len(),
            scenario: required("scenario")?,
            label: required("label")?,
            value: place("value"),
            named: path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()),
        })
    }

    /// The sample in a record, or what is wrong with it.
    fn sample(&self, record: &ByteRecord) -> Result<Sample, String> {
        if record.len() != self.count {
            return Err(format!("{} cells, but the header has {}", record.len(), self.count));
        }
        let cell = |place: usize, name: &str| {
            std::str::from_utf8(&record[place]).map_err(|error| {
                let byte = record[place][error.valid_up_to()];
                format!("the byte 0x{byte:02x} in column {name} is not UTF-8 (is the file Latin-1? save it as UTF-8)")
            })
        };
        let label = cell(self.label, "label")?;
        let label = label.parse().map_err(|()| match label.trim() {
            "" => "the label is empty".to_string(),
            other => format!("label \"{other}\" is not -1, 0 or 1"),
        })?;
        let (value, scenario) =
            self.value_and_text(cell(self.scenario, "scenario")?, |column| cell(column, "value"))?;
        match scenario.trim() {
            "" => Err("the scenario is empty".into()),
            text => Ok(Sample { value, scenario: text.into(), label }),
        }
    }

    /// The value comes from its own column, else from the tag before the text, else from the file's name.
    fn value_and_text<'a>(
        &self,
        cell: &'a str,
        value_cell: impl Fn(usize) -> Result<&'a str, String>,
    ) -> Result<(Value, &'a str), String> {
        let unknown = |name: &str| format!("\"{name}\" is none of the ten values");
        let tagged = cell.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let tag = tagged.and_then(|(name, text)| Some((name.parse().ok()?, text)));
        let stated = match self.value {
            Some(column) => {
                let name = value_cell(column)?;
                Some(name.trim_matches(['[', ']', ' ']).parse::<Value>().map_err(|()| unknown(name))?)
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
