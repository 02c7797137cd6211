//! Results as bytes: tables for people, JSON and CSV for programs, Markdown for papers and issues.

pub mod annotations;
pub mod card;
pub mod chart;
pub mod comparison;
pub mod curated;
pub mod dataset;
pub mod evaluation;
pub mod html;
pub mod paper;
pub mod partition;
pub mod predictions;
pub mod profiles;
pub mod radar;
pub mod reproduction;
pub mod rewards;
pub mod runs;
pub mod seeds;
pub mod speaker;
pub mod survey;
pub mod table;
pub mod tensorboard;

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
