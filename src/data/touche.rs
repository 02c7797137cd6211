//! The folders of Touché's shared tasks on human values: sentences of 2024, arguments of 2023. Each text
//! becomes a row under each of the ten values, by the largest score of the value's parts.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use csv::ByteRecord;

use super::delimited::{Delimited, QUOTES, without_mark};
use super::record::{Record, Records};
use super::records::text;
use super::refined::REFINED;
use crate::error::{Error, Result};
use crate::value::Value;

/// The files of 2024.
const SENTENCES: &str = "sentences.tsv";
const LABELS: &str = "labels.tsv";

/// From this score on, a value is there.
const PRESENT: f64 = 0.5;

const HELP: &str = "Touché's folders hold sentences.tsv and labels.tsv (2024), or arguments-….tsv and labels-….tsv (2023)";

/// Whether a folder is one of Touché's.
pub(super) fn is_folder(path: &Path) -> bool {
    path.join(SENTENCES).is_file() || !arguments(path).is_empty()
}

/// The files of arguments in a folder, and what their names say behind `arguments`.
fn arguments(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(PathBuf, String)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let rest = name.strip_prefix("arguments")?.strip_suffix(".tsv")?;
            Some((entry.path(), rest.to_string()))
        })
        .collect();
    found.sort();
    found
}

/// The rows of a folder: the columns of its ids, `value`, `scenario` and `label`.
///
/// In 2024 a label says whether the value is attained, constrained, or neither; where a sentence does
/// both alike it is left out, for it has no one label. In 2023 a label says only that an argument draws on a
/// value, which counts as +1.
///
/// # Errors
/// If a file or a column is missing, a text has no labels, or a score is no number.
pub(super) fn read(folder: &Path) -> Result<Records> {
    if folder.join(SENTENCES).is_file() {
        let keys = ["Text-ID", "Sentence-ID"];
        let texts = Table::read(&folder.join(SENTENCES))?;
        return rows(&keys, &texts, "Text", &Table::read(&folder.join(LABELS))?);
    }
    let mut all = Records::default();
    for (path, rest) in arguments(folder) {
        let labels = folder.join(format!("labels{rest}.tsv"));
        let of_file =
            rows(&["Argument ID"], &Table::read(&path)?, "Premise", &Table::read(&labels)?)?;
        all.names = of_file.names;
        all.rows.extend(of_file.rows);
    }
    Ok(all)
}

/// A file of tab-separated cells.
struct Table {
    path: PathBuf,
    names: Vec<String>,
    rows: Vec<(u64, ByteRecord)>,
}

impl Table {
    fn read(path: &Path) -> Result<Self> {
        let file = File::open(path)
            .map_err(|error| Error::io(path, "read", error).help(HELP))
            .map(std::io::BufReader::new)?;
        let mut records = Delimited::of(path, without_mark(path, file)?, b'\t', 1);
        let names = records.header(HELP)?;
        let row = |record: Result<Record>| {
            let Record { line, cells } = record?;
            Ok((line, cells.map_err(|what| Error::row(path, line, what).help(QUOTES))?))
        };
        let rows = records.map(row).collect::<Result<_>>()?;
        Ok(Self { path: path.into(), names, rows })
    }

    fn place(&self, name: &str) -> Result<usize> {
        self.names.iter().position(|it| it == name).ok_or_else(|| {
            let columns = self.names.join(", ");
            let what = format!("there is no column \"{name}\" (columns: {columns})");
            Error::row(&self.path, 1, what).help(HELP)
        })
    }

    /// The places of the columns of a value's parts, with this behind their names; those that are not
    /// there are passed over.
    fn parts(&self, value: Value, behind: &str) -> Vec<usize> {
        let is_part = |name: &String| {
            let part = name.strip_suffix(behind);
            REFINED.iter().any(|it| Some(it.name) == part && it.parent == Some(value))
        };
        (0..self.names.len()).filter(|&place| is_part(&self.names[place])).collect()
    }

    fn cell<'a>(&'a self, line: u64, cells: &'a ByteRecord, place: usize) -> Result<&'a str> {
        let wrong = |what| Error::row(&self.path, line, what);
        text(cells, place, &self.names[place]).map_err(wrong)
    }

    /// The largest score in some columns; 0 of none.
    fn largest(&self, line: u64, cells: &ByteRecord, places: &[usize]) -> Result<f64> {
        places.iter().try_fold(0.0f64, |largest, &place| {
            let cell = self.cell(line, cells, place)?;
            match cell.trim().parse::<f64>() {
                Ok(score) if (0.0..=1.0).contains(&score) => Ok(largest.max(score)),
                _ => {
                    let column = &self.names[place];
                    let what = format!("\"{cell}\" in column {column} is no score from 0 to 1");
                    Err(Error::row(&self.path, line, what))
                }
            }
        })
    }
}

fn rows(keys: &[&str], texts: &Table, column: &str, labels: &Table) -> Result<Records> {
    let is_directed = !labels.parts(Value::Power, " attained").is_empty();
    let (attained, constrained) =
        if is_directed { (" attained", " constrained") } else { ("", " constrained") };
    let scores: Vec<(Value, Vec<usize>, Vec<usize>)> = Value::ALL
        .iter()
        .map(|&value| (value, labels.parts(value, attained), labels.parts(value, constrained)))
        .collect();
    if scores.iter().all(|(_, attained, _)| attained.is_empty()) {
        let what = "none of the columns is named after a value";
        return Err(Error::row(&labels.path, 1, what).help(HELP));
    }
    let key_of = |table: &Table, line, cells: &ByteRecord| -> Result<Vec<String>> {
        keys.iter().map(|key| Ok(table.cell(line, cells, table.place(key)?)?.into())).collect()
    };
    let mut labelled: HashMap<Vec<String>, usize> = HashMap::new();
    for (place, (line, cells)) in labels.rows.iter().enumerate() {
        let key = key_of(labels, *line, cells)?;
        if let Some(first) = labelled.insert(key, place) {
            let what = format!("these labels stand in line {} too", labels.rows[first].0);
            return Err(Error::row(&labels.path, *line, what));
        }
    }
    let column = texts.place(column)?;
    let mut rows = Vec::new();
    for (line, cells) in &texts.rows {
        let key = key_of(texts, *line, cells)?;
        let Some(&place) = labelled.get(&key) else {
            let what = format!("{} has no row for it", labels.path.display());
            return Err(Error::row(&texts.path, *line, what));
        };
        let (at, scored) = &labels.rows[place];
        for (value, attained, constrained) in &scores {
            let attained = labels.largest(*at, scored, attained)?;
            let constrained = labels.largest(*at, scored, constrained)?;
            let label = match attained.partial_cmp(&constrained) {
                _ if attained + constrained < PRESENT => "0",
                Some(std::cmp::Ordering::Greater) => "1",
                Some(std::cmp::Ordering::Less) => "-1",
                _ => continue,
            };
            let text = texts.cell(*line, cells, column)?;
            let own = [value.name(), text, label];
            let cells = key.iter().map(String::as_str).chain(own).collect::<Vec<_>>();
            rows.push(Record { line: *line, cells: Ok(ByteRecord::from(cells)) });
        }
    }
    let names = keys.iter().copied().chain(["value", "scenario", "label"]);
    Ok(Records { names: names.map(String::from).collect(), rows })
}
