//! One recipe under several seeds: the mean of each figure and its standard deviation.

use serde_json::{Map, Value as Json, json};

use super::table::{Table, count, number, score};
use super::{Records, Report};
use crate::eval::{Evaluation, Mean, Slice};

/// The reports of one recipe under several seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Seeds {
    /// The folder of the runs.
    pub folder: String,
    /// The split.
    pub split: String,
    /// Each seed with its report; all are of the same rows.
    pub reports: Vec<(u64, Evaluation)>,
}

type Column = (&'static str, &'static str, fn(&Slice) -> Option<f64>);

/// The figures that are averaged: their names in tables and in JSON.
const COLUMNS: [Column; 7] = [
    ("accuracy", "accuracy", |slice| Some(slice.accuracy)),
    ("macro F1", "macro_f1", |slice| Some(slice.macro_f1)),
    ("MSE", "mse", |slice| Some(slice.mse)),
    ("r", "pearson", |slice| slice.pearson),
    ("F-1", "f1_no", |slice| Some(slice.classes[0].scores.f1)),
    ("F0", "f1_unrelated", |slice| Some(slice.classes[1].scores.f1)),
    ("F+1", "f1_yes", |slice| Some(slice.classes[2].scores.f1)),
];

/// How many of them a terminal has room for.
const SHOWN: usize = 4;

impl Report for Seeds {
    fn tables(&self) -> Vec<Table> {
        vec![self.table(COLUMNS.len())]
    }

    fn records(&self) -> Records {
        let names = COLUMNS.iter().flat_map(|(_, key, _)| [key.to_string(), format!("{key}_sd")]);
        let rows = self.slices().map(|slice| {
            let figures = COLUMNS.iter().flat_map(|(.., of)| {
                let mean = self.mean(slice, *of);
                [mean.map(|mean| mean.mean), mean.and_then(|mean| mean.sd)].map(number)
            });
            [slice.name.clone(), slice.rows.to_string()].into_iter().chain(figures)
        });
        Records::new(["slice", "rows"].map(String::from).into_iter().chain(names), rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        let slice = |slice: &Slice| {
            let figures =
                COLUMNS.iter().map(|(_, key, of)| (key.to_string(), json!(self.mean(slice, *of))));
            json!({
                "name": slice.name,
                "rows": slice.rows,
                "figures": figures.collect::<Map<_, _>>(),
            })
        };
        Ok(json!({
            "model": self.folder,
            "split": self.split,
            "seeds": self.reports.iter().map(|(seed, _)| *seed).collect::<Vec<_>>(),
            "slices": self.slices().map(slice).collect::<Vec<_>>(),
        }))
    }

    fn text(&self) -> String {
        self.table(SHOWN).text()
    }
}

impl Seeds {
    fn slices(&self) -> impl Iterator<Item = &Slice> {
        self.reports.iter().take(1).flat_map(|(_, report)| &report.slices)
    }

    /// The mean of a figure on the rows of a slice; none if a seed has none.
    fn mean(&self, slice: &Slice, of: fn(&Slice) -> Option<f64>) -> Option<Mean> {
        let same = |report: &Evaluation| {
            report.slices.iter().find(|other| other.name == slice.name).and_then(of)
        };
        let numbers =
            self.reports.iter().map(|(_, report)| same(report)).collect::<Option<Vec<f64>>>();
        numbers.filter(|numbers| !numbers.is_empty()).map(|numbers| Mean::of(&numbers))
    }

    /// What the means are of.
    pub fn title(&self) -> String {
        let seeds: Vec<String> = self.reports.iter().map(|(seed, _)| seed.to_string()).collect();
        format!("{} · {} · mean ± sd over seeds {}", self.split, self.folder, seeds.join(", "))
    }

    /// The means as cells below a header.
    pub fn cells(&self) -> (Vec<String>, Vec<Vec<String>>) {
        self.first_cells(COLUMNS.len())
    }

    fn first_cells(&self, columns: usize) -> (Vec<String>, Vec<Vec<String>>) {
        let names = COLUMNS.iter().take(columns).map(|(name, ..)| *name);
        let header = ["", "rows"].into_iter().chain(names).map(String::from);
        let rows = self.slices().map(|slice| {
            let of_slice = |(.., of): &Column| self.mean(slice, *of).map_or("-".into(), mean_text);
            let cells = COLUMNS.iter().take(columns).map(of_slice);
            [slice.name.clone(), count(slice.rows as u64)].into_iter().chain(cells).collect()
        });
        (header.collect(), rows.collect())
    }

    fn table(&self, columns: usize) -> Table {
        let (header, rows) = self.first_cells(columns);
        let mut table = Table::new(self.title(), header.iter().map(String::as_str));
        rows.into_iter().for_each(|row| table.push(row));
        table
    }
}

fn mean_text(Mean { mean, sd }: Mean) -> String {
    match sd {
        Some(sd) => format!("{} ± {}", score(mean), score(sd)),
        None => score(mean),
    }
}
