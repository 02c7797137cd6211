//! Several runs in one table: their figures on all rows, with intervals.

use serde_json::{Value as Json, json};

use super::table::{Table, ends, number, score};
use super::{Records, Report};
use crate::eval::{Evaluation, Figure, Interval, Slice};

/// The figures: their names in tables, themselves, and their numbers.
type Column = (&'static str, Figure, fn(&Slice) -> Option<f64>);

const COLUMNS: [Column; 4] = [
    ("accuracy", Figure::Accuracy, |slice| Some(slice.accuracy)),
    ("macro F1", Figure::MacroF1, |slice| Some(slice.macro_f1)),
    ("MSE", Figure::Mse, |slice| Some(slice.mse)),
    ("r", Figure::Pearson, |slice| slice.pearson),
];

/// Runs by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Runs(pub Vec<(String, Evaluation)>);

impl Report for Runs {
    fn tables(&self) -> Vec<Table> {
        let names = COLUMNS.iter().map(|(name, ..)| *name);
        let mut table =
            Table::new("runs, all rows, 95% intervals", std::iter::once("").chain(names));
        for (name, report) in &self.0 {
            let cell = |(_, figure, of): &Column| match report.all().intervals.get(&figure.name()) {
                Some(Interval { low, high }) => {
                    format!("{} ({}–{})", score(of(report.all())), score(*low), score(*high))
                }
                None => score(of(report.all())),
            };
            table.push(std::iter::once(name.to_string()).chain(COLUMNS.iter().map(cell)));
        }
        vec![table]
    }

    fn records(&self) -> Records {
        let names = COLUMNS.iter().flat_map(|(_, figure, _)| {
            let name = figure.name();
            [name.clone(), format!("{name}_low"), format!("{name}_high")]
        });
        let rows = self.0.iter().map(|(name, report)| {
            let figures = COLUMNS.iter().flat_map(|(_, figure, of)| {
                let interval = report.all().intervals.get(&figure.name()).copied();
                std::iter::once(number(of(report.all()))).chain(ends(interval))
            });
            std::iter::once(name.to_string()).chain(figures)
        });
        Records::new(std::iter::once("run".to_string()).chain(names), rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        Ok(self
            .0
            .iter()
            .map(|(name, report)| json!({"run": name, "slices": report.slices}))
            .collect())
    }
}
