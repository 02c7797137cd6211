//! The confusion of labels with predicted classes, and what follows from it.
//!
//! Where a quotient has no meaning, because a class is never predicted or never true, it counts as
//! 0, as scikit-learn's `zero_division=0`. Macro averages are over all three classes, present or
//! not.

use serde::{Deserialize, Serialize};

use crate::value::Label;

/// How often each label (rows) was predicted as each class (columns), both in the order -1, 0, +1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confusion([[u64; Label::COUNT]; Label::COUNT]);

/// The scores of one class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// The class as a number: -1, 0 or 1.
    pub label: i8,
    /// Of what was predicted as this class, the share that is.
    pub precision: f64,
    /// Of what is this class, the share that was predicted so.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
    /// How many rows are of this class.
    pub support: u64,
}

impl Confusion {
    /// Counts rows: (label, predicted class, how often the row counts).
    pub fn of(rows: impl IntoIterator<Item = (Label, Label, u32)>) -> Self {
        let mut counts = Self::default();
        for (label, predicted, weight) in rows {
            counts.0[label.index()][predicted.index()] += u64::from(weight);
        }
        counts
    }

    /// The counts: rows are labels, columns predictions.
    pub fn counts(&self) -> &[[u64; Label::COUNT]; Label::COUNT] {
        &self.0
    }

    /// The number of rows.
    pub fn total(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    /// The scores of a class.
    pub fn class(&self, label: Label) -> ClassScores {
        let class = label.index();
        let hits = self.0[class][class];
        let support: u64 = self.0[class].iter().sum();
        let predicted: u64 = self.0.iter().map(|row| row[class]).sum();
        ClassScores {
            label: label.number(),
            precision: share(hits, predicted),
            recall: share(hits, support),
            f1: share(2 * hits, support + predicted),
            support,
        }
    }

    /// The scores of the classes -1, 0 and +1.
    pub fn classes(&self) -> [ClassScores; Label::COUNT] {
        Label::ALL.map(|label| self.class(label))
    }

    /// The share of rows predicted as what they are.
    pub fn accuracy(&self) -> f64 {
        share((0..Label::COUNT).map(|class| self.0[class][class]).sum(), self.total())
    }

    /// The mean of `(predicted - label)²`, both as numbers.
    pub fn mean_squared_error(&self) -> f64 {
        let of_cell = |(label, predicted): (usize, usize)| {
            (label.abs_diff(predicted).pow(2) as u64) * self.0[label][predicted]
        };
        let cells =
            (0..Label::COUNT).flat_map(|label| (0..Label::COUNT).map(move |other| (label, other)));
        share(cells.map(of_cell).sum(), self.total())
    }

    /// Cohen's kappa with quadratic weights: how far labels and classes agree beyond chance, where
    /// -1 for +1 is four times as wrong as 0. None if neither varies.
    pub fn quadratic_kappa(&self) -> Option<f64> {
        let total = self.total() as f64;
        let labels: Vec<u64> = self.0.iter().map(|row| row.iter().sum()).collect();
        let classes: Vec<u64> =
            (0..Label::COUNT).map(|class| self.0.iter().map(|row| row[class]).sum()).collect();
        let (mut observed, mut expected) = (0.0, 0.0);
        for (i, row) in self.0.iter().enumerate() {
            for (j, count) in row.iter().enumerate() {
                let distance = i.abs_diff(j).pow(2) as f64;
                observed += distance * *count as f64;
                expected += distance * labels[i] as f64 * classes[j] as f64 / total;
            }
        }
        (expected > 0.0).then(|| 1.0 - observed / expected)
    }

    /// The share of rows of which the label is -1 and the class +1, or the other way round.
    pub fn opposed(&self) -> f64 {
        let last = Label::COUNT - 1;
        share(self.0[0][last] + self.0[last][0], self.total())
    }

    /// The mean F1 of the three classes.
    pub fn macro_f1(&self) -> f64 {
        self.classes().iter().map(|class| class.f1).sum::<f64>() / Label::COUNT as f64
    }

    /// The mean F1 of the three classes, each weighted by its support.
    pub fn weighted_f1(&self) -> f64 {
        let weighted: f64 =
            self.classes().iter().map(|class| class.f1 * class.support as f64).sum();
        weighted / self.total().max(1) as f64
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
