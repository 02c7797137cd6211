//! Several runs in one table: their figures on all rows, with intervals.

use super::Format;
use super::dataset::pretty;
use super::table::{Table, csv, score};
use crate::error::Result;
use crate::eval::{Evaluation, Figure, Interval, Slice};

/// The figures: their names in tables, themselves, and their numbers.
type Column = (&'static str, Figure, fn(&Slice) -> Option<f64>);

const COLUMNS: [Column; 4] = [
    ("accuracy", Figure::Accuracy, |slice| Some(slice.accuracy)),
    ("macro F1", Figure::MacroF1, |slice| Some(slice.macro_f1)),
    ("MSE", Figure::Mse, |slice| Some(slice.mse)),
    ("r", Figure::Pearson, |slice| slice.pearson),
];

/// The runs, by name, in one of the formats.
///
/// # Errors
/// If they cannot be written.
pub fn render<'a>(runs: impl Iterator<Item = (&'a str, &'a Evaluation)>, format: Format) -> Result<String> {
    let runs: Vec<(&str, &Evaluation)> = runs.collect();
    match format {
        Format::Table => Ok(table(&runs).text()),
        Format::Markdown => Ok(table(&runs).markdown()),
        Format::Latex => Ok(table(&runs).latex()),
        Format::Json => {
            let entry = |(name, report): &(&str, &Evaluation)| serde_json::json!({"run": name, "slices": report.slices});
            pretty(&runs.iter().map(entry).collect())
        }
        Format::Csv => {
            let header: Vec<String> = std::iter::once("run".to_string())
                .chain(COLUMNS.iter().flat_map(|(_, figure, _)| {
                    let name = figure.name();
                    [name.clone(), format!("{name}_low"), format!("{name}_high")]
                }))
                .collect();
            let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
            let rows = runs.iter().map(|(name, report)| {
                let cells = COLUMNS.iter().flat_map(|(_, figure, of)| {
                    let interval = report.all().intervals.get(&figure.name());
                    let ends = interval.map(|interval| (interval.low, interval.high)).unzip();
                    [number(of(report.all())), number(ends.0), number(ends.1)]
                });
                std::iter::once(name.to_string()).chain(cells).collect::<Vec<_>>()
            });
            csv(&header.iter().map(String::as_str).collect::<Vec<_>>(), rows)
        }
    }
}

fn table(runs: &[(&str, &Evaluation)]) -> Table {
    let names = COLUMNS.iter().map(|(name, ..)| *name);
    let mut table = Table::new("runs, all rows, 95% intervals", std::iter::once("").chain(names));
    for (name, report) in runs {
        let cell = |(_, figure, of): &Column| match report.all().intervals.get(&figure.name()) {
            Some(Interval { low, high }) => {
                format!("{} ({}–{})", score(of(report.all())), score(*low), score(*high))
            }
            None => score(of(report.all())),
        };
        table.push(std::iter::once(name.to_string()).chain(COLUMNS.iter().map(cell)));
    }
    table
}
