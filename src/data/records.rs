//! Files of named cells: CSV with a header, JSON Lines, and Parquet. What the cells mean, others
//! know.

use std::io::Read;
use std::path::Path;

use csv::ByteRecord;

use super::delimited::{Delimited, without_mark};
use super::record::Records;
use super::{jsonl, packed, parquet, touche};
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
    /// The kind that the file's name says, without `.gz` or `.zst`; CSV unless it is `.jsonl`, `.ndjson` or
    /// `.parquet`.
    pub fn of(path: &Path) -> Self {
        match packed::extension(path).as_str() {
            "jsonl" | "ndjson" => FileKind::Jsonl,
            "parquet" => FileKind::Parquet,
            _ => FileKind::Csv,
        }
    }
}

impl Records {
    /// Reads a file, or a folder of Touché's; rows that are wrong are set aside. `help` says what such a
    /// file looks like.
    ///
    /// # Errors
    /// If the file cannot be read or is empty.
    pub(super) fn read(path: &Path, help: &str) -> Result<Self> {
        match touche::is_folder(path) {
            true => touche::read(path),
            false => Self::read_as(path, FileKind::of(path), help),
        }
    }

    /// Reads a file of this kind, whatever its name.
    ///
    /// # Errors
    /// As [`Records::read`].
    pub(super) fn read_as(path: &Path, kind: FileKind, help: &str) -> Result<Self> {
        if kind == FileKind::Parquet {
            return parquet::read(path);
        }
        let refused = |error| Error::io(path, "read", error);
        let packed = std::fs::read(path).map_err(refused)?;
        let unpacked = packed::unpacked(path, packed)?;
        let mut bytes = Vec::new();
        without_mark(path, unpacked.as_slice())?.read_to_end(&mut bytes).map_err(refused)?;
        if bytes.is_empty() {
            return Err(Error::data(path, "the file is empty").help(help));
        }
        match kind {
            FileKind::Jsonl => Ok(jsonl::parse(&bytes)),
            _ => Self::of_csv(path, &bytes, help),
        }
    }

    fn of_csv(path: &Path, bytes: &[u8], help: &str) -> Result<Self> {
        let mut records = Delimited::of(path, bytes, b',', 1);
        let names = records.header(help)?;
        let rows = records.collect::<Result<_>>()?;
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
            let what =
                format!("there is no column \"{}\" (columns: {found})", wanted.join("\" or \""));
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
