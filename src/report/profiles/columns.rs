//! Value vectors as columns.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use serde_json::Value as Json;

use super::{Columns, columns_of_values, numbers, wrong};
use crate::data::{Kept, TextBatch, cells, parquet};
use crate::error::{Error, Result};
use crate::value::ScoredText;

/// Writes batches.
pub(super) struct ColumnWriter<W: Write + Send> {
    schema: SchemaRef,
    columns: Columns,
    probabilities: bool,
    out: Out<W>,
}

enum Out<W: Write + Send> {
    Arrow(Box<StreamWriter<BufWriter<W>>>),
    Parquet(Box<ArrowWriter<W>>),
}

impl<W: Write + Send> std::fmt::Debug for ColumnWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a writer of {:?}", self.schema)
    }
}

impl<W: Write + Send> ColumnWriter<W> {
    /// A writer of a Parquet file, or of a stream of Arrow.
    pub fn new(is_parquet: bool, probabilities: bool, columns: &Columns, out: W) -> Result<Self> {
        let text = |name| Arc::new(Field::new(name, DataType::Utf8, true));
        let number = |name| Arc::new(Field::new(name, DataType::Float32, true));
        let own = columns_of_values(probabilities).map(number);
        let error = columns.errors.then(|| text("error"));
        let kept = columns.kept.iter().cloned();
        let fields: Vec<FieldRef> = kept.chain([text("text")]).chain(own).chain(error).collect();
        let schema = Arc::new(Schema::new(fields));
        let out = if is_parquet {
            let writer = ArrowWriter::try_new(out, schema.clone(), Some(parquet::properties()));
            Out::Parquet(Box::new(writer.map_err(|error| refused(error.into()))?))
        } else {
            Out::Arrow(Box::new(StreamWriter::try_new_buffered(out, &schema).map_err(refused)?))
        };
        Ok(Self { schema, columns: columns.clone(), probabilities, out })
    }

    /// Writes a batch.
    pub fn write(&mut self, rows: &[ScoredText], batch: &TextBatch) -> Result<()> {
        let mut arrays = self.kept(batch)?;
        let texts = batch.texts.iter().map(|text| text.as_ref().ok()?.as_deref());
        arrays.push(Arc::new(texts.collect::<StringArray>()));
        let numbers: Vec<Vec<Option<f32>>> =
            rows.iter().map(|row| numbers(row, self.probabilities).collect()).collect();
        let count = columns_of_values(self.probabilities).count();
        arrays.extend((0..count).map(|place| {
            let column = numbers.iter().map(|row| row[place]);
            Arc::new(column.collect::<Float32Array>()) as ArrayRef
        }));
        if self.columns.errors {
            let errors = (0..rows.len()).map(|row| wrong(batch, row));
            arrays.push(Arc::new(errors.collect::<StringArray>()));
        }
        let written = RecordBatch::try_new(self.schema.clone(), arrays).and_then(|batch| {
            match &mut self.out {
                Out::Arrow(writer) => writer.write(&batch).and_then(|()| writer.flush()),
                Out::Parquet(writer) => Ok(writer.write(&batch)?),
            }
        });
        written.map_err(refused)
    }

    fn kept(&self, batch: &TextBatch) -> Result<Vec<ArrayRef>> {
        match &batch.kept {
            Kept::Columns(columns) => Ok(columns.columns().to_vec()),
            Kept::Cells(rows) => {
                let column = |(place, field): (usize, &FieldRef)| {
                    let cells = rows.iter().map(|row| row.get(place).unwrap_or(&Json::Null));
                    cells::column(field, cells).map_err(Error::failure)
                };
                self.columns.kept.iter().enumerate().map(column).collect()
            }
        }
    }

    /// Ends the output.
    pub fn finish(self) -> Result<()> {
        match self.out {
            Out::Arrow(mut writer) => writer.finish().and_then(|()| writer.flush()),
            Out::Parquet(writer) => writer.close().map(|_| ()).map_err(ArrowError::from),
        }
        .map_err(refused)
    }
}

fn refused(error: ArrowError) -> Error {
    Error::failure("cannot write the value vectors").because(error)
}
