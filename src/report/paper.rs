//! What the paper prints: its Tables 1 to 6 (`configs/paper.json`), read strictly, and what cannot
//! be right in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// The columns of Table 2, (name in tables, name in JSON and CSV).
pub const COLUMNS: [(&str, &str); 12] = [
    ("F-1", "f1_no"),
    ("F0", "f1_unrelated"),
    ("F+1", "f1_yes"),
    ("P-1", "precision_no"),
    ("P0", "precision_unrelated"),
    ("P+1", "precision_yes"),
    ("R-1", "recall_no"),
    ("R0", "recall_unrelated"),
    ("R+1", "recall_yes"),
    ("acc", "accuracy"),
    ("MSE", "mse"),
    ("cMSE", "class_mse"),
];

/// The columns in which less is better.
pub const ERRORS: [&str; 2] = ["mse", "class_mse"];

/// Figures by the names of [`COLUMNS`], or accuracies by the names of values.
pub type Figures = BTreeMap<String, f64>;

/// The figures of each title, by version.
pub type Versions = BTreeMap<String, BTreeMap<String, Figures>>;

/// What the paper prints; a table that a file leaves out is empty.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Paper {
    /// Where it prints it.
    pub source: String,
    /// Table 1: the sizes of `train`, `valid`, `test` and `total`.
    pub table1: BTreeMap<String, Size>,
    /// Table 2: scores of value models.
    pub table2: Versions,
    /// Table 3: accuracies for each value.
    pub table3: Versions,
    /// Table 4: the next utterance in PERSONA-CHAT, in the paper's order.
    pub table4: Vec<NextUtterance>,
    /// Table 5: emotions in EMPATHETICDIALOGUES, in the paper's order.
    pub table5: Vec<Emotion>,
    /// Table 6: replies in EMPATHETICDIALOGUES, in the paper's order.
    pub table6: Vec<Reply>,
    /// What is to be known of some figures: above all, why they cannot be right.
    pub notes: Vec<Note>,
}

/// A part of the dataset in Table 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// The number of samples.
    pub samples: usize,
    /// The mean number of tokens of a sample, however the paper counts them.
    pub average_tokens: f64,
    /// The number of different tokens.
    pub unique_tokens: usize,
}

/// A figure over several runs.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Printed {
    /// What is printed.
    pub mean: f64,
    /// The standard deviation over runs, where there is one.
    pub sd: Option<f64>,
}

/// A row of Table 4.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextUtterance {
    /// The model.
    pub model: String,
    /// With the original personas.
    pub original: DialogueFigures,
    /// With the revised personas.
    pub revised: DialogueFigures,
}

/// The columns of Table 4.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialogueFigures {
    /// How often the right one of 20 candidates comes first, in percent.
    pub hits1: Option<Printed>,
    /// The perplexity, per token of the model.
    pub perplexity: Option<Printed>,
    /// F1 of the words of the reply, in percent.
    pub f1: Option<Printed>,
}

/// A row of Table 5.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emotion {
    /// The model.
    pub model: String,
    /// The accuracy over 32 emotions, in percent.
    pub accuracy: Printed,
    /// By how much it exceeds the same model without value, in points of percent.
    pub gain: Option<f64>,
}

/// A row of Table 6.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The model.
    pub model: String,
    /// The perplexity, per token of the model.
    pub perplexity: f64,
}

/// A remark on some rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The table's number.
    pub table: u8,
    /// The rows by their titles; all if there are none.
    pub rows: Vec<String>,
    /// The remark.
    pub text: String,
}

impl Paper {
    /// The figures that the program brings along.
    ///
    /// # Errors
    /// If they are wrong, which a test rules out.
    pub fn built_in() -> Result<Self, String> {
        Self::parse(include_str!("../../configs/paper.json"))
    }

    /// Reads the figures from JSON.
    ///
    /// # Errors
    /// What is wrong with it: a name that no table has, or a figure that no such measure can have.
    pub fn parse(json: &str) -> Result<Self, String> {
        let paper: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let columns: Vec<&str> = COLUMNS.iter().map(|(_, key)| *key).collect();
        versions("table2", &paper.table2, &columns)?;
        versions("table3", &paper.table3, &Value::ALL.map(Value::name))?;
        if let Some(part) = paper.table1.keys().find(|part| !PARTS.contains(&part.as_str())) {
            return Err(format!("table1: \"{part}\" is no part ({})", PARTS.join(", ")));
        }
        paper
            .table1
            .values()
            .try_for_each(|size| within("table1", 0.0, size.average_tokens, f64::INFINITY))?;
        for row in &paper.table4 {
            for figures in [&row.original, &row.revised] {
                printed("table4", 0.0, figures.hits1, 100.0)?;
                printed("table4", 1.0, figures.perplexity, f64::INFINITY)?;
                printed("table4", 0.0, figures.f1, 100.0)?;
            }
        }
        for row in &paper.table5 {
            printed("table5", 0.0, Some(row.accuracy), 100.0)?;
            row.gain.map_or(Ok(()), |gain| within("table5", -100.0, gain, 100.0))?;
        }
        paper
            .table6
            .iter()
            .try_for_each(|row| within("table6", 1.0, row.perplexity, f64::INFINITY))?;
        match paper.notes.iter().find(|note| !(1..=6).contains(&note.table)) {
            Some(note) => Err(format!("notes: there is no table {}", note.table)),
            None => Ok(paper),
        }
    }

    /// The remarks on a table of which these rows are shown.
    pub fn notes_on<'a>(&'a self, table: u8, rows: &[&str]) -> impl Iterator<Item = &'a Note> {
        let concerns = |note: &Note| {
            note.rows.is_empty() || note.rows.iter().any(|row| rows.contains(&row.as_str()))
        };
        self.notes.iter().filter(move |note| note.table == table && concerns(note))
    }
}

/// The parts of the dataset in Table 1.
const PARTS: [&str; 4] = ["train", "valid", "test", "total"];

/// Whether a table has these columns only, with figures that they can have.
fn versions(table: &str, versions: &Versions, columns: &[&str]) -> Result<(), String> {
    for (name, figure) in versions.values().flat_map(BTreeMap::values).flatten() {
        if !columns.contains(&name.as_str()) {
            return Err(format!("{table}: \"{name}\" is no column of that table"));
        }
        // The largest error of a utility in [-1, 1] is 2.
        within(table, 0.0, *figure, if ERRORS.contains(&name.as_str()) { 4.0 } else { 1.0 })?;
    }
    Ok(())
}

fn printed(table: &str, least: f64, figure: Option<Printed>, most: f64) -> Result<(), String> {
    let Some(Printed { mean, sd }) = figure else { return Ok(()) };
    within(table, least, mean, most)?;
    within(table, 0.0, sd.unwrap_or_default(), f64::INFINITY)
}

fn within(table: &str, least: f64, figure: f64, most: f64) -> Result<(), String> {
    if (least..=most).contains(&figure) {
        return Ok(());
    }
    Err(match most.is_finite() {
        true => format!("{table}: {figure} is not from {least} to {most}"),
        false => format!("{table}: {figure} is less than {least}"),
    })
}
