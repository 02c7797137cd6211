//! What a model without text would score: the labels of the train split, value by value.

use serde::{Deserialize, Serialize};

use super::scored::Scored;
use crate::value::{Label, LabelCounts};

/// The scores of the trivial baselines on some rows.
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
