//! The paper's Tables 2 and 3: ours beside the paper's, with the difference.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Format;
use super::dataset::pretty;
use super::table::{Table, csv, score};
use crate::error::{Error, Result};
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

/// The columns of Table 2, (name in tables, name in JSON and CSV).
const COLUMNS: [(&str, &str); 12] = [
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
const ERRORS: [&str; 2] = ["mse", "class_mse"];

/// Figures by the names of [`COLUMNS`], or accuracies by the names of values.
type Figures = BTreeMap<String, f64>;

/// What the paper prints.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// Where it prints it.
    pub source: String,
    /// Table 2: the figures of a title, by version.
    pub table2: BTreeMap<String, BTreeMap<String, Figures>>,
    /// Table 3: the accuracies for each value, by version.
    pub table3: BTreeMap<String, BTreeMap<String, Figures>>,
}

impl Paper {
    /// Reads the figures from JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(json: &str) -> Result<Self, String> {
        let paper: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let known = |table: &BTreeMap<String, BTreeMap<String, Figures>>, is_known: &dyn Fn(&str) -> bool| {
            let names = table.values().flat_map(BTreeMap::values).flat_map(BTreeMap::keys);
            match names.into_iter().find(|name| !is_known(name)) {
                Some(name) => Err(format!("\"{name}\" is no column of that table")),
                None => Ok(()),
            }
        };
        known(&paper.table2, &|name| COLUMNS.iter().any(|(_, key)| *key == name))?;
        known(&paper.table3, &|name| Value::ALL.iter().any(|value| value.name() == name))?;
        Ok(paper)
    }
}

/// A table's worth of figures for one entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Compared {
    mean: Figures,
    /// The standard deviation over seeds, if there are several.
    sd: Option<Figures>,
    paper: Figures,
    /// Ours less the paper's.
    difference: Figures,
}

impl Compared {
    fn of(reports: &[Figures], paper: Option<&Figures>) -> Self {
        let mean_of = |key: &String| {
            let numbers: Vec<f64> = reports.iter().filter_map(|report| report.get(key).copied()).collect();
            (key.clone(), Mean::of(&numbers))
        };
        let means: BTreeMap<String, Mean> = reports.iter().flat_map(BTreeMap::keys).map(mean_of).collect();
        let mean: Figures = means.iter().map(|(key, of)| (key.clone(), of.mean)).collect();
        let deviations = || means.iter().filter_map(|(key, of)| Some((key.clone(), of.sd?)));
        let sd = (reports.len() > 1).then(|| deviations().collect());
        let paper = paper.cloned().unwrap_or_default();
        let beside = paper.iter().filter_map(|(key, theirs)| Some((key.clone(), mean.get(key)? - theirs)));
        let difference = beside.collect();
        Self { mean, sd, paper, difference }
    }
}

/// An entry beside the paper, as JSON shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row<'a> {
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

impl<'a> Row<'a> {
    fn of(entry: &'a Entry, paper: &'a Paper) -> Self {
        let slice = |name: &str| -> Vec<Figures> {
            let slices = entry.reports.iter().map(|(_, report)| report.slices.iter());
            slices.filter_map(|mut slices| slices.find(|slice| slice.name == name)).map(table2).collect()
        };
        let by_value = |(_, report): &(u64, Evaluation)| {
            let of_value = |value: &Value| report.slices.iter().find(|slice| slice.name == value.name());
            let values = Value::ALL.iter().filter_map(of_value);
            values.map(|slice| (slice.name.clone(), slice.accuracy)).collect::<Figures>()
        };
        let theirs = |table: &'a BTreeMap<String, BTreeMap<String, Figures>>| {
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
        let (class, suffix) = (&slice.classes[label.index()], ["no", "unrelated", "yes"][label.index()]);
        [("f1", class.f1), ("precision", class.precision), ("recall", class.recall)]
            .map(|(name, figure)| (format!("{name}_{suffix}"), figure))
    };
    let whole = [("accuracy", slice.accuracy), ("mse", slice.mse), ("class_mse", slice.class_mse)];
    let whole = whole.map(|(name, figure)| (name.to_string(), figure));
    Label::ALL.into_iter().flat_map(of_class).chain(whole).collect()
}

