//! What annotators answered: one row for each worker, scenario and value.

use std::collections::HashMap;
use std::path::Path;

use super::lines::Lines;
use super::table::Sample;
use crate::error::{Error, Result};
use crate::value::{Label, Value};

/// An answer of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Who answered.
    pub worker: String,
    /// The scenario that was asked about.
    pub scenario: String,
    /// The value that was asked about.
    pub value: Value,
    /// The answer; none if the worker was not sure.
    pub answer: Option<Label>,
}

const HELP: &str =
    "annotations have the columns worker, scenario, value and answer (yes, no, unrelated or not sure)";

/// Reads a CSV file with the columns `worker`, `scenario` (or `item`), `value` and `answer`.
///
/// # Errors
/// If the file cannot be read, lacks a column, or has a row that is wrong.
pub fn read(path: &Path) -> Result<Vec<Annotation>> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(&bytes);
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut records = reader.into_byte_records();
    let Some(header) = records.next() else {
        return Err(Error::data(path, "the file is empty").help(HELP));
    };
    let header = header.map_err(|error| Error::data(path, error.to_string()))?;
    let names: Vec<String> =
        header.iter().map(|name| String::from_utf8_lossy(name).trim().to_lowercase()).collect();
    let place = |wanted: &[&str]| {
        let found = wanted.iter().find_map(|wanted| names.iter().position(|name| name == wanted));
        found.ok_or_else(|| {
            Error::row(path, 1, format!("there is no column \"{}\"", wanted.join("\" or \""))).help(HELP)
        })
    };
    let (worker, scenario) = (place(&["worker"])?, place(&["scenario", "item"])?);
    let (value, answer) = (place(&["value"])?, place(&["answer"])?);
    let mut lines = Lines::of(bytes);
    records
        .map(|record| {
            let record = record.map_err(|error| Error::data(path, error.to_string()))?;
            let line = lines.line_of(&record);
            let bad = |what: String| Error::row(path, line, what).help(HELP);
            let cell = |place: usize| {
                let cell = record.get(place).ok_or_else(|| {
                    bad(format!("{} cells, but the header has {}", record.len(), names.len()))
                })?;
                let text = std::str::from_utf8(cell);
                text.map(str::trim).map_err(|_| bad(format!("column {} is not UTF-8", names[place])))
            };
            let name = cell(value)?;
            Ok(Annotation {
                worker: cell(worker)?.into(),
                scenario: cell(scenario)?.into(),
                value: name.parse().map_err(|()| bad(format!("\"{name}\" is none of the ten values")))?,
                answer: answer_of(cell(answer)?).map_err(bad)?,
            })
        })
        .collect()
}

fn answer_of(text: &str) -> Result<Option<Label>, String> {
    match text.to_lowercase().as_str() {
        "yes" => Ok(Some(Label::Yes)),
        "no" => Ok(Some(Label::No)),
        "unrelated" => Ok(Some(Label::Unrelated)),
        "not sure" | "not_sure" | "notsure" => Ok(None),
        _ => match text.parse() {
            Ok(label) => Ok(Some(label)),
            Err(()) => Err(format!("the answer \"{text}\" is not yes, no, unrelated or not sure")),
        },
    }
}

/// Scenarios on which at least `agree` workers gave the same answer with that answer, and those of which no answer has so
/// many, both in the order in which they first occur.
pub fn by_agreement(annotations: &[Annotation], agree: usize) -> (Vec<Sample>, Vec<(Value, String)>) {
    let mut order: Vec<(Value, &str)> = Vec::new();
    let mut counts: HashMap<(Value, &str), [usize; Label::COUNT]> = HashMap::new();
    for annotation in annotations {
        let key = (annotation.value, annotation.scenario.as_str());
        let counts = counts.entry(key).or_insert_with(|| {
            order.push(key);
            Default::default()
        });
        if let Some(label) = annotation.answer {
            counts[label.index()] += 1;
        }
    }
    let (mut agreed, mut disputed) = (Vec::new(), Vec::new());
    for key @ (value, scenario) in order {
        match Label::ALL.into_iter().max_by_key(|label| counts[&key][label.index()]) {
            Some(label) if counts[&key][label.index()] >= agree => {
                agreed.push(Sample { value, scenario: scenario.into(), label });
            }
            _ => disputed.push((value, scenario.into())),
        }
    }
    (agreed, disputed)
}
