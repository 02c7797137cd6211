//! Parquet: columns of text and numbers; nothing nested.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use csv::ByteRecord;
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
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
    if let Some(odd) = file.schema.fields().iter().find(|it| !cells::is_plain(it.data_type())) {
        let what = match odd.data_type() {
            kind if kind.is_nested() => format!("column \"{}\" is nested", odd.name()),
            kind => format!("column \"{}\" holds neither texts nor numbers: {kind}", odd.name()),
        };
        let help = "columns hold texts and numbers; leave this one out";
        return Err(Error::data(path, what).help(help));
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
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| unreadable(path, error))
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
        let reader = guard::reading(&path, build)?;
        Ok(guarded(path, reader, order, unreadable))
    }
}

/// Batches as a reader of foreign bytes gives them, with the columns at these places, in their order.
/// After an error there is no more, and a panic is one.
pub(super) fn guarded(
    path: PathBuf,
    mut reader: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    order: Vec<usize>,
    unreadable: fn(&Path, ArrowError) -> Error,
) -> impl Iterator<Item = Result<RecordBatch>> {
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let next = || {
            let batch = reader.next().map(|batch| batch?.project(&order)).transpose();
            batch.map_err(|error| unreadable(&path, error))
        };
        let batch = guard::reading(&path, next);
        is_over = !matches!(batch, Ok(Some(_)));
        batch.transpose()
    })
}

fn unreadable(path: &Path, error: impl Into<ArrowError>) -> Error {
    let error = error.into();
    Error::data(path, format!("cannot read it as Parquet: {error}")).help(HELP)
}

/// A batch as a file.
///
/// # Errors
/// If it cannot be written.
pub fn to_bytes(batch: &RecordBatch) -> Result<Vec<u8>> {
    let write = || {
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties()))?;
        writer.write(batch)?;
        writer.into_inner()
    };
    write().map_err(Error::failure_because("cannot write Parquet"))
}

/// How files are written: with Snappy, in groups of 131,072 rows.
pub fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP))
        .build()
}
