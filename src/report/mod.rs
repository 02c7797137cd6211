//! Results as bytes: tables for people, JSON and CSV for programs, Markdown for papers and issues.

pub mod ablation;
pub mod annotations;
mod array;
pub mod authors;
pub mod card;
pub mod chart;
pub mod comparison;
pub mod curated;
pub mod dataset;
pub mod dialogue_comparison;
pub mod dialogue_evaluation;
pub mod dialogue_page;
pub mod dialogue_reproduction;
pub mod dialogues;
pub mod emotion_comparison;
pub mod emotion_evaluation;
pub mod emotion_page;
pub mod evaluation;
pub mod html;
pub mod labelled;
pub mod labels;
pub mod paper;
pub mod partition;
pub mod persona_alignment;
pub mod predictions;
pub mod profiles;
pub mod radar;
pub mod reproduction;
pub mod reward_course;
pub mod rewards;
pub mod runs;
pub mod seeds;
pub mod speaker;
pub mod survey;
pub mod table;
pub mod tensorboard;

use serde_json::Value as Json;

use self::table::{Table, csv};
use crate::error::{Error, Result};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for a terminal.
    Table,
    /// One JSON document.
    Json,
    /// One CSV table, a row for each slice or part.
    Csv,
    /// Markdown tables.
    Markdown,
    /// LaTeX tables, for `booktabs`.
    Latex,
}

/// What can be written in every [`Format`].
pub trait Report {
    /// For people: tables, with what is to be said below them.
    fn tables(&self) -> Vec<Table>;

    /// For programs that read rows.
    fn records(&self) -> Records;

    /// For programs that read a document.
    ///
    /// # Errors
    /// If a part of it cannot be JSON.
    fn json(&self) -> serde_json::Result<Json>;

    /// For a terminal: the tables, unless it has less room than a page, or there is more to say.
    fn text(&self) -> String {
        joined(&self.tables(), Table::text)
    }

    /// The same as Markdown.
    fn markdown(&self) -> String {
        joined(&self.tables(), Table::markdown)
    }

    /// The same as LaTeX.
    fn latex(&self) -> String {
        joined(&self.tables(), Table::latex)
    }
}

/// Rows of cells below their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// The names of the columns.
    pub header: Vec<String>,
    /// As many cells in each row.
    pub rows: Vec<Vec<String>>,
}

impl Records {
    /// Rows below a header.
    pub fn new(
        header: impl IntoIterator<Item: Into<String>>,
        rows: impl IntoIterator<Item: IntoIterator<Item = String>>,
    ) -> Self {
        let rows = rows.into_iter().map(|row| row.into_iter().collect());
        Self { header: header.into_iter().map(Into::into).collect(), rows: rows.collect() }
    }
}

/// A report in one of the formats.
///
/// # Errors
/// If it cannot be written.
pub fn render(report: &dyn Report, format: Format) -> Result<String> {
    match format {
        Format::Table => Ok(report.text()),
        Format::Markdown => Ok(report.markdown()),
        Format::Latex => Ok(report.latex()),
        Format::Csv => {
            let Records { header, rows } = report.records();
            csv(&header, rows)
        }
        Format::Json => {
            pretty(&report.json().map_err(Error::failure_because("cannot write JSON"))?)
        }
    }
}

/// Tables, each written by `write`, with a blank line between them.
fn joined(tables: &[Table], write: fn(&Table) -> String) -> String {
    tables.iter().map(write).collect::<Vec<_>>().join("\n")
}

fn pretty(json: &Json) -> Result<String> {
    let text =
        serde_json::to_string_pretty(json).map_err(Error::failure_because("cannot write JSON"))?;
    Ok(text + "\n")
}
