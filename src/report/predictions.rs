//! Predictions row by row: written beside a report, and read again to compare models.

use std::collections::HashMap;
use std::path::Path;

use super::table::csv;
use crate::error::{Error, Result};
use crate::eval::Scored;
use crate::value::Label;

const HEADER: [&str; 7] =
    ["line", "value", "scenario", "label", "utility", "predicted", "seen_in_train"];

/// The columns of a model that gives probabilities.
const PROBABILITIES: [&str; Label::COUNT] = ["p_no", "p_unrelated", "p_yes"];

/// One row for each prediction, with its line in the data file.
///
/// # Errors
/// If it cannot be written.
pub fn write<'a>(rows: impl Iterator<Item = (u64, &'a str, &'a Scored)>) -> Result<String> {
    let mut rows = rows.peekable();
    let has_probabilities = rows.peek().is_some_and(|(_, _, row)| row.probabilities.is_some());
    let header: Vec<&str> = match has_probabilities {
        true => [HEADER.as_slice(), &PROBABILITIES].concat(),
        false => HEADER.into(),
    };
    let cells = rows.map(|(line, scenario, scored)| {
        let mut cells = vec![
            line.to_string(),
            scored.value.to_string(),
            scenario.to_string(),
            scored.label.number().to_string(),
            (scored.utility as f32).to_string(), // with as many digits as the model computed
            scored.class.number().to_string(),
            scored.seen.map(|seen| seen.to_string()).unwrap_or_default(),
        ];
        cells.extend(scored.probabilities.into_iter().flatten().map(|share| share.to_string()));
        cells
    });
    csv(&header, cells)
}

/// A prediction that was read, with its scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedPrediction {
    /// The text.
    pub scenario: String,
    /// The prediction.
    pub scored: Scored,
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// If the file cannot be read, or is no such file.
pub fn read(path: &Path) -> Result<Vec<SavedPrediction>> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
    let mut records = csv::Reader::from_reader(bytes.as_slice());
    let header = records.headers().map_err(|error| Error::data(path, error.to_string()))?;
    let more = || HEADER.into_iter().chain(PROBABILITIES);
    if header.iter().ne(HEADER) && header.iter().ne(more()) {
        return Err(Error::data(path, "these are no predictions of `valuenet eval`"));
    }
    let mut texts: HashMap<String, usize> = HashMap::new();
    let mut rows = Vec::new();
    for record in records.records() {
        let record = record.map_err(|error| Error::data(path, error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = row(&record, &mut texts);
        rows.push(
            row.ok_or_else(|| Error::row(path, line, "this is no prediction of `valuenet eval`"))?,
        );
    }
    Ok(rows)
}

fn row(record: &csv::StringRecord, texts: &mut HashMap<String, usize>) -> Option<SavedPrediction> {
    let scenario = record.get(2)?.to_string();
    let next = texts.len();
    let scored = Scored {
        value: record.get(1)?.parse().ok()?,
        label: record.get(3)?.parse().ok()?,
        utility: record.get(4)?.parse::<f32>().ok()?.into(),
        class: record.get(5)?.parse().ok()?,
        text: *texts.entry(scenario.clone()).or_insert(next),
        seen: match record.get(6)? {
            "" => None,
            seen => Some(seen.parse().ok()?),
        },
        probabilities: match record.len() > HEADER.len() {
            true => {
                let shares = record.iter().skip(HEADER.len()).map(|share| share.parse().ok());
                Some(shares.collect::<Option<Vec<f32>>>()?.try_into().ok()?)
            }
            false => None,
        },
    };
    Some(SavedPrediction { scenario, scored })
}
