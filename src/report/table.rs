//! Tables: a header, rows of cells, and the ways to write them.

use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;

use crate::error::{Error, Result};
use crate::eval::Interval;

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
    /// The cells that stand out, by row and column.
    best: BTreeSet<(usize, usize)>,
    gap: usize,
    /// What is said below it.
    note: String,
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
            best: BTreeSet::new(),
            gap: 2,
            note: String::new(),
        }
    }

    /// The same table with less room between its columns.
    pub fn narrow(self) -> Self {
        Self { gap: 1, ..self }
    }

    /// The same table with whole lines below it, except in LaTeX.
    pub fn note(self, lines: impl Into<String>) -> Self {
        Self { note: format!("\n{}", lines.into()), ..self }
    }

    /// The same table with words in this column too.
    pub fn left(mut self, column: usize) -> Self {
        self.header[column].1 = Align::Left;
        self
    }

    /// Adds a row of as many cells as there are columns.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.header.len());
        self.rows.push(cells);
    }

    /// Makes a cell of the last row stand out: with a star in text, bold elsewhere.
    pub fn mark_best(&mut self, column: usize) {
        self.best.insert((self.rows.len().saturating_sub(1), column));
    }

    /// The rows, with what stands out written by `best`, and everything else by `plain`.
    fn written(
        &self,
        plain: impl Fn(&str) -> String,
        best: impl Fn(&str) -> String,
    ) -> Vec<Vec<String>> {
        let cell =
            |row: usize, (column, text): (usize, &String)| match self.best.contains(&(row, column))
            {
                true => best(&plain(text)),
                false => plain(text),
            };
        let rows = self.rows.iter().enumerate();
        rows.map(|(row, cells)| cells.iter().enumerate().map(|at| cell(row, at)).collect())
            .collect()
    }

    /// The table in aligned columns under its title.
    pub fn text(&self) -> String {
        let widest =
            |column: usize| self.rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
        let names = self.header.iter().enumerate();
        let widths: Vec<usize> =
            names.map(|(column, (name, _))| name.width().max(widest(column))).collect();
        // A star stands in the gap before its cell.
        let line = |cells: &[&str], is_best: &dyn Fn(usize) -> bool| {
            let mut line = String::new();
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let cell = if is_best(column) { format!("*{cell}") } else { cell.to_string() };
                let gap = if column == 0 { 0 } else { self.gap };
                line += &match self.header[column].1 {
                    Align::Left => " ".repeat(gap) + &cell + &blanks(&cell, *width),
                    Align::Right => blanks(&cell, gap + width) + &cell,
                };
            }
            line.trim_end().to_string() + "\n"
        };
        let header: Vec<&str> = self.header.iter().map(|(name, _)| name.as_str()).collect();
        let rule =
            "─".repeat(widths.iter().sum::<usize>() + self.gap * widths.len().saturating_sub(1));
        let rows = self.rows.iter().enumerate().map(|(number, row)| {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            line(&cells, &|column| self.best.contains(&(number, column)))
        });
        let (header, rows) = (line(&header, &|_| false), rows.collect::<String>());
        format!("{}\n{header}{rule}\n{rows}{}", self.title, self.note)
    }

    /// The table in Markdown under its title.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let rule =
            self.header.iter().map(|(_, align)| if *align == Align::Left { "---" } else { "---:" });
        let rows =
            self.written(escape_markdown, |text| format!("**{text}**")).into_iter().map(line);
        format!(
            "**{}**\n\n{}{}{}{}",
            escape_markdown(&self.title),
            line(self.header.iter().map(|(name, _)| escape_markdown(name)).collect()),
            line(rule.map(String::from).collect()),
            rows.collect::<String>(),
            self.note
        )
    }
}

impl Table {
    /// The table as a LaTeX `table` with `booktabs` rules.
    pub fn latex(&self) -> String {
        let line = |cells: Vec<String>| format!("    {} \\\\\n", cells.join(" & "));
        let align: String = self
            .header
            .iter()
            .map(|(_, align)| if *align == Align::Left { 'l' } else { 'r' })
            .collect();
        let header = line(self.header.iter().map(|(name, _)| escape_latex(name)).collect());
        let rows =
            self.written(escape_latex, |text| format!("\\textbf{{{text}}}")).into_iter().map(line);
        format!(
            "\\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n  \\begin{{tabular}}{{{align}}}\n    \\toprule\n{header}    \
             \\midrule\n{}    \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n",
            escape_latex(&self.title),
            rows.collect::<String>()
        )
    }
}

