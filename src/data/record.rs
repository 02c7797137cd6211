//! Rows of named cells, wherever they come from.

use csv::ByteRecord;

/// The rows of a file.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The columns' names as they are written, without blanks around them.
    pub names: Vec<String>,
    /// The rows in order.
    pub rows: Vec<Record>,
}

/// A row.
#[derive(Debug)]
pub(super) struct Record {
    /// The line it begins on, or its number in a Parquet file, counted from 1.
    pub line: u64,
    /// A cell for each column, or what is wrong with the row.
    pub cells: Result<ByteRecord, String>,
}
