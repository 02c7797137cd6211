//! A file of named cells, read row by row with errors that name its line.

use std::path::Path;

use csv::ByteRecord;

use super::record::Records;
use super::records::{FileKind, text};
use super::table::Asked;
use crate::error::{Error, Result};
use crate::value::Value;

/// A file that is read row by row, and what it should look like.
pub(super) struct Rows<'a> {
    path: &'a Path,
    help: &'static str,
    records: Records,
}

impl<'a> Rows<'a> {
    /// Reads a file of the kind that its name says. `help` says what it should look like.
    ///
    /// # Errors
    /// If it cannot be read or is empty.
    pub(super) fn read(path: &'a Path, help: &'static str) -> Result<Self> {
        Self::read_as(path, FileKind::of(path), help)
    }

    /// Reads a file of this kind.
    ///
    /// # Errors
    /// As [`Rows::read`].
    pub(super) fn read_as(path: &'a Path, kind: FileKind, help: &'static str) -> Result<Self> {
        Ok(Self { path, help, records: Records::read_as(path, kind, help)? })
    }

    /// The columns' names.
    pub(super) fn names(&self) -> &[String] {
        &self.records.names
    }

    /// The column with this name, in whatever case.
    pub(super) fn place(&self, wanted: &str) -> Option<usize> {
        self.records.place(wanted)
    }

    /// The first column with one of these names.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn require(&self, wanted: &[&str]) -> Result<usize> {
        self.records.require(self.path, wanted, self.help)
    }

    /// Where scenarios and their values stand.
    ///
    /// # Errors
    /// If there are no scenarios.
    pub(super) fn asked(&self) -> Result<Asked> {
        Asked::find(self.path, &self.records, self.help)
    }

    /// What `row` makes of each row, which it is given with its line.
    ///
    /// # Errors
    /// At the first row that is wrong.
    pub(super) fn map<T>(
        &self,
        mut row: impl FnMut(u64, &Cells) -> Result<T, String>,
    ) -> Result<Vec<T>> {
        let made = self.records.rows.iter().map(|record| {
            let cells = record.cells.as_ref().map_err(String::clone);
            let made = cells
                .and_then(|cells| row(record.line, &Cells { cells, names: &self.records.names }));
            made.map_err(|what| Error::row(self.path, record.line, what).help(self.help))
        });
        made.collect()
    }
}

/// The cells of a row.
pub(super) struct Cells<'a> {
    cells: &'a ByteRecord,
    names: &'a [String],
}

impl<'a> Cells<'a> {
    /// The row as it was read.
    pub(super) fn record(&self) -> &'a ByteRecord {
        self.cells
    }

    /// A cell without blanks around it.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub(super) fn text(&self, place: usize) -> Result<&'a str, String> {
        Ok(text(self.cells, place, &self.names[place])?.trim())
    }

    /// A cell without blanks around it, which must hold something.
    ///
    /// # Errors
    /// If it does not, or is not UTF-8.
    pub(super) fn filled(&self, place: usize) -> Result<&'a str, String> {
        match self.text(place)? {
            "" => Err(format!("column {} is empty", self.names[place])),
            cell => Ok(cell),
        }
    }

    /// A cell that names a value.
    ///
    /// # Errors
    /// If it does not.
    pub(super) fn value(&self, place: usize) -> Result<Value, String> {
        named_value(self.filled(place)?)
    }
}

/// The value of this name.
///
/// # Errors
/// If there is none.
pub(super) fn named_value(name: &str) -> Result<Value, String> {
    name.parse().map_err(|()| format!("\"{name}\" is none of the ten values"))
}
