//! The paper's Tables 2 and 3: ours beside the paper's, with the difference.

use std::collections::BTreeMap;

use serde::Serialize;

use super::paper::{COLUMNS, ERRORS, Figures, Note, Paper, Versions};
use super::table::{Table, hundredths, paragraph, score};
use super::{Records, Report, joined};
use crate::eval::{Evaluation, Mean};
use crate::value::{Label, Value};

/// The evaluations of one model on one version of the data, one for each seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The version: `original`, `balanced` or `augmented`.
    pub version: String,
    /// The row's name.
    pub row: String,
    /// How tables call it, and the paper.
    pub title: String,
    /// Whether it predicts classes, so that its squared error is that of classes.
    pub classifier: bool,
    /// Each seed and its report on the test split.
    pub reports: Vec<(u64, Evaluation)>,
}

/// A table's worth of figures for one entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Compared {
    pub(super) mean: Figures,
    /// The standard deviation over seeds, if there are several.
    pub(super) sd: Option<Figures>,
    pub(super) paper: Figures,
    /// Ours less the paper's.
    pub(super) difference: Figures,
}

impl Compared {
    pub(super) fn of(reports: &[Figures], paper: Option<&Figures>) -> Self {
        let mean_of = |key: &String| {
            let numbers: Vec<f64> =
                reports.iter().filter_map(|report| report.get(key).copied()).collect();
            (key.clone(), Mean::of(&numbers))
        };
        let means: BTreeMap<String, Mean> =
            reports.iter().flat_map(BTreeMap::keys).map(mean_of).collect();
        let mean: Figures = means.iter().map(|(key, of)| (key.clone(), of.mean)).collect();
        let deviations = || means.iter().filter_map(|(key, of)| Some((key.clone(), of.sd?)));
        let sd = (reports.len() > 1).then(|| deviations().collect());
        let paper = paper.cloned().unwrap_or_default();
        let beside =
            paper.iter().filter_map(|(key, theirs)| Some((key.clone(), mean.get(key)? - theirs)));
        let difference = beside.collect();
        Self { mean, sd, paper, difference }
    }
}

/// An entry beside the paper, as JSON shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct ModelRow<'a> {
    version: &'a str,
    row: &'a str,
    title: &'a str,
    classifier: bool,
    seeds: Vec<u64>,
    table2: Compared,
    table3: Compared,
    /// Table 2's figures on the rows whose text does not stand in the train split.
    unseen_texts: Compared,
}

impl<'a> ModelRow<'a> {
    fn of(entry: &'a Entry, paper: &'a Paper) -> Self {
        let slice = |name: &str| -> Vec<Figures> {
            let slices = entry.reports.iter().map(|(_, report)| report.slices.iter());
            slices
                .filter_map(|mut slices| slices.find(|slice| slice.name == name))
                .map(table2)
                .collect()
        };
        let by_value = |(_, report): &(u64, Evaluation)| {
            let of_value =
                |value: &Value| report.slices.iter().find(|slice| slice.name == value.name());
            let values = Value::ALL.iter().filter_map(of_value);
            values.map(|slice| (slice.name.clone(), slice.accuracy)).collect::<Figures>()
        };
        let theirs = |table: &'a Versions| {
            table.get(&entry.version).and_then(|titles| titles.get(&entry.title))
        };
        Self {
            version: &entry.version,
            row: &entry.row,
            title: &entry.title,
            classifier: entry.classifier,
            seeds: entry.reports.iter().map(|(seed, _)| *seed).collect(),
            table2: Compared::of(&slice("all"), theirs(&paper.table2)),
            table3: Compared::of(
                &entry.reports.iter().map(by_value).collect::<Vec<_>>(),
                theirs(&paper.table3),
            ),
            unseen_texts: Compared::of(&slice("unseen"), None),
        }
    }

    fn name(&self) -> String {
        match self.seeds.len() {
            1 => self.title.into(),
            count => format!("{} ×{count}", self.title),
        }
    }
}

/// The figures of Table 2 on some rows.
fn table2(slice: &crate::eval::Slice) -> Figures {
    let of_class = |label: Label| {
        let (class, suffix) =
            (&slice.classes[label.index()].scores, ["no", "unrelated", "yes"][label.index()]);
        [("f1", class.f1), ("precision", class.precision), ("recall", class.recall)]
            .map(|(name, figure)| (format!("{name}_{suffix}"), figure))
    };
    let whole = [("accuracy", slice.accuracy), ("mse", slice.mse), ("class_mse", slice.class_mse)];
    let whole = whole.map(|(name, figure)| (name.to_string(), figure));
    Label::ALL.into_iter().flat_map(of_class).chain(whole).collect()
}

