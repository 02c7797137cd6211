//! Parquet: columns of text and numbers; nothing nested.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow_schema::SchemaRef;
use csv::ByteRecord;
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::cells;
use super::record::{Record, Records};
use crate::error::{Error, Result};
use crate::guard;

const HELP: &str = "files without compression, or with Snappy, gzip or LZ4, are read, as pandas and datasets write them";

/// Rows that are read at once.
const ROWS: usize = 4096;

/// Rows of a group that is written.
const GROUP: usize = 1 << 17;

/// Reads a file; a row's line is its number, counted from 1, and what is null becomes an empty
/// cell.
pub(super) fn read(path: &Path) -> Result<Records> {
    let file = OpenParquet::open(path)?;
    let names: Vec<String> =
        file.schema.fields().iter().map(|field| field.name().clone()).collect();
    if let Some(nested) = file.schema.fields().iter().find(|it| it.data_type().is_nested()) {
        return Err(Error::data(path, format!("column \"{}\" is nested", nested.name()))
            .help("columns hold texts and numbers; leave this one out"));
    }
    let all: Vec<usize> = (0..names.len()).collect();
    let mut rows = Vec::new();
    for batch in file.batches(&all)? {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let line = rows.len() as u64 + 1;
            let cells = batch.columns().iter().map(|column| cells::bytes(column, row));
            rows.push(Record { line, cells: Ok(ByteRecord::from(cells.collect::<Vec<_>>())) });
        }
    }
    Ok(Records { names, rows })
}

/// A file that is open, to be read batch by batch.
pub(super) struct OpenParquet {
    path: PathBuf,
    reader: ParquetRecordBatchReaderBuilder<File>,
    /// Its columns.
    pub schema: SchemaRef,
}

impl OpenParquet {
    /// Opens a file.
    ///
    /// # Errors
    /// If it is no such file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, "read", error))?;
        let open = || {
            ParquetRecordBatchReaderBuilder::try_new_with_options(file, ArrowReaderOptions::new())
                .map_err(|error| unreadable(path, error))
        };
        let reader = guard::reading(path, open)?;
        let schema = reader.schema().clone();
        Ok(Self { path: path.into(), reader, schema })
    }

    /// The columns at these places, in their order, and nothing else of the file. After an error
    /// there is no more.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn batches(
        self,
        places: &[usize],
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let Self { path, reader, .. } = self;
        // The reader gives them in the file's order.
        let mut wanted = places.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let order: Vec<usize> =
            places.iter().map(|place| wanted.partition_point(|it| it < place)).collect();
        let mask = ProjectionMask::roots(reader.parquet_schema(), wanted);
        let build = || {
            let reader = reader.with_projection(mask).with_batch_size(ROWS);
            reader.build().map_err(|error| unreadable(&path, error))
        };
        let mut reader = guard::reading(&path, build)?;
        let mut is_over = false;
        Ok(std::iter::from_fn(move || {
            if is_over {
                return None;
            }
            let next = || {
                let batch = reader.next().transpose();
                let ordered =
                    batch.and_then(|batch| batch.map(|it| it.project(&order)).transpose());
                ordered.map_err(|error| unreadable(&path, error))
            };
            let batch = guard::reading(&path, next);
            is_over = batch.is_err();
            batch.transpose()
        }))
    }
}

fn unreadable(path: &Path, error: impl std::error::Error) -> Error {
    Error::data(path, format!("cannot read it as Parquet: {error}")).help(HELP)
}

/// A column of a file to be written.
pub(super) enum Column<'a> {
    /// Texts.
    Texts(Vec<&'a str>),
    /// Whole numbers.
    Numbers(Vec<i32>),
}

/// Named columns of the same length as a file, compressed with Snappy.
///
/// # Errors
/// If they cannot be written.
pub(super) fn to_bytes(columns: Vec<(&str, Column)>) -> Result<Vec<u8>> {
    let array = |(name, column)| {
        let array: ArrayRef = match column {
            Column::Texts(texts) => Arc::new(StringArray::from(texts)),
            Column::Numbers(numbers) => Arc::new(Int32Array::from(numbers)),
        };
        (name, array)
    };
    let failed = Error::failure_because("cannot write Parquet");
    let write = || {
        let batch = RecordBatch::try_from_iter(columns.into_iter().map(array))?;
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties()))?;
        writer.write(&batch)?;
        writer.into_inner()
    };
    write().map_err(failed)
}

/// How files are written: with Snappy, in groups of 131,072 rows.
pub fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP))
        .build()
}
