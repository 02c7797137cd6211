//! How well replies are predicted, chosen and generated: perplexity, Hits@1, F1, diversity.
//!
//! Rows of numbers and texts in, a figure with its interval out. Intervals are over dialogues, for
//! the replies of one dialogue are about the same things. Neither figures nor intervals depend on
//! the order of the dialogues.

pub mod compare;
pub mod hits;
pub mod perplexity;
pub mod replies;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::bootstrap::{Bootstrap, Interval};

pub use hits::{Candidate, Choice, Hits};
pub use perplexity::{Likelihood, Perplexity};
pub use replies::{Replies, Reply, f1};

/// A figure over dialogues. NaN, which JSON writes as null, where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    #[serde(deserialize_with = "null_is_nan")]
    pub value: f64,
    /// Its 95% interval over dialogues; none for one dialogue, or if it was not asked for.
    pub interval: Option<Interval>,
}

impl Estimate {
    /// The mean of a figure of each dialogue.
    pub fn mean(figures: impl IntoIterator<Item = f64>, bootstrap: Option<Bootstrap>) -> Self {
        let sums = Sums::of(figures.into_iter().enumerate().map(|(at, it)| (at, [it, 1.0])));
        sums.estimate(bootstrap, |[sum, n]| sum / n)
    }

    /// The figure and its interval in another unit.
    pub fn times(self, factor: f64) -> Self {
        let ends = |it: Interval| Interval { low: it.low * factor, high: it.high * factor };
        Self { value: self.value * factor, interval: self.interval.map(ends) }
    }
}

fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// The sums of some numbers over each dialogue.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sums<const N: usize>(Vec<[f64; N]>);

impl<const N: usize> Sums<N> {
    /// Sums rows, each with the dialogue that it is from.
    pub(super) fn of(rows: impl IntoIterator<Item = (usize, [f64; N])>) -> Self {
        let mut dialogues: BTreeMap<usize, [f64; N]> = BTreeMap::new();
        for (dialogue, row) in rows {
            let sums = dialogues.entry(dialogue).or_insert([0.0; N]);
            sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        }
        let mut sums: Vec<[f64; N]> = dialogues.into_values().collect();
        // So that neither rounding nor what a replicate draws depends on the dialogues' order.
        sums.sort_by(|a, b| {
            a.iter()
                .zip(b)
                .map(|(a, b)| a.total_cmp(b))
                .find(|o| o.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        Self(sums)
    }

    /// The number of dialogues.
    pub(super) fn dialogues(&self) -> usize {
        self.0.len()
    }

    /// The sums over all dialogues.
    pub(super) fn total(&self) -> [f64; N] {
        self.weighted(&vec![1; self.0.len()])
    }

    fn weighted(&self, weights: &[u32]) -> [f64; N] {
        let mut total = [0.0; N];
        for (sums, &weight) in self.0.iter().zip(weights) {
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += f64::from(weight) * sum;
            }
        }
        total
    }

    /// What `figure` makes of the sums over all dialogues.
    pub(super) fn estimate(
        &self,
        bootstrap: Option<Bootstrap>,
        figure: impl Fn([f64; N]) -> f64 + Sync,
    ) -> Estimate {
        let replicates = |bootstrap: Bootstrap| {
            Interval::of(bootstrap.draw(self.0.len(), |weights| figure(self.weighted(weights))))
        };
        let interval = bootstrap.filter(|_| self.0.len() > 1).and_then(replicates);
        Estimate { value: figure(self.total()), interval }
    }
}
