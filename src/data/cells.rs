//! Columns of Arrow, cell by cell, and back: texts, numbers, truth, days and times; nothing nested.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field, TimeUnit};
use serde_json::Value as Json;

/// Whether [`cell`] knows the cells of such a column.
pub fn is_plain(kind: &DataType) -> bool {
    use DataType as T;
    match kind {
        T::Dictionary(_, values) => is_plain(values),
        T::Null | T::Boolean | T::Utf8 | T::LargeUtf8 | T::Utf8View => true,
        T::Binary | T::LargeBinary | T::BinaryView => true,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 => true,
        T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => true,
        T::Float32 | T::Float64 | T::Date32 | T::Date64 | T::Timestamp(..) => true,
        T::Decimal128(..) => true,
        _ => false,
    }
}

/// A cell of a plain column as JSON has it; days and times are texts, as ISO 8601 writes them.
pub fn cell(column: &dyn Array, row: usize) -> Json {
    use DataType as T;
    if column.is_null(row) {
        return Json::Null;
    }
    match column.data_type() {
        T::Boolean => column.as_boolean().value(row).into(),
        T::Utf8 => column.as_string::<i32>().value(row).into(),
        T::LargeUtf8 => column.as_string::<i64>().value(row).into(),
        T::Utf8View => column.as_string_view().value(row).into(),
        T::Binary | T::LargeBinary | T::BinaryView => {
            String::from_utf8_lossy(binary(column, row).unwrap_or_default()).into()
        }
        T::Int8 => number::<Int8Type>(column, row).into(),
        T::Int16 => number::<Int16Type>(column, row).into(),
        T::Int32 => number::<Int32Type>(column, row).into(),
        T::Int64 => number::<Int64Type>(column, row).into(),
        T::UInt8 => number::<UInt8Type>(column, row).into(),
        T::UInt16 => number::<UInt16Type>(column, row).into(),
        T::UInt32 => number::<UInt32Type>(column, row).into(),
        T::UInt64 => number::<UInt64Type>(column, row).into(),
        T::Float32 => number::<Float32Type>(column, row).into(),
        T::Float64 => number::<Float64Type>(column, row).into(),
        T::Date32 => column.as_primitive::<Date32Type>().value_as_date(row).map_or(Json::Null, day),
        T::Date64 => column.as_primitive::<Date64Type>().value_as_date(row).map_or(Json::Null, day),
        T::Timestamp(unit, zone) => time(column, *unit, zone.is_some(), row),
        T::Decimal128(..) => column.as_primitive::<Decimal128Type>().value_as_string(row).into(),
        T::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            cell(dictionary.values(), dictionary.normalized_keys()[row])
        }
        _ => Json::Null,
    }
}

/// The cells of a row.
pub fn row(batch: &RecordBatch, row: usize) -> Vec<Json> {
    batch.columns().iter().map(|column| cell(column, row)).collect()
}

/// A cell as a text; none for null.
///
/// # Errors
/// If it holds bytes that are not UTF-8; it says where.
pub fn text(column: &dyn Array, row: usize) -> Result<Option<String>, String> {
    if let Some(bytes) = binary(column, row) {
        return std::str::from_utf8(bytes).map(|text| Some(text.into())).map_err(|error| {
            format!("the byte 0x{:02x} is not UTF-8", bytes[error.valid_up_to()])
        });
    }
    Ok(match cell(column, row) {
        Json::Null => None,
        Json::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

/// The bytes of a cell: a text's as they are, nothing for null, and else those of its JSON.
pub fn bytes(column: &dyn Array, row: usize) -> Vec<u8> {
    match binary(column, row) {
        Some(bytes) => bytes.to_vec(),
        None => match cell(column, row) {
            Json::Null => Vec::new(),
            Json::String(text) => text.into_bytes(),
            other => other.to_string().into_bytes(),
        },
    }
}

/// A cell of bytes that nobody called a text.
fn binary(column: &dyn Array, row: usize) -> Option<&[u8]> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Binary => column.as_binary::<i32>().value(row),
        DataType::LargeBinary => column.as_binary::<i64>().value(row),
        DataType::BinaryView => column.as_binary_view().value(row),
        _ => return None,
    })
}

fn number<T: ArrowPrimitiveType>(column: &dyn Array, row: usize) -> T::Native {
    column.as_primitive::<T>().value(row)
}

fn day(date: impl ToString) -> Json {
    date.to_string().into()
}

/// One with a zone is kept in UTC.
fn time(column: &dyn Array, unit: TimeUnit, is_utc: bool, row: usize) -> Json {
    let time = match unit {
        TimeUnit::Second => column.as_primitive::<TimestampSecondType>().value_as_datetime(row),
        TimeUnit::Millisecond => {
            column.as_primitive::<TimestampMillisecondType>().value_as_datetime(row)
        }
        TimeUnit::Microsecond => {
            column.as_primitive::<TimestampMicrosecondType>().value_as_datetime(row)
        }
        TimeUnit::Nanosecond => {
            column.as_primitive::<TimestampNanosecondType>().value_as_datetime(row)
        }
    };
    let end = if is_utc { "Z" } else { "" };
    time.map_or(Json::Null, |time| (time.to_string().replacen(' ', "T", 1) + end).into())
}

/// The column that holds cells such as this one: whole numbers, numbers, truth, or else texts.
pub fn field(name: &str, example: &Json) -> Field {
    let kind = match example {
        Json::Bool(_) => DataType::Boolean,
        Json::Number(number) if number.is_i64() => DataType::Int64,
        Json::Number(_) => DataType::Float64,
        _ => DataType::Utf8,
    };
    Field::new(name, kind, true)
}

/// Refuses a cell that is of another kind than its column; in one of texts, anything can stand as JSON.
///
/// # Errors
/// It says which.
pub fn check(field: &Field, cell: &Json) -> Result<(), String> {
    let fits = match field.data_type() {
        DataType::Boolean => cell.is_boolean(),
        DataType::Int64 => cell.is_i64(),
        DataType::Float64 => cell.is_number(),
        _ => true,
    };
    match fits || cell.is_null() {
        true => Ok(()),
        false => Err(format!("{cell} in column \"{}\" is no {}", field.name(), said(field))),
    }
}

/// A column of cells, as [`field`] made it.
///
/// # Errors
/// As [`check`].
pub fn column<'a>(
    field: &Field,
    cells: impl Iterator<Item = &'a Json> + Clone,
) -> Result<ArrayRef, String> {
    cells.clone().try_for_each(|cell| check(field, cell))?;
    Ok(match field.data_type() {
        DataType::Boolean => Arc::new(cells.map(Json::as_bool).collect::<BooleanArray>()),
        DataType::Int64 => Arc::new(cells.map(Json::as_i64).collect::<Int64Array>()),
        DataType::Float64 => Arc::new(cells.map(Json::as_f64).collect::<Float64Array>()),
        _ => {
            let text = |cell: &Json| match cell {
                Json::Null => None,
                Json::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            Arc::new(cells.map(text).collect::<StringArray>())
        }
    })
}

fn said(field: &Field) -> &'static str {
    match field.data_type() {
        DataType::Boolean => "truth value",
        DataType::Int64 => "whole number",
        _ => "number",
    }
}