/// What is left of so many columns of a terminal beside a text.
fn blanks(text: &str, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(text.width()))
}

/// Text that Markdown shows as it is in one line: no cell ends there, and no HTML begins.
fn escape_markdown(text: &str) -> String {
    let escape = |letter: char| match letter {
        '|' => "\\|".into(),
        '<' => "&lt;".into(),
        '\r' | '\n' => " ".into(),
        other => other.to_string(),
    };
    text.chars().map(escape).collect()
}

/// Text that LaTeX sets as it is; minus signs before numbers are typeset as such.
fn escape_latex(text: &str) -> String {
    let is_negative = text.starts_with('-') && text.len() > 1;
    let escaped: String = text
        .chars()
        .skip(usize::from(is_negative))
        .map(|letter| match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => format!("\\{letter}"),
            '~' => "\\textasciitilde{}".into(),
            '^' => "\\textasciicircum{}".into(),
            '\\' => "\\textbackslash{}".into(),
            '×' => "$\\times$".into(),
            '·' => "$\\cdot$".into(),
            other => other.to_string(),
        })
        .collect();
    if is_negative { format!("$-${escaped}") } else { escaped }
}

/// Rows of cells as CSV, RFC 4180.
///
/// # Errors
/// If the CSV writer fails.
pub fn csv(
    header: impl IntoIterator<Item: AsRef<[u8]>>,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Error::failure("cannot write CSV").because(error);
    writer.write_record(header).map_err(failed)?;
    for row in rows {
        writer.write_record(row).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::failure(error.to_string()))?;
    String::from_utf8(bytes).map_err(Error::failure_because("cannot write CSV"))
}

/// The text, cut to so many columns of a terminal, beside the ellipsis.
pub fn shortened(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.into();
    }
    let ends = text.char_indices().map(|(place, _)| place);
    let end = ends.take_while(|&end| text[..end].width() <= columns).last().unwrap_or(0);
    format!("{}…", text[..end].trim_end())
}

/// Text in lines of at most eighty columns, but for longer words.
pub fn paragraph(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        if width > 0 && width + 1 + word.width() > 80 {
            lines.push('\n');
            width = 0;
        }
        if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines += word;
        width += word.width();
    }
    lines + "\n"
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
    short(if number.abs() < 0.9995 { format!("{number:.3}") } else { format!("{number:.2}") })
}

/// A score with two decimals, as the paper prints them: `.63`, `-.09`; `-` if there is none.
pub fn hundredths(number: impl Into<Option<f64>>) -> String {
    number.into().map_or("-".into(), |number| fixed(number, 2))
}

/// A number with so many decimals: `-.09`, `12`.
pub(super) fn fixed(number: f64, decimals: usize) -> String {
    short(format!("{number:.decimals$}"))
}

/// A number with four decimals, for cosines and what is made of them, which may differ by little; no
/// negative zero.
pub fn ten_thousandths(number: f64) -> String {
    let text = format!("{number:.4}");
    if text == "-0.0000" { "0.0000".into() } else { text }
}

/// A number without the zero before its point, and no negative zero.
fn short(text: String) -> String {
    let is_zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    let text = if is_zero { text.replace('-', "") } else { text };
    match text.strip_prefix("0.").map(|rest| format!(".{rest}")) {
        Some(short) => short,
        None => text.replacen("-0.", "-.", 1),
    }
}

/// An interval for people: `.601 to .652`; `-` if there is none.
pub fn interval(ends: Option<Interval>) -> String {
    ends.map_or("-".into(), |Interval { low, high }| format!("{} to {}", score(low), score(high)))
}

/// A number for programs, with all its digits; nothing if there is none.
pub fn number(number: impl Into<Option<f64>>) -> String {
    number.into().map(|number| number.to_string()).unwrap_or_default()
}

/// An interval for programs: its lower and its upper end.
pub fn ends(interval: Option<Interval>) -> [String; 2] {
    [interval.map(|ends| ends.low), interval.map(|ends| ends.high)].map(number)
}
