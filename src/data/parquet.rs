//! Parquet: columns of text and numbers; nothing nested.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::ByteRecord;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use serde_json::Value as Json;

use super::record::{Record, Records};
use crate::error::{Error, Result};
use crate::guard;

const HELP: &str =
    "files without compression or with Snappy are read, as pandas and datasets write them";

/// Reads a file; a row's line is its number, counted from 1, and what is null becomes an empty
/// cell.
pub(super) fn read(path: &Path) -> Result<Records> {
    guard::reading(path, || read_file(path))
}

fn read_file(path: &Path) -> Result<Records> {
    let file = File::open(path).map_err(|error| Error::io(path, "read", error))?;
    let bad = |error| unreadable(path, error);
    let reader = SerializedFileReader::new(file).map_err(bad)?;
    let columns = reader.metadata().file_metadata().schema().get_fields();
    if let Some(nested) = columns.iter().find(|column| !column.is_primitive()) {
        return Err(self::nested(path, nested.name()));
    }
    let names: Vec<String> = columns.iter().map(|column| column.name().to_string()).collect();
    if names.is_empty() {
        return Ok(Records::default());
    }
    let rows = reader.get_row_iter(None).map_err(bad)?.zip(1..).map(|(row, line)| {
        let cells = row.map_err(bad)?.into_columns().into_iter().map(|(_, field)| cell(field));
        Ok(Record { line, cells: Ok(ByteRecord::from(cells.collect::<Vec<_>>())) })
    });
    Ok(Records { rows: rows.collect::<Result<_>>()?, names })
}

/// A file that is open, to be read row by row.
pub(super) struct OpenParquet {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    /// The names of its columns.
    pub names: Vec<String>,
}

impl OpenParquet {
    /// Opens a file.
    ///
    /// # Errors
    /// If it is no such file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, "read", error))?;
        let reader = || SerializedFileReader::new(file).map_err(|error| unreadable(path, error));
        let reader = guard::reading(path, reader)?;
        let columns = reader.metadata().file_metadata().schema().get_fields();
        let names = columns.iter().map(|column| column.name().into()).collect();
        Ok(Self { path: path.into(), reader, names })
    }

    /// The cells of the columns at these places, row by row, and nothing else of the file. After an
    /// error there are no more.
    ///
    /// # Errors
    /// If one of the columns is nested.
    pub fn rows(self, places: &[usize]) -> Result<impl Iterator<Item = Result<Vec<Json>>> + use<>> {
        let Self { path, reader, names } = self;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let columns = schema.root_schema().get_fields();
        if let Some(&place) = places.iter().find(|&&place| !columns[place].is_primitive()) {
            return Err(nested(&path, &names[place]));
        }
        // The reader gives them in the file's order.
        let mut wanted = places.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let order: Vec<usize> =
            places.iter().map(|place| wanted.partition_point(|it| it < place)).collect();
        let fields = wanted.iter().map(|&place| columns[place].clone()).collect();
        let projection = Type::group_type_builder(schema.root_schema().name()).with_fields(fields);
        let rows = projection.build().and_then(|projection| {
            RowIter::from_file_into(Box::new(reader)).project(Some(projection))
        });
        let mut rows = rows.map_err(|error| unreadable(&path, error))?;
        let mut is_over = false;
        Ok(std::iter::from_fn(move || {
            if is_over {
                return None;
            }
            let next = || rows.next().transpose().map_err(|error| unreadable(&path, error));
            match guard::reading(&path, next) {
                Ok(row) => {
                    let cells: Vec<Json> =
                        row?.into_columns().into_iter().map(|(_, field)| json(field)).collect();
                    Some(Ok(order.iter().map(|&place| cells[place].clone()).collect()))
                }
                Err(error) => {
                    is_over = true;
                    Some(Err(error))
                }
            }
        }))
    }
}

fn unreadable(path: &Path, error: ParquetError) -> Error {
    Error::data(path, format!("cannot read it as Parquet: {error}")).help(HELP)
}

fn nested(path: &Path, name: &str) -> Error {
    Error::data(path, format!("column \"{name}\" is nested"))
        .help("columns hold texts and numbers; leave this one out")
}

/// A cell as JSON has it.
fn json(field: Field) -> Json {
    match field {
        Field::Null => Json::Null,
        Field::Bool(it) => it.into(),
        Field::Byte(number) => number.into(),
        Field::Short(number) => number.into(),
        Field::Int(number) => number.into(),
        Field::Long(number) => number.into(),
        Field::UByte(number) => number.into(),
        Field::UShort(number) => number.into(),
        Field::UInt(number) => number.into(),
        Field::ULong(number) => number.into(),
        Field::Float(number) => number.into(),
        Field::Double(number) => number.into(),
        Field::Str(text) => text.into(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into(),
        other => other.to_string().into(),
    }
}

fn cell(field: Field) -> Vec<u8> {
    match field {
        Field::Null => Vec::new(),
        Field::Str(text) => text.into_bytes(),
        Field::Bytes(bytes) => bytes.data().to_vec(),
        other => other.to_string().into_bytes(),
    }
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
pub(super) fn to_bytes(columns: &[(&str, Column)]) -> Result<Vec<u8>> {
    write(columns).map_err(Error::failure_because("cannot write Parquet"))
}

fn write(columns: &[(&str, Column)]) -> Result<Vec<u8>, ParquetError> {
    let field = |(name, column): &(&str, Column)| {
        let (physical, logical) = match column {
            Column::Texts(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Column::Numbers(_) => (Physical::INT32, None),
        };
        let builder = Type::primitive_type_builder(name, physical).with_logical_type(logical);
        Ok(Arc::new(builder.with_repetition(Repetition::REQUIRED).build()?))
    };
    let fields = columns.iter().map(field).collect::<Result<_, ParquetError>>()?;
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?);
    let properties =
        Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    let mut group = writer.next_row_group()?;
    for (_, column) in columns {
        let Some(mut into) = group.next_column()? else { break };
        match column {
            Column::Texts(texts) => {
                let texts: Vec<ByteArray> =
                    texts.iter().map(|&text| ByteArray::from(text)).collect();
                into.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
            }
            Column::Numbers(numbers) => {
                into.typed::<Int32Type>().write_batch(numbers, None, None)?;
            }
        }
        into.close()?;
    }
    group.close()?;
    writer.into_inner()
}