/// Both tables for each version that occurs, ours beside the paper's.
#[derive(Debug, Clone, Copy)]
pub struct ReproductionReport<'a> {
    /// Our rows.
    pub entries: &'a [Entry],
    /// The paper's figures.
    pub paper: &'a Paper,
}

impl<'a> ReproductionReport<'a> {
    fn rows(&self) -> Vec<ModelRow<'a>> {
        self.entries.iter().map(|entry| ModelRow::of(entry, self.paper)).collect()
    }

    /// What the paper's figures are to be read with, each note written by `write`.
    fn notes(&self, write: impl Fn(&str) -> String) -> String {
        notes(&self.rows(), self.paper).map(|note| write(&note.text)).collect()
    }
}

impl Report for ReproductionReport<'_> {
    fn tables(&self) -> Vec<Table> {
        tables(&self.rows(), self.paper)
    }

    fn text(&self) -> String {
        let notes = self.notes(|note| format!("\n{}", paragraph(note)));
        joined(&self.tables(), Table::text) + NOTE + &notes
    }

    fn markdown(&self) -> String {
        let notes = self.notes(|note| format!("\n{note}\n"));
        joined(&self.tables(), Table::markdown) + NOTE + &notes
    }

    fn latex(&self) -> String {
        joined(&self.tables(), Table::latex) + &self.notes(|note| format!("% {note}\n"))
    }

    fn records(&self) -> Records {
        records(&self.rows())
    }

    fn json(&self) -> serde_json::Result<serde_json::Value> {
        let (rows, paper) = (self.rows(), self.paper);
        let best: BTreeMap<&str, Best> = versions(&rows)
            .into_iter()
            .filter_map(|version| Some((version, Best::of(paper.table2.get(version)?))))
            .collect();
        Ok(serde_json::json!({
            "paper": paper.source,
            "best_of_paper": serde_json::to_value(best)?,
            "notes": serde_json::to_value(notes(&rows, paper).collect::<Vec<_>>())?,
            "rows": serde_json::to_value(&rows)?,
        }))
    }
}

const NOTE: &str = "\n\
Each figure is the mean over seeds (×N); the best of each column is marked. MSE\n\
is that of the utility, cMSE that of the predicted class, by which classifiers\n\
are compared with the paper's, whose figures have two decimals. A dash: not\n\
printed, or not on hand.\n";

/// What the paper's figures of the rows are to be read with, and those of its best.
fn notes<'a>(rows: &[ModelRow], paper: &'a Paper) -> impl Iterator<Item = &'a Note> {
    let shown = rows.iter().filter(|row| !row.table2.paper.is_empty()).map(|row| row.title);
    let best = versions(rows).into_iter().filter_map(|version| paper.table2.get(version));
    let best: Vec<Best> = best.map(Best::of).collect();
    let titles: Vec<&str> =
        shown.chain(best.iter().flat_map(|best| best.titles.values().copied())).collect();
    let of_table2 = paper.notes_on(2, &titles).collect::<Vec<_>>();
    let shown = rows.iter().filter(|row| !row.table3.paper.is_empty()).map(|row| row.title);
    let of_table3 = paper.notes_on(3, &shown.collect::<Vec<_>>()).collect::<Vec<_>>();
    of_table2.into_iter().chain(of_table3)
}

/// The versions that occur, in their order.
fn versions<'a>(rows: &[ModelRow<'a>]) -> Vec<&'a str> {
    let mut versions = Vec::new();
    for row in rows {
        if !versions.contains(&row.version) {
            versions.push(row.version);
        }
    }
    versions
}

/// The best of each column among the paper's rows of a version, and whose they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Best<'a> {
    figures: Figures,
    titles: BTreeMap<&'a str, &'a str>,
}

impl<'a> Best<'a> {
    fn of(titles: &'a BTreeMap<String, Figures>) -> Self {
        let mut best = Self { figures: Figures::new(), titles: BTreeMap::new() };
        for (title, figures) in titles {
            for (key, figure) in figures {
                let sign = if ERRORS.contains(&key.as_str()) { -1.0 } else { 1.0 };
                if best.figures.get(key).is_none_or(|best| sign * figure > sign * best) {
                    best.figures.insert(key.clone(), *figure);
                    best.titles.insert(key, title);
                }
            }
        }
        best
    }
}

