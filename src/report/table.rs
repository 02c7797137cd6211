//! Tables: a header, rows of cells, and the three ways to write them.

use crate::error::{Error, Result};

/// How a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    title: String,
    header: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
    gap: usize,
}

impl Table {
    /// An empty table whose first column holds words and the others numbers.
    pub fn new<'a>(title: impl Into<String>, header: impl IntoIterator<Item = &'a str>) -> Self {
        let align = |(place, name): (usize, &str)| {
            (name.to_string(), if place == 0 { Align::Left } else { Align::Right })
        };
        Self {
            title: title.into(),
            header: header.into_iter().enumerate().map(align).collect(),
            rows: Vec::new(),
            gap: 2,
        }
    }

    /// The same table with less room between its columns.
    pub fn narrow(self) -> Self {
        Self { gap: 1, ..self }
    }

    /// Adds a row of as many cells as there are columns.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.header.len());
        self.rows.push(cells);
    }

    fn widths(&self) -> Vec<usize> {
        let width = |text: &str| text.chars().count();
        let widest = |column: usize| self.rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
        self.header.iter().enumerate().map(|(column, (name, _))| width(name).max(widest(column))).collect()
    }

    /// The table in aligned columns under its title.
    pub fn text(&self) -> String {
        let widths = self.widths();
        let line = |cells: &[&str]| {
            let padded =
                cells.iter().zip(&self.header).zip(&widths).map(|((cell, (_, align)), width)| match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                });
            padded.collect::<Vec<_>>().join(&" ".repeat(self.gap)).trim_end().to_string() + "\n"
        };
        let header: Vec<&str> = self.header.iter().map(|(name, _)| name.as_str()).collect();
        let rule = "─".repeat(widths.iter().sum::<usize>() + self.gap * widths.len().saturating_sub(1));
        let rows = self.rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
        format!("{}\n{}{rule}\n{}", self.title, line(&header), rows.collect::<String>())
    }

    /// The table in Markdown under its title.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let escape = |cell: &String| cell.replace('|', "\\|");
        let rule = self.header.iter().map(|(_, align)| if *align == Align::Left { "---" } else { "---:" });
        let rows = self.rows.iter().map(|row| line(row.iter().map(escape).collect()));
        format!(
            "**{}**\n\n{}{}{}",
            self.title,
            line(self.header.iter().map(|(name, _)| escape(name)).collect()),
            line(rule.map(String::from).collect()),
            rows.collect::<String>()
        )
    }
}

/// Rows of cells as CSV, RFC 4180.
///
/// # Errors
/// If the CSV writer fails.
pub fn csv(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Error::failure("cannot write CSV").because(error);
    writer.write_record(header).map_err(failed)?;
    for row in rows {
        writer.write_record(row).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::failure(error.to_string()))?;
    String::from_utf8(bytes).map_err(Error::failure_because("cannot write CSV"))
}

/// A whole number with its thousands apart: 21,374.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

/// A score with three decimals in four letters: `.626`, `1.00`; `-` if there is none.
pub fn score(number: impl Into<Option<f64>>) -> String {
    let Some(number) = number.into() else {
        return "-".into();
    };
    let text = if number.abs() < 0.9995 { format!("{number:.3}") } else { format!("{number:.2}") };
    match text.strip_prefix("0.").map(|rest| format!(".{rest}")) {
        Some(short) => short,
        None => text.replacen("-0.", "-.", 1),
    }
}
