//! Files of named cells: CSV with a header, JSON Lines, and Parquet. What the cells mean, others know.

use std::path::Path;

use csv::ByteRecord;

use super::lines::Lines;
use super::record::{Record, Records};
use super::{jsonl, parquet, quoting};
use crate::error::{Error, Result};

/// How a file keeps its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Comma-separated, RFC 4180, under a header.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

impl FileKind {
    /// The kind that the file's name says; CSV unless it is `.jsonl`, `.ndjson` or `.parquet`.
    pub fn of(path: &Path) -> Self {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match extension.as_str() {
            "jsonl" | "ndjson" => FileKind::Jsonl,
            "parquet" => FileKind::Parquet,
            _ => FileKind::Csv,
        }
    }
}

impl Records {
    /// Reads a file; rows that are wrong are set aside. `help` says what such a file looks like.
    ///
    /// # Errors
    /// If the file cannot be read or is empty.
    pub(super) fn read(path: &Path, help: &str) -> Result<Self> {
        Self::read_as(path, FileKind::of(path), help)
    }

    /// Reads a file of this kind, whatever its name.
    ///
    /// # Errors
    /// As [`Records::read`].
    pub(super) fn read_as(path: &Path, kind: FileKind, help: &str) -> Result<Self> {
        if kind == FileKind::Parquet {
            return parquet::read(path);
        }
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(Error::data(path, "the file is UTF-16").help("save it as UTF-8"));
        }
        let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(&bytes);
        if bytes.is_empty() {
            return Err(Error::data(path, "the file is empty").help(help));
        }
        match kind {
            FileKind::Jsonl => Ok(jsonl::parse(bytes)),
            _ => Self::of_csv(path, bytes, help),
        }
    }

    fn of_csv(path: &Path, bytes: &[u8], help: &str) -> Result<Self> {
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
        let mut records = reader.into_byte_records();
        let Some(header) = records.next() else {
            return Err(Error::data(path, "the file is empty").help(help));
        };
        let header = header.map_err(|error| Error::data(path, error.to_string()))?;
        let names: Vec<String> =
            header.iter().map(|name| String::from_utf8_lossy(name).trim().into()).collect();
        let faults = quoting::faults(bytes);
        let mut lines = Lines::of(bytes);
        let mut rows = Vec::new();
        for record in records {
            let record = record.map_err(|error| Error::data(path, error.to_string()))?;
            let line = lines.line_of(&record);
            let last_line = line + record.iter().flatten().filter(|&&byte| byte == b'\n').count() as u64;
            let fault = faults.iter().find(|(at, _)| (line..=last_line).contains(at));
            let cells = match fault {
                Some((_, what)) => Err(what.to_string()),
                None if record.len() != names.len() => {
                    Err(format!("{} cells, but the header has {}", record.len(), names.len()))
                }
                None => Ok(record),
            };
            rows.push(Record { line, cells });
        }
        Ok(Self { names, rows })
    }

    /// The first column with this name, in whatever case.
    pub(super) fn place(&self, wanted: &str) -> Option<usize> {
        self.names.iter().position(|name| name.eq_ignore_ascii_case(wanted))
    }

    /// The first column with one of these names.
    ///
    /// # Errors
    /// If there is none; it names what is there.
    pub(super) fn require(&self, path: &Path, wanted: &[&str], help: &str) -> Result<usize> {
        wanted.iter().find_map(|name| self.place(name)).ok_or_else(|| {
            let found = self.names.iter().map(|name| name.to_lowercase());
            let found = found.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", ");
            let what = format!("there is no column \"{}\" (columns: {found})", wanted.join("\" or \""));
            Error::row(path, 1, what).help(help)
        })
    }
}

/// A cell as text.
///
/// # Errors
/// If it is not UTF-8; it says where.
pub(super) fn text<'a>(cells: &'a ByteRecord, place: usize, name: &str) -> Result<&'a str, String> {
    let cell = &cells[place];
    std::str::from_utf8(cell).map_err(|error| {
        let byte = cell[error.valid_up_to()];
        format!("the byte 0x{byte:02x} in column {name} is not UTF-8 (is the file Latin-1? save it as UTF-8)")
    })
}
