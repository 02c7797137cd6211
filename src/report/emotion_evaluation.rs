//! A classifier's evaluation, as the paper's Table 5 has it, and its predictions one by one.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::dialogue_evaluation::{mean_and_sd, shown};
use super::table::{Table, count, number, score};
use super::{Records, Report};
use crate::error::{Error, Result};
use crate::eval::classes::ClassEvaluation;
use crate::eval::dialogue::Estimate;
use crate::eval::{Bootstrap, Mean};

/// A text, and what the model says of it: a line of `eval/<name>.predictions.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmotionRow {
    /// The line of the text in its file.
    pub line: u64,
    /// The name of its conversation, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The text.
    pub text: String,
    /// Its label.
    pub label: String,
    /// The most probable label.
    pub predicted: String,
    /// The place of its label among all, the most probable first; from 1.
    pub rank: usize,
    /// The negative logarithm of its label's probability, in nats.
    pub nll: f64,
}

/// Rows as JSON Lines.
///
/// # Errors
/// If a row cannot be written.
pub fn emotion_rows(rows: &[EmotionRow]) -> Result<String> {
    let line = |row: &EmotionRow| serde_json::to_string(row).map(|line| line + "\n");
    let lines: serde_json::Result<String> = rows.iter().map(line).collect();
    lines.map_err(Error::failure_because("cannot write JSON"))
}

/// Reads what [`emotion_rows`] wrote.
///
/// # Errors
/// If the file cannot be read, or a line is no such row; it names the line.
pub fn read_emotion_rows(path: &Path) -> Result<Vec<EmotionRow>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, "read", error))?;
    let row = |(line, number): (&str, u64)| {
        serde_json::from_str(line)
            .map_err(|error| Error::row(path, number, format!("not a prediction: {error}")))
    };
    text.lines().zip(1..).map(row).collect()
}

/// The evaluation of a classifier, with what it was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmotionReport {
    /// The model's folder.
    pub model: String,
    /// The data file.
    pub data: String,
    /// The name of the split, or of the file.
    pub split: String,
    /// In which precision the model computed.
    pub dtype: String,
    /// What it saw beside texts, in words: `without values`, `with the values of …`.
    pub values: String,
    /// How the intervals were made, if they were.
    pub bootstrap: Option<Bootstrap>,
    /// The numbers.
    #[serde(flatten)]
    pub evaluation: ClassEvaluation,
}

/// A figure: its name in tables, its key, its factor there, and where it is.
pub(super) type Column = (&'static str, &'static str, f64, fn(&ClassEvaluation) -> Estimate);

/// The figures. Table 5 has the first.
pub(super) const COLUMNS: [Column; 5] = [
    ("accuracy", "accuracy", 100.0, |it| it.accuracy),
    ("macro F1", "macro_f1", 100.0, |it| it.macro_f1),
    ("top 3", "top_3", 100.0, |it| it.top_3),
    ("top 5", "top_5", 100.0, |it| it.top_5),
    ("loss", "loss", 1.0, |it| it.loss),
];

/// The figures of an evaluation as tables show them.
pub(super) fn figures(evaluation: &ClassEvaluation) -> impl Iterator<Item = String> + '_ {
    COLUMNS.iter().map(|(_, _, factor, figure)| shown(figure(evaluation).times(*factor)))
}

/// The names of the figures.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(name, ..)| *name)
}

impl EmotionReport {
    fn scores(&self) -> Table {
        let Self { model, split, dtype, evaluation, .. } = self;
        let title = format!("{split} · {} texts · {model}", count(evaluation.rows as u64));
        let mut table = Table::new(title, std::iter::once("").chain(names()));
        table.push(std::iter::once(dtype.clone()).chain(figures(evaluation)));
        let majority = 100.0 * evaluation.majority;
        let labels = evaluation.classes.len();
        let mut note = format!(
            "In percent, but for the loss. {labels} labels; the most frequent one alone is right \
             in {majority:.1}%.\nThe model classifies {}.\n",
            self.values
        );
        if self.bootstrap.is_some() {
            note += "In brackets 95% bootstrap intervals over texts.\n";
        }
        table.note(note)
    }

    /// The scores of each label, and what it is most often taken for.
    fn classes(&self) -> Table {
        let header = ["label", "texts", "precision", "recall", "F1", "taken for"];
        let mut table = Table::new("each label", header).left(5);
        for (row, class) in self.evaluation.classes.iter().enumerate() {
            let scores = class.scores;
            let taken = match self.taken_for(row) {
                Some((other, times)) => format!("{other} ({})", count(times)),
                None => String::new(),
            };
            let shares = [scores.precision, scores.recall, scores.f1].map(score);
            let head = [class.label.clone(), count(scores.support)];
            table.push(head.into_iter().chain(shares).chain([taken]));
        }
        table
    }

