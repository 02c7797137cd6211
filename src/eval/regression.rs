//! Errors and rank statistics of predicted utilities against labels, in double precision.
//!
//! Every figure takes a weight for each row, a whole number: once all of them are 1, and in a
//! bootstrap replicate each is how often the row was drawn. A row of weight `n` counts like `n`
//! equal rows.

use std::ops::Range;

/// Predicted utilities and labels, (predicted, label), sorted once for all figures.
#[derive(Debug, Clone)]
pub struct Pairs {
    pairs: Vec<(f64, f64)>,
    predicted: Ties,
    label: Ties,
}

/// The numbers of one side in ascending order, equal ones together.
#[derive(Debug, Clone)]
struct Ties {
    order: Vec<usize>,
    groups: Vec<Range<usize>>,
}

impl Ties {
    fn of(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let mut groups: Vec<Range<usize>> = Vec::new();
        for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
            let start = groups.last().map_or(0, |group| group.end);
            groups.push(start..start + ties.len());
        }
        Self { order, groups }
    }

    /// The rows of each group.
    fn groups(&self) -> impl Iterator<Item = &[usize]> {
        self.groups.iter().map(|group| &self.order[group.clone()])
    }

    /// Whether rows of more than one group have a weight.
    fn vary(&self, weights: &[u32]) -> bool {
        self.groups().filter(|rows| rows.iter().any(|&row| weights[row] > 0)).nth(1).is_some()
    }

    /// The rank of each row among all, counted from 1; equal ones share the mean of their ranks.
    fn ranks(&self, weights: &[u32]) -> Vec<f64> {
        let mut ranks = vec![0.0; self.order.len()];
        let mut below = 0.0;
        for rows in self.groups() {
            let count: f64 = rows.iter().map(|&row| f64::from(weights[row])).sum();
            rows.iter().for_each(|&row| ranks[row] = below + (count + 1.0) / 2.0);
            below += count;
        }
        ranks
    }
}

impl Pairs {
    /// Sorts (predicted, label) pairs.
    pub fn new(pairs: Vec<(f64, f64)>) -> Self {
        let side = |of: fn(&(f64, f64)) -> f64| Ties::of(&pairs.iter().map(of).collect::<Vec<_>>());
        Self { predicted: side(|pair| pair.0), label: side(|pair| pair.1), pairs }
    }

    fn mean(&self, weights: &[u32], of: impl Fn(&(f64, f64)) -> f64) -> f64 {
        let weighted =
            self.pairs.iter().zip(weights).map(|(pair, &weight)| of(pair) * f64::from(weight));
        weighted.sum::<f64>() / weights.iter().map(|&weight| f64::from(weight)).sum::<f64>()
    }

    /// The mean of `(predicted - label)²`. Not a number if nothing has a weight.
    pub fn mean_squared_error(&self, weights: &[u32]) -> f64 {
        self.mean(weights, |(predicted, label)| (predicted - label).powi(2))
    }

    /// The mean of `|predicted - label|`. Not a number if nothing has a weight.
    pub fn mean_absolute_error(&self, weights: &[u32]) -> f64 {
        self.mean(weights, |(predicted, label)| (predicted - label).abs())
    }

    /// Pearson's correlation; none if one side does not vary.
    pub fn pearson(&self, weights: &[u32]) -> Option<f64> {
        let vary = self.predicted.vary(weights) && self.label.vary(weights);
        vary.then(|| correlation(self.pairs.iter().copied(), weights))
    }

    /// Spearman's rank correlation, ties at their mean rank; none if one side does not vary.
    pub fn spearman(&self, weights: &[u32]) -> Option<f64> {
        let vary = self.predicted.vary(weights) && self.label.vary(weights);
        let ranks = || self.predicted.ranks(weights).into_iter().zip(self.label.ranks(weights));
        vary.then(|| correlation(ranks().collect::<Vec<_>>().into_iter(), weights))
    }

    /// The area under the ROC curve of telling the label +1 from -1 by the utility: the share of
    /// such pairs of rows in the right order, ties by half. None if one of the two labels does
    /// not occur.
    pub fn sign_auc(&self, weights: &[u32]) -> Option<f64> {
        let (mut negatives, mut positives, mut right) = (0.0, 0.0, 0.0);
        for rows in self.predicted.groups() {
            let count = |wanted: f64| -> f64 {
                rows.iter()
                    .filter(|&&row| self.pairs[row].1 == wanted)
                    .map(|&row| f64::from(weights[row]))
                    .sum()
            };
            let (negative, positive) = (count(-1.0), count(1.0));
            right += positive * (negatives + negative / 2.0);
            negatives += negative;
            positives += positive;
        }
        (negatives * positives > 0.0).then(|| right / (negatives * positives))
    }
}

/// The correlation of weighted pairs that vary on both sides.
fn correlation(pairs: impl Iterator<Item = (f64, f64)> + Clone, weights: &[u32]) -> f64 {
    let weighted = || pairs.clone().zip(weights).map(|((a, b), &weight)| (a, b, f64::from(weight)));
    let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    let (sum_a, sum_b) = weighted().fold((0.0, 0.0), |(a, b), (x, y, w)| (a + w * x, b + w * y));
    let (mean_a, mean_b) = (sum_a / total, sum_b / total);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b, weight) in weighted() {
        ab += weight * (a - mean_a) * (b - mean_b);
        aa += weight * (a - mean_a).powi(2);
        bb += weight * (b - mean_b).powi(2);
    }
    (ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0)
}
