//! What can be wrong with a dataset: bad rows, duplicates, conflicts, and texts that stand on both
//! sides of a split.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::splits::Part;
use super::table::Row;
use crate::value::{Label, Value};

/// A row's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLocation {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: u64,
}

/// A row that says again, or says otherwise, what an earlier one of the same part says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatedRow {
    /// The later row.
    pub row: RowLocation,
    /// The earlier one.
    pub earlier: RowLocation,
}

/// How far the texts of a part stand in the train split too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The part: `eval` or `test`.
    pub part: String,
    /// The number of its rows.
    pub rows: usize,
    /// Rows whose text stands in train, under whatever value.
    pub texts: usize,
    /// Rows whose text stands in train under the same value.
    pub pairs: usize,
}

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The number of good rows.
    pub rows: usize,
    /// Rows that cannot be read as samples, and why.
    pub bad: Vec<(RowLocation, String)>,
    /// Rows of the same value, text and label as an earlier one.
    pub duplicates: Vec<RepeatedRow>,
    /// Rows of the same value and text as an earlier one, but another label.
    pub conflicts: Vec<RepeatedRow>,
    /// What eval and test share with train.
    pub overlaps: Vec<Overlap>,
}

/// Checks the parts of a dataset.
pub fn check(parts: &[Part]) -> Findings {
    let mut findings = Findings::default();
    for part in parts {
        let bad = part.tables.iter().flat_map(|table| {
            table.bad.iter().map(|bad| {
                (RowLocation { path: table.path.clone(), line: bad.line }, bad.what.clone())
            })
        });
        findings.bad.extend(bad);
        findings.rows += part.rows().count();
        find_repeats(part, &mut findings);
    }
    if let Some(train) = parts.iter().find(|part| part.name == "train") {
        let others = parts.iter().filter(|part| part.name != "train");
        findings.overlaps = others.map(|part| overlap(train, part)).collect();
    }
    findings
}

fn find_repeats(part: &Part, findings: &mut Findings) {
    let place = |path: &Path, row: &Row| RowLocation { path: path.into(), line: row.line };
    let mut seen: HashMap<(Value, &str), (RowLocation, Label)> = HashMap::new();
    for (path, row) in part.rows() {
        let sample = &row.sample;
        match seen.get(&(sample.value, sample.scenario.as_str())) {
            None => {
                seen.insert((sample.value, &sample.scenario), (place(path, row), sample.label));
            }
            Some((earlier, label)) => {
                let repeat = RepeatedRow { row: place(path, row), earlier: earlier.clone() };
                match *label == sample.label {
                    true => findings.duplicates.push(repeat),
                    false => findings.conflicts.push(repeat),
                }
            }
        }
    }
}

fn overlap(train: &Part, part: &Part) -> Overlap {
    let mut values_of: HashMap<&str, Vec<Value>> = HashMap::new();
    for sample in train.samples() {
        values_of.entry(&sample.scenario).or_default().push(sample.value);
    }
    let mut overlap = Overlap { part: part.name.clone(), rows: 0, texts: 0, pairs: 0 };
    for sample in part.samples() {
        overlap.rows += 1;
        if let Some(values) = values_of.get(sample.scenario.as_str()) {
            overlap.texts += 1;
            overlap.pairs += usize::from(values.contains(&sample.value));
        }
    }
    overlap
}