    /// The label that a label's texts are most often taken for, if they ever are, and how often.
    fn taken_for(&self, row: usize) -> Option<(&str, u64)> {
        let evaluation = &self.evaluation;
        let counts = evaluation.confusion[row].iter().enumerate();
        let others = counts.filter(|(column, times)| *column != row && **times > 0);
        let (column, times) = others.rev().max_by_key(|(_, times)| **times)?;
        Some((evaluation.classes[column].label.as_str(), *times))
    }
}

impl Report for EmotionReport {
    fn tables(&self) -> Vec<Table> {
        vec![self.scores(), self.classes()]
    }

    /// A row of all texts with the figures, and one of each label with its scores.
    fn records(&self) -> Records {
        let names = COLUMNS.iter().map(|(_, key, ..)| key);
        let names = names.flat_map(|key| ["", "_low", "_high"].map(|end| format!("{key}{end}")));
        let of_labels = ["precision", "recall", "f1"].map(String::from);
        let header = ["split", "slice", "texts"].map(String::from);
        let header: Vec<String> = header.into_iter().chain(names).chain(of_labels).collect();
        let figures = COLUMNS.iter().flat_map(|(.., figure)| {
            let found = figure(&self.evaluation);
            let (low, high) = (found.interval.map(|it| it.low), found.interval.map(|it| it.high));
            [Some(found.value), low, high].map(number)
        });
        let row = |slice: &str, texts: u64, figures: Vec<String>, scores: Vec<String>| {
            let head = [self.split.clone(), slice.to_string(), texts.to_string()];
            head.into_iter().chain(figures).chain(scores).collect::<Vec<_>>()
        };
        let blank = |cells: usize| vec![String::new(); cells];
        let all = row("all", self.evaluation.rows as u64, figures.collect(), blank(3));
        let labels = self.evaluation.classes.iter().map(|class| {
            let scores = class.scores;
            let shares = [scores.precision, scores.recall, scores.f1].map(number);
            row(&class.label, scores.support, blank(3 * COLUMNS.len()), shares.into())
        });
        let rows: Vec<Vec<String>> = std::iter::once(all).chain(labels).collect();
        Records::new(header, rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        serde_json::to_value(self)
    }
}

/// The evaluations of one recipe under several seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct EmotionSeeds {
    /// The folder of the runs.
    pub folder: String,
    /// Each seed with its report; all are of the same rows.
    pub reports: Vec<(u64, EmotionReport)>,
}

impl EmotionSeeds {
    /// The mean of a figure in its unit of tables.
    fn mean(&self, (_, _, factor, figure): &Column) -> Mean {
        let of_report =
            |(_, report): &(u64, EmotionReport)| factor * figure(&report.evaluation).value;
        Mean::of(&self.reports.iter().map(of_report).collect::<Vec<_>>())
    }

    /// What the means are of.
    pub(super) fn title(&self) -> String {
        let seeds: Vec<String> = self.reports.iter().map(|(seed, _)| seed.to_string()).collect();
        format!("{} · mean ± sd over seeds {}", self.folder, seeds.join(", "))
    }

    /// The means as tables show them.
    pub(super) fn cells(&self) -> impl Iterator<Item = String> + '_ {
        COLUMNS.iter().map(|column| mean_and_sd(self.mean(column), false))
    }

    fn texts(&self) -> usize {
        self.reports.first().map_or(0, |(_, report)| report.evaluation.rows)
    }
}

impl Report for EmotionSeeds {
    fn tables(&self) -> Vec<Table> {
        let header = ["", "texts"].into_iter().chain(names());
        let mut table = Table::new(self.title(), header);
        let head = ["all".to_string(), count(self.texts() as u64)];
        table.push(head.into_iter().chain(self.cells()));
        let values = self.reports.first().map(|(_, report)| report.values.clone());
        let values = values.unwrap_or_default();
        vec![table.note(format!("In percent, but for the loss. Classified {values}.\n"))]
    }

    fn records(&self) -> Records {
        let names = COLUMNS.iter().flat_map(|(_, key, ..)| [key.to_string(), format!("{key}_sd")]);
        let header = ["folder", "texts"].map(String::from).into_iter().chain(names);
        let cells = COLUMNS.iter().flat_map(|column| {
            let (Mean { mean, sd }, factor) = (self.mean(column), column.2);
            [Some(mean / factor), sd.map(|sd| sd / factor)].map(number)
        });
        let head = [self.folder.clone(), self.texts().to_string()];
        Records::new(header, [head.into_iter().chain(cells).collect::<Vec<_>>()])
    }

    fn json(&self) -> serde_json::Result<Json> {
        let reports = self.reports.iter().map(|(seed, report)| {
            Ok(json!({ "seed": seed, "report": serde_json::to_value(report)? }))
        });
        let reports: Vec<Json> = reports.collect::<serde_json::Result<_>>()?;
        Ok(json!({ "folder": self.folder, "seeds": reports }))
    }
}
