//! The whole report on a split: all rows, those with texts unseen in training, and each value's.

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::confusion::{ClassScores, Confusion};
use super::regression::{mean_absolute_error, mean_squared_error, pearson, spearman};
use super::scored::Scored;
use crate::error::{Error, Result};
use crate::value::{Label, LabelCounts, Value};

/// The report on some rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// `all`, `unseen`, or the name of a value.
    pub name: String,
    /// The number of rows.
    pub rows: usize,
    /// The share of rows whose predicted class is their label.
    pub accuracy: f64,
    /// The mean F1 of the three classes.
    pub macro_f1: f64,
    /// The mean F1 of the three classes, weighted by support.
    pub weighted_f1: f64,
    /// The mean squared error of the utility.
    pub mse: f64,
    /// The mean squared error of the predicted class as a number, which classifiers are compared by.
    pub class_mse: f64,
    /// The mean absolute error of the utility.
    pub mae: f64,
    /// Pearson's correlation of utility and label; none if one does not vary.
    pub pearson: Option<f64>,
    /// Spearman's rank correlation of utility and label; none if one does not vary.
    pub spearman: Option<f64>,
    /// Precision, recall and F1 of the classes -1, 0 and +1.
    pub classes: [ClassScores; Label::COUNT],
    /// Rows are labels, columns predicted classes, in the order -1, 0, +1.
    pub confusion: Confusion,
    /// What the trivial baselines score on the same rows, if the train split's labels are known.
    pub baseline: Option<Baseline>,
}

impl Slice {
    /// The report on rows that may not be none.
    fn of(name: &str, rows: &[&Scored], train: Option<&LabelCounts>) -> Self {
        let confusion = Confusion::of(rows.iter().map(|row| (row.label, row.class)));
        let pairs: Vec<(f64, f64)> =
            rows.iter().map(|row| (row.utility, f64::from(row.label.number()))).collect();
        Self {
            name: name.into(),
            rows: rows.len(),
            accuracy: confusion.accuracy(),
            macro_f1: confusion.macro_f1(),
            weighted_f1: confusion.weighted_f1(),
            mse: mean_squared_error(&pairs),
            class_mse: confusion.mean_squared_error(),
            mae: mean_absolute_error(&pairs),
            pearson: pearson(&pairs),
            spearman: spearman(&pairs),
            classes: confusion.classes(),
            confusion,
            baseline: train.map(|train| Baseline::of(rows, train)),
        }
    }
}

/// The report on a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// All rows first, then those with unseen texts, then the values'. Slices without rows are left out.
    pub slices: Vec<Slice>,
}

impl Evaluation {
    /// Judges predictions; `train` are the label counts of the train split, if known.
    ///
    /// # Errors
    /// If there are no rows.
    pub fn of(rows: &[Scored], train: Option<&LabelCounts>) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::failure("there is nothing to evaluate"));
        }
        let values = Value::ALL.map(|value| (value.name(), rows_with(rows, |row| row.value == value)));
        let all = ("all", rows_with(rows, |_| true));
        let unseen = ("unseen", rows_with(rows, |row| row.seen == Some(false)));
        let slices = [all, unseen].into_iter().chain(values).filter(|(_, rows)| !rows.is_empty());
        Ok(Self { slices: slices.map(|(name, rows)| Slice::of(name, &rows, train)).collect() })
    }

    /// The report on all rows.
    pub fn all(&self) -> &Slice {
        &self.slices[0]
    }
}

fn rows_with(rows: &[Scored], wanted: impl Fn(&Scored) -> bool) -> Vec<&Scored> {
    rows.iter().filter(|row| wanted(row)).collect()
}
