//! Curated scenarios as CSV or JSON lines, and a curation's summary.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::table::{Table, count};
use crate::data::curate::keywords::Keywords;
use crate::data::curate::lists::KeywordSource;
use crate::data::curate::{Found, Summary};
use crate::error::{Error, Result};
use crate::value::Value;

/// How curated scenarios are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// A header, then a row for each scenario and value.
    Csv,
    /// One object a line, with the same names.
    Jsonl,
}

/// What the rows say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detail {
    /// They name the file.
    pub file: bool,
    /// There is one for each keyword, and not only for the first keyword of the closest source of
    /// each value.
    pub all_keywords: bool,
}

/// Writes curated scenarios to `out`.
pub struct CuratedWriter<'a, W: Write> {
    format: RowFormat,
    detail: Detail,
    keywords: &'a Keywords,
    out: W,
    begun: bool,
}

/// A row; its fields are the columns.
#[derive(Serialize)]
struct Line<'a> {
    scenario: &'a str,
    value: Value,
    keyword: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<&'a str>,
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl<'a, W: Write> CuratedWriter<'a, W> {
    /// A writer in the given format; it writes nothing yet.
    pub fn new(format: RowFormat, detail: Detail, keywords: &'a Keywords, out: W) -> Self {
        Self { format, detail, keywords, out, begun: false }
    }

    /// Writes a header, once: what fails before the first rows leaves nothing behind.
    fn begin(&mut self) -> Result<()> {
        if self.format == RowFormat::Csv && !self.begun {
            let list = if self.keywords.are_of_several_lists() { ",list" } else { "" };
            let file = if self.detail.file { ",file" } else { "" };
            writeln!(self.out, "scenario,value,keyword,source{list},line{file}")
                .map_err(refused)?;
        }
        self.begun = true;
        Ok(())
    }

    /// Writes some scenarios of a file.
    ///
    /// # Errors
    /// If they cannot be written; the source is the operating system's error.
    pub fn write(&mut self, file: &Path, found: &[Found]) -> Result<()> {
        self.begin()?;
        let failed = |error: csv::Error| Error::failure("cannot write CSV").because(error);
        let several = self.keywords.are_of_several_lists();
        let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        for found in found {
            let best = if self.detail.all_keywords {
                let mut by_value = found.keywords.clone();
                by_value.sort_by_key(|index| self.keywords.get(*index).value);
                by_value
            } else {
                self.keywords.best(&found.keywords)
            };
            for keyword in best.into_iter().map(|index| self.keywords.get(index)) {
                let line = Line {
                    scenario: &found.scenario,
                    value: keyword.value,
                    keyword: &keyword.text,
                    source: keyword.source.name(),
                    list: several.then(|| keyword.list.name()),
                    line: found.line,
                    file: self.detail.file.then(|| file.display().to_string()),
                };
                match self.format {
                    RowFormat::Csv => csv.serialize(line).map_err(failed)?,
                    RowFormat::Jsonl => {
                        let json = serde_json::to_string(&line);
                        let json = json.map_err(Error::failure_because("cannot write JSON"))?;
                        writeln!(self.out, "{json}").map_err(refused)?;
                    }
                }
            }
        }
        let bytes = csv.into_inner().map_err(|error| Error::failure(error.to_string()))?;
        self.out.write_all(&bytes).map_err(refused)
    }

    /// Ends the output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> Result<W> {
        self.begin()?;
        self.out.flush().map_err(refused)?;
        Ok(self.out)
    }
}

fn refused(error: std::io::Error) -> Error {
    Error::failure("cannot write the scenarios").because(error)
}

/// What a curation did: scenarios under each value, what was dropped, and, where rows know their
/// value, how many of them are found under it.
pub fn summary(summary: &Summary) -> String {
    let header = ["", "scenarios", "original", "associated", "embedding"];
    let mut values =
        Table::new("scenarios kept under each value, by the closest source of a keyword", header);
    for value in Value::ALL {
        let kept = summary.kept[value.index()];
        let numbers = std::iter::once(kept.iter().sum()).chain(kept).map(count);
        values.push(std::iter::once(value.name().to_string()).chain(numbers));
    }
    let mut all = Table::new("all", ["", "scenarios"]);
    for (name, number) in [
        ("read", summary.scenarios),
        ("with a keyword", summary.found),
        ("dropped: the same words as an earlier one", summary.same),
        ("dropped: near an earlier one", summary.near),
        ("kept", summary.kept_scenarios()),
    ] {
        all.push([name.to_string(), count(number)]);
    }
    let tables =
        [values.text(), all.text()].into_iter().chain(own(summary).map(|table| table.text()));
    tables.collect::<Vec<_>>().join("\n")
}

/// How many rows are found under their own value by keywords up to each source; none if no row
/// knows its value.
fn own(summary: &Summary) -> Option<Table> {
    let rows: u64 = summary.own.iter().map(|own| own.rows).sum();
    if rows == 0 {
        return None;
    }
    let header = ["", "rows", "original", "+ associated", "+ embedding", "share"];
    let mut table = Table::new("rows found under their own value, duplicates among them", header);
    let mut push = |name: &str, rows: u64, found: [u64; KeywordSource::COUNT]| {
        let up_to = |source: usize| found[..=source].iter().sum::<u64>();
        let share = format!("{:.1}%", 100.0 * up_to(KeywordSource::COUNT - 1) as f64 / rows as f64);
        let numbers = std::iter::once(rows).chain((0..KeywordSource::COUNT).map(up_to)).map(count);
        table.push(std::iter::once(name.to_string()).chain(numbers).chain([share]));
    };
    let mut total = [0; KeywordSource::COUNT];
    for (value, own) in Value::ALL.iter().zip(summary.own).filter(|(_, own)| own.rows > 0) {
        push(value.name(), own.rows, own.found);
        total.iter_mut().zip(own.found).for_each(|(total, found)| *total += found);
    }
    push("all", rows, total);
    Some(table)
}
