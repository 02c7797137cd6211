//! Tables that are read column by column: Parquet, and streams of Arrow.

use std::io::BufRead;
use std::path::PathBuf;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_schema::{ArrowError, FieldRef, SchemaRef};

use super::super::cells;
use super::super::parquet::{OpenParquet, guarded};
use super::{Chosen, Kept, TextBatch, Wanted};
use crate::error::{Error, Result};
use crate::guard;

/// The batches of a table: the column of texts, and behind it those that are kept.
pub(super) struct ColumnReader<'a> {
    batches: Box<dyn Iterator<Item = Result<RecordBatch>> + 'a>,
    is_stream: bool,
    /// What is left of the batch that was read last.
    rest: Option<RecordBatch>,
    path: PathBuf,
    /// How many rows were handed on.
    rows: u64,
}

impl<'a> ColumnReader<'a> {
    /// A Parquet file.
    pub fn parquet(wanted: &Wanted) -> Result<(Vec<FieldRef>, Self)> {
        let file = OpenParquet::open(wanted.path)?;
        let schema = file.schema.clone();
        let places = places(wanted, &schema)?;
        let batches = file.batches(&places)?;
        Ok(Self::of(wanted, &places, &schema, Box::new(batches), false))
    }

    /// A stream of Arrow's batches.
    pub fn arrow(wanted: &Wanted, reader: Box<dyn BufRead + 'a>) -> Result<(Vec<FieldRef>, Self)> {
        let path = PathBuf::from(wanted.path);
        let open = || StreamReader::try_new(reader, None).map_err(|error| unreadable(&path, error));
        let stream = guard::reading(&path, open)?;
        let schema = stream.schema();
        let places = places(wanted, &schema)?;
        let batches = guarded(path, stream, places.clone(), unreadable);
        Ok(Self::of(wanted, &places, &schema, Box::new(batches), true))
    }

    fn of(
        wanted: &Wanted,
        places: &[usize],
        schema: &SchemaRef,
        batches: Box<dyn Iterator<Item = Result<RecordBatch>> + 'a>,
        is_stream: bool,
    ) -> (Vec<FieldRef>, Self) {
        let kept = places[1..].iter().map(|&place| schema.fields()[place].clone()).collect();
        (kept, Self { batches, is_stream, rest: None, path: wanted.path.into(), rows: 0 })
    }

    /// Whether the batches are those of a sender, who may wait for each.
    pub fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// The next rows, `most` at most; never those of two batches.
    pub fn next(&mut self, most: usize) -> Result<Option<TextBatch>> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.batches.next().transpose()? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        let (rows, all) = (batch.num_rows().min(most), batch.num_rows());
        self.rest = (rows < all).then(|| batch.slice(rows, all - rows));
        let batch = batch.slice(0, rows);
        let (column, behind) = (batch.column(0), (1..batch.num_columns()).collect::<Vec<_>>());
        let before = self.rows;
        let text = |row: usize| {
            let wrong = |what| Error::row(&self.path, before + row as u64 + 1, what);
            cells::text(column, row).map_err(wrong)
        };
        let texts = (0..rows).map(text).collect();
        self.rows += rows as u64;
        let kept = batch.project(&behind).map_err(Error::failure_because("cannot keep columns"))?;
        Ok(Some(TextBatch { texts, kept: Kept::Columns(kept) }))
    }
}

/// The places of the texts' column and of those that are kept.
fn places(wanted: &Wanted, schema: &SchemaRef) -> Result<Vec<usize>> {
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let chosen = Chosen::of(wanted, &names)?;
    let field = schema.field(chosen.text);
    if !cells::is_plain(field.data_type()) {
        let what = format!("column \"{}\" holds no texts: {}", field.name(), field.data_type());
        return Err(Error::data(wanted.path, what));
    }
    Ok(std::iter::once(chosen.text).chain(chosen.kept).collect())
}

fn unreadable(path: &std::path::Path, error: ArrowError) -> Error {
    Error::data(path, format!("cannot read it as a stream of Arrow: {error}"))
        .help("it is the streaming format, and not the one of files (Feather), that is read")
}
