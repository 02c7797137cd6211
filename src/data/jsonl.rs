//! JSON Lines: an object a line, its keys the columns.

use std::collections::HashMap;

use csv::ByteRecord;
use serde_json::{Map, Value as Json};

use super::record::{Record, Records};
use crate::error::{Error, Result};

/// A line's number, and its object or what is wrong with it.
type Line = (u64, Result<Map<String, Json>, String>);

/// The rows of a text. The columns are all keys in the order in which they first occur; a key that
/// a line lacks is an empty cell.
pub(super) fn parse(bytes: &[u8]) -> Records {
    let lines = bytes.split(|&byte| byte == b'\n').zip(1u64..);
    let objects: Vec<Line> = lines
        .filter(|(line, _)| !line.trim_ascii().is_empty())
        .map(|(line, number)| (number, object(line)))
        .collect();
    let mut names: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for key in objects.iter().filter_map(|(_, object)| object.as_ref().ok()).flat_map(Map::keys) {
        if !places.contains_key(key) {
            places.insert(key.clone(), names.len());
            names.push(key.clone());
        }
    }
    let row = |(line, object): Line| {
        let cells = object.and_then(|object| {
            let mut cells = vec![String::new(); names.len()];
            for (key, value) in object {
                cells[places[&key]] = cell(&key, value)?;
            }
            Ok(ByteRecord::from(cells))
        });
        Record { line, cells }
    };
    Records { rows: objects.into_iter().map(row).collect(), names }
}

pub(super) fn object(line: &[u8]) -> Result<Map<String, Json>, String> {
    let text = std::str::from_utf8(line).map_err(|error| {
        format!("the byte 0x{:02x} is not UTF-8 (is the file Latin-1?)", line[error.valid_up_to()])
    })?;
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err("the line is not a JSON object".into()),
        // serde_json counts lines within what it is given, which is one line.
        Err(error) => Err(format!(
            "the line is not JSON: {}",
            error.to_string().replace(" at line 1 column", " at column")
        )),
    }
}

fn cell(key: &str, value: Json) -> Result<String, String> {
    match value {
        Json::Null => Ok(String::new()),
        Json::String(text) => Ok(text),
        Json::Bool(_) | Json::Number(_) => Ok(value.to_string()),
        Json::Array(_) | Json::Object(_) => {
            Err(format!("\"{key}\" is neither a text nor a number"))
        }
    }
}

/// Rows of cells as text, a line each; cells that are whole numbers are written as such.
///
/// # Errors
/// If they cannot be written.
pub(super) fn to_text<'a>(
    names: &[&str],
    rows: impl Iterator<Item = Vec<&'a str>>,
) -> Result<String> {
    let mut text = String::new();
    for row in rows {
        let object: Map<String, Json> = names
            .iter()
            .zip(row)
            .map(|(name, cell)| (name.to_string(), number_or_text(cell)))
            .collect();
        text +=
            &serde_json::to_string(&object).map_err(Error::failure_because("cannot write JSON"))?;
        text.push('\n');
    }
    Ok(text)
}

/// A number only if it is read back as the same letters.
fn number_or_text(cell: &str) -> Json {
    match cell.parse::<i64>() {
        Ok(number) if number.to_string() == cell => number.into(),
        _ => cell.into(),
    }
}