fn tables(rows: &[ModelRow], paper: &Paper) -> Vec<Table> {
    let values: Vec<(&str, &str)> =
        SHORT.iter().copied().zip(Value::ALL.map(Value::name)).collect();
    let tables = versions(rows).into_iter().flat_map(|version| {
        let of_version: Vec<&ModelRow> = rows.iter().filter(|row| row.version == version).collect();
        let unseen =
            |row: &ModelRow| Compared { paper: Figures::new(), ..row.unseen_texts.clone() };
        let mut all =
            table(format!("Table 2, {version}"), &COLUMNS, &of_version, |row| row.table2.clone());
        if let Some(theirs) = paper.table2.get(version) {
            all.push(line("best of paper", &COLUMNS, &Best::of(theirs).figures, hundredths));
        }
        [
            all,
            table(
                format!("Table 2, {version}, texts unseen in training"),
                &COLUMNS,
                &of_version,
                unseen,
            ),
            table(format!("Table 3, {version}: accuracy"), &values, &of_version, |row| {
                row.table3.clone()
            }),
        ]
    });
    tables.collect()
}

const SHORT: [&str; Value::COUNT] =
    ["SEC", "POW", "ACH", "HED", "STI", "SD", "UNI", "BEN", "CON", "TRA"];

/// A table of ours, and below each row what the paper prints, where it prints anything, and the
/// difference.
fn table(
    title: String,
    columns: &[(&str, &str)],
    rows: &[&ModelRow],
    figures: impl Fn(&ModelRow) -> Compared,
) -> Table {
    let header: Vec<&str> =
        std::iter::once("").chain(columns.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new(title, header).narrow();
    // The best of a column, unless all are alike.
    let best = |key: &str| {
        let ours = || rows.iter().filter_map(|row| figures(row).mean.get(key).copied());
        let (least, most) =
            (ours().fold(f64::INFINITY, f64::min), ours().fold(f64::NEG_INFINITY, f64::max));
        (least < most).then_some(if ERRORS.contains(&key) { least } else { most })
    };
    for row in rows {
        let compared = figures(row);
        table.push(line(&row.name(), columns, &compared.mean, score));
        for (column, (_, key)) in columns.iter().enumerate() {
            if best(key).is_some_and(|best| compared.mean.get(*key) == Some(&best)) {
                table.mark_best(column + 1);
            }
        }
        if !compared.paper.is_empty() {
            table.push(line("  paper", columns, &compared.paper, hundredths));
            table.push(line("  difference", columns, &compared.difference, hundredths));
        }
    }
    table
}

fn line(
    name: &str,
    columns: &[(&str, &str)],
    figures: &Figures,
    shown: impl Fn(Option<f64>) -> String,
) -> Vec<String> {
    let cells = columns.iter().map(|(_, key)| shown(figures.get(*key).copied()));
    std::iter::once(name.to_string()).chain(cells).collect()
}

fn records(rows: &[ModelRow]) -> Records {
    let figures = COLUMNS.iter().map(|(_, key)| *key).chain(Value::ALL.map(Value::name));
    let keys: Vec<&str> = figures.collect();
    let header: Vec<&str> =
        ["version", "row", "title", "seeds", "what"].into_iter().chain(keys.clone()).collect();
    let line = |row: &ModelRow, what: &str, table2: &Figures, table3: &Figures| {
        let seeds = row.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
        let figure = |key: &&str| {
            table2.get(*key).or(table3.get(*key)).map_or(String::new(), f64::to_string)
        };
        let head = [row.version, row.row, row.title]
            .map(String::from)
            .into_iter()
            .chain([seeds, what.into()]);
        head.chain(keys.iter().map(figure)).collect::<Vec<_>>()
    };
    Records::new(
        header,
        rows.iter().flat_map(|row| {
            let (two, three) = (&row.table2, &row.table3);
            let mut lines = vec![line(row, "mean", &two.mean, &three.mean)];
            if let (Some(two), Some(three)) = (&two.sd, &three.sd) {
                lines.push(line(row, "sd", two, three));
            }
            if !(two.paper.is_empty() && three.paper.is_empty()) {
                lines.push(line(row, "paper", &two.paper, &three.paper));
            }
            lines
        }),
    )
}
