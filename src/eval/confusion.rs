//! The confusion of labels with predicted classes, and what follows from it.
//!
//! Classes are indices from 0 to `N - 1`; what they stand for is their owner's. Where a quotient
//! has no meaning, because a class is never predicted or never true, it counts as 0, as
//! scikit-learn's `zero_division=0`. Macro averages are over all classes, present or not.

use serde::{Deserialize, Serialize};

/// How often each label (rows) was predicted as each class (columns).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<u64>>", into = "Vec<Vec<u64>>")]
pub struct Confusion<const N: usize>([[u64; N]; N]);

/// The scores of one class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Of what was predicted as this class, the share that is.
    pub precision: f64,
    /// Of what is this class, the share that was predicted so.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
    /// How many rows are of this class.
    pub support: u64,
}

impl ClassScores {
    /// The scores of a class of which `hits` rows were found, among `support` that there are and
    /// `predicted` that were taken for it.
    pub(super) fn of(hits: u64, support: u64, predicted: u64) -> Self {
        Self {
            precision: share(hits, predicted),
            recall: share(hits, support),
            f1: share(2 * hits, support + predicted),
            support,
        }
    }
}

impl<const N: usize> Confusion<N> {
    /// Counts rows: (label, predicted class, how often the row counts), both below `N`.
    pub fn of(rows: impl IntoIterator<Item = (usize, usize, u32)>) -> Self {
        let mut counts = [[0; N]; N];
        for (label, predicted, weight) in rows {
            counts[label][predicted] += u64::from(weight);
        }
        Self(counts)
    }

    /// The counts: rows are labels, columns predictions.
    pub fn counts(&self) -> &[[u64; N]; N] {
        &self.0
    }

    /// The number of rows.
    pub fn total(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    /// How many rows have each label.
    pub fn labels(&self) -> [u64; N] {
        self.0.map(|row| row.iter().sum())
    }

    /// How many rows were predicted as each class.
    pub fn predictions(&self) -> [u64; N] {
        std::array::from_fn(|class| self.0.iter().map(|row| row[class]).sum())
    }

    /// The scores of each class.
    pub fn classes(&self) -> [ClassScores; N] {
        let (labels, predictions) = (self.labels(), self.predictions());
        std::array::from_fn(|class| {
            ClassScores::of(self.0[class][class], labels[class], predictions[class])
        })
    }

    /// The share of rows predicted as what they are.
    pub fn accuracy(&self) -> f64 {
        share((0..N).map(|class| self.0[class][class]).sum(), self.total())
    }

    /// The share of the most frequent label: the accuracy of always predicting it.
    pub fn majority(&self) -> f64 {
        share(self.labels().into_iter().max().unwrap_or(0), self.total())
    }

    /// The mean F1 of the classes.
    pub fn macro_f1(&self) -> f64 {
        self.classes().iter().map(|class| class.f1).sum::<f64>() / N as f64
    }

    /// The mean F1 of the classes, each weighted by its support.
    pub fn weighted_f1(&self) -> f64 {
        let weighted: f64 =
            self.classes().iter().map(|class| class.f1 * class.support as f64).sum();
        weighted / self.total().max(1) as f64
    }
}

/// For classes in an order, neighbours of which are one apart.
impl<const N: usize> Confusion<N> {
    /// The mean of `(predicted - label)²`, both as indices.
    pub fn mean_squared_error(&self) -> f64 {
        let of_cell = |(label, predicted): (usize, usize)| {
            (label.abs_diff(predicted).pow(2) as u64) * self.0[label][predicted]
        };
        let cells = (0..N).flat_map(|label| (0..N).map(move |other| (label, other)));
        share(cells.map(of_cell).sum(), self.total())
    }

    /// Cohen's kappa with quadratic weights: how far labels and classes agree beyond chance, where
    /// two classes apart is four times as wrong as one. None if neither varies.
    pub fn quadratic_kappa(&self) -> Option<f64> {
        let total = self.total() as f64;
        let (labels, predictions) = (self.labels(), self.predictions());
        let (mut observed, mut expected) = (0.0, 0.0);
        for (i, row) in self.0.iter().enumerate() {
            for (j, count) in row.iter().enumerate() {
                let distance = i.abs_diff(j).pow(2) as f64;
                observed += distance * *count as f64;
                expected += distance * labels[i] as f64 * predictions[j] as f64 / total;
            }
        }
        (expected > 0.0).then(|| 1.0 - observed / expected)
    }

    /// The share of rows of which the label is the first class and the prediction the last, or the
    /// other way round.
    pub fn opposed(&self) -> f64 {
        let last = N - 1;
        share(self.0[0][last] + self.0[last][0], self.total())
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl<const N: usize> From<Confusion<N>> for Vec<Vec<u64>> {
    fn from(confusion: Confusion<N>) -> Self {
        confusion.0.iter().map(|row| row.to_vec()).collect()
    }
}

impl<const N: usize> TryFrom<Vec<Vec<u64>>> for Confusion<N> {
    type Error = String;

    fn try_from(rows: Vec<Vec<u64>>) -> Result<Self, String> {
        let rows: Result<Vec<[u64; N]>, _> = rows.into_iter().map(TryInto::try_into).collect();
        match rows.map(TryInto::try_into) {
            Ok(Ok(counts)) => Ok(Self(counts)),
            _ => Err(format!("a confusion of {N} classes has {N} rows of {N} counts")),
        }
    }
}
