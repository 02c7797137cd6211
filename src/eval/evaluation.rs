//! The whole report on a split: all rows, those with texts unseen in training, and each value's.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::bootstrap::{Bootstrap, Interval};
use super::confusion::{ClassScores, Confusion};
use super::figures::{Figure, Measured, Scored};
use crate::error::{Error, Result};
use crate::value::{Label, LabelCounts, Value};

/// The scores of one label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelScores {
    /// The label as a number: -1, 0 or 1.
    pub label: i8,
    /// Its scores.
    #[serde(flatten)]
    pub scores: ClassScores,
}

impl LabelScores {
    fn of(confusion: &Confusion<{ Label::COUNT }>) -> [Self; Label::COUNT] {
        let classes = confusion.classes();
        Label::ALL.map(|label| Self { label: label.number(), scores: classes[label.index()] })
    }
}

/// What a model without text would score on some rows: the labels of the train split, value by
/// value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Accuracy of each value's most frequent train label.
    pub accuracy: f64,
    /// Mean squared error of each value's mean train label.
    pub mse: f64,
}

impl Baseline {
    /// The baselines' scores on `rows`. A value that the train split does not have is judged by all
    /// of it.
    pub fn of(rows: &[&Scored], train: &LabelCounts) -> Self {
        let (mut hits, mut squares) = (0, 0.0);
        for row in rows {
            let counts = match train.of_value(row.value) {
                [0, 0, 0] => train.total(),
                counts => counts,
            };
            hits += u64::from(majority(&counts) == row.label);
            squares += (mean(&counts) - f64::from(row.label.number())).powi(2);
        }
        let count = rows.len() as f64;
        Self { accuracy: hits as f64 / count, mse: squares / count }
    }
}

/// The most frequent label; of equally frequent ones the lowest.
fn majority(counts: &[u64; Label::COUNT]) -> Label {
    Label::ALL
        .into_iter()
        .rev()
        .max_by_key(|label| counts[label.index()])
        .unwrap_or(Label::Unrelated)
}

fn mean(counts: &[u64; Label::COUNT]) -> f64 {
    let sum: f64 = Label::ALL
        .iter()
        .map(|label| f64::from(label.number()) * counts[label.index()] as f64)
        .sum();
    sum / counts.iter().sum::<u64>().max(1) as f64
}

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
    /// The mean squared error of the predicted class as a number, which classifiers are compared
    /// by.
    pub class_mse: f64,
    /// The mean absolute error of the utility.
    pub mae: f64,
    /// Pearson's correlation of utility and label; none if one does not vary.
    pub pearson: Option<f64>,
    /// Spearman's rank correlation of utility and label; none if one does not vary.
    pub spearman: Option<f64>,
    /// Cohen's kappa of label and class with quadratic weights; none if neither varies.
    pub quadratic_kappa: Option<f64>,
    /// The share of rows with the label -1 and the class +1, or the other way round.
    pub opposed: f64,
    /// The area under the ROC curve of telling +1 from -1 by the utility; none if one of them does
    /// not occur.
    pub sign_auc: Option<f64>,
    /// Precision, recall and F1 of the classes -1, 0 and +1.
    pub classes: [LabelScores; Label::COUNT],
    /// Rows are labels, columns predicted classes, in the order -1, 0, +1.
    pub confusion: Confusion<{ Label::COUNT }>,
    /// What the trivial baselines score on the same rows, if the train split's labels are known.
    pub baseline: Option<Baseline>,
    /// The 95% interval of each figure, by name, if they were computed; those without meaning are
    /// left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<String, Interval>,
}

impl Slice {
    /// The report on rows, of which there is at least one.
    fn of(name: &str, rows: &[&Scored], train: Option<&LabelCounts>) -> Self {
        let (measured, weights) = (Measured::new(rows), vec![1; rows.len()]);
        let confusion = measured.confusion(&weights);
        let figures = measured.figures(&weights);
        let figure =
            |wanted: Figure| Figure::ALL.iter().zip(figures).find(|(figure, _)| **figure == wanted);
        let number = |wanted: Figure| figure(wanted).map_or(f64::NAN, |(_, number)| number);
        let optional = |wanted: Figure| Some(number(wanted)).filter(|number| !number.is_nan());
        Self {
            name: name.into(),
            rows: rows.len(),
            accuracy: number(Figure::Accuracy),
            macro_f1: number(Figure::MacroF1),
            weighted_f1: number(Figure::WeightedF1),
            mse: number(Figure::Mse),
            class_mse: number(Figure::ClassMse),
            mae: number(Figure::Mae),
            pearson: optional(Figure::Pearson),
            spearman: optional(Figure::Spearman),
            quadratic_kappa: optional(Figure::QuadraticKappa),
            opposed: number(Figure::Opposed),
            sign_auc: optional(Figure::SignAuc),
            classes: LabelScores::of(&confusion),
            confusion,
            baseline: train.map(|train| Baseline::of(rows, train)),
            intervals: BTreeMap::new(),
        }
    }
}

/// Which rows a slice has.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) rows: Vec<usize>,
}

/// The slices of some rows that are not empty: all, unseen texts, each value.
pub(super) fn parts(rows: &[Scored]) -> Vec<Part> {
    let of = |name, is_in: &dyn Fn(&Scored) -> bool| Part {
        name,
        rows: (0..rows.len()).filter(|&row| is_in(&rows[row])).collect(),
    };
    let whole = [of("all", &|_| true), of("unseen", &|row| row.seen == Some(false))];
    let values = Value::ALL.map(|value| of(value.name(), &|row| row.value == value));
    whole.into_iter().chain(values).filter(|part| !part.rows.is_empty()).collect()
}

/// The report on a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// All rows first, then those with unseen texts, then the values'. Slices without rows are
    /// left out.
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
        let slice = |part: &Part| {
            let rows: Vec<&Scored> = part.rows.iter().map(|&row| &rows[row]).collect();
            Slice::of(part.name, &rows, train)
        };
        Ok(Self { slices: parts(rows).iter().map(slice).collect() })
    }

    /// The same report with an interval for every figure.
    pub fn with_intervals(mut self, rows: &[Scored], bootstrap: Bootstrap) -> Self {
        let parts = parts(rows);
        let measured: Vec<Measured> = parts
            .iter()
            .map(|part| Measured::new(&part.rows.iter().map(|&row| &rows[row]).collect::<Vec<_>>()))
            .collect();
        // (replicates, slices, figures)
        let replicates: Vec<Vec<[f64; Figure::COUNT]>> = bootstrap.run(rows, |weights| {
            let of_part = |(part, measured): (&Part, &Measured)| {
                measured.figures(&part.rows.iter().map(|&row| weights[row]).collect::<Vec<_>>())
            };
            parts.iter().zip(&measured).map(of_part).collect()
        });
        self.slices.par_iter_mut().enumerate().for_each(|(number, slice)| {
            let interval = |(place, figure): (usize, &Figure)| {
                let column = replicates.iter().map(|slices| slices[number][place]).collect();
                Some((figure.name(), Interval::of(column)?))
            };
            slice.intervals = Figure::ALL.iter().enumerate().filter_map(interval).collect();
        });
        self
    }

    /// The report on all rows.
    pub fn all(&self) -> &Slice {
        &self.slices[0]
    }
}