/// Both tables for each version that occurs, in one of the formats.
///
/// # Errors
/// If it cannot be written.
pub fn render(entries: &[Entry], paper: &Paper, format: Format) -> Result<String> {
    let rows: Vec<Row> = entries.iter().map(|entry| Row::of(entry, paper)).collect();
    match format {
        Format::Table => Ok(tables(&rows).iter().map(Table::text).collect::<Vec<_>>().join("\n") + NOTE),
        Format::Markdown => {
            Ok(tables(&rows).iter().map(Table::markdown).collect::<Vec<_>>().join("\n") + NOTE)
        }
        Format::Latex => Ok(tables(&rows).iter().map(Table::latex).collect::<Vec<_>>().join("\n")),
        Format::Json => {
            let rows = serde_json::to_value(&rows).map_err(Error::failure_because("cannot write JSON"))?;
            pretty(&serde_json::json!({"paper": paper.source, "rows": rows}))
        }
        Format::Csv => csv_of(&rows),
    }
}

const NOTE: &str = "\n\
Each figure is the mean over seeds (×N); the best of each column is marked. MSE\n\
is that of the utility, cMSE that of the predicted class, by which classifiers\n\
are compared with the paper's. A dash: not printed, or not on hand.\n";

fn tables(rows: &[Row]) -> Vec<Table> {
    let mut versions: Vec<&str> = Vec::new();
    for row in rows {
        if !versions.contains(&row.version) {
            versions.push(row.version);
        }
    }
    let values: Vec<(&str, &str)> = SHORT.iter().copied().zip(Value::ALL.map(Value::name)).collect();
    let tables = versions.iter().flat_map(|version| {
        let of_version: Vec<&Row> = rows.iter().filter(|row| row.version == *version).collect();
        let unseen = |row: &Row| Compared { paper: Figures::new(), ..row.unseen_texts.clone() };
        [
            table(format!("Table 2, {version}"), &COLUMNS, &of_version, |row| row.table2.clone()),
            table(format!("Table 2, {version}, texts unseen in training"), &COLUMNS, &of_version, unseen),
            table(format!("Table 3, {version}: accuracy"), &values, &of_version, |row| row.table3.clone()),
        ]
    });
    tables.collect()
}

const SHORT: [&str; Value::COUNT] = ["SEC", "POW", "ACH", "HED", "STI", "SD", "UNI", "BEN", "CON", "TRA"];

/// A table of ours, and below each row what the paper prints, where it prints anything, and the difference.
fn table(
    title: String,
    columns: &[(&str, &str)],
    rows: &[&Row],
    figures: impl Fn(&Row) -> Compared,
) -> Table {
    let header: Vec<&str> = std::iter::once("").chain(columns.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new(title, header).narrow();
    // The best of a column, unless all are alike.
    let best = |key: &str| {
        let ours = || rows.iter().filter_map(|row| figures(row).mean.get(key).copied());
        let (least, most) = (ours().fold(f64::INFINITY, f64::min), ours().fold(f64::NEG_INFINITY, f64::max));
        (least < most).then_some(if ERRORS.contains(&key) { least } else { most })
    };
    let line = |name: String, figures: &Figures| {
        let cells = columns.iter().map(|(_, key)| score(figures.get(*key).copied()));
        std::iter::once(name).chain(cells).collect::<Vec<_>>()
    };
    for row in rows {
        let compared = figures(row);
        table.push(line(row.name(), &compared.mean));
        for (column, (_, key)) in columns.iter().enumerate() {
            if best(key).is_some_and(|best| compared.mean.get(*key) == Some(&best)) {
                table.mark_best(column + 1);
            }
        }
        if !compared.paper.is_empty() {
            table.push(line("  paper".into(), &compared.paper));
            table.push(line("  difference".into(), &compared.difference));
        }
    }
    table
}

fn csv_of(rows: &[Row]) -> Result<String> {
    let figures = COLUMNS.iter().map(|(_, key)| *key).chain(Value::ALL.map(Value::name));
    let keys: Vec<&str> = figures.collect();
    let header: Vec<&str> =
        ["version", "row", "title", "seeds", "what"].into_iter().chain(keys.clone()).collect();
    let line = |row: &Row, what: &str, table2: &Figures, table3: &Figures| {
        let seeds = row.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
        let figure = |key: &&str| table2.get(*key).or(table3.get(*key)).map_or(String::new(), f64::to_string);
        let head =
            [row.version, row.row, row.title].map(String::from).into_iter().chain([seeds, what.into()]);
        head.chain(keys.iter().map(figure)).collect::<Vec<_>>()
    };
    csv(
        &header,
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
