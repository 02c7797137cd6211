//! Two models on the same rows: are they different beyond chance?
//!
//! The difference of each figure comes with a paired bootstrap interval and p-value: each replicate
//! draws the same texts for both models. Accuracy also has McNemar's exact test. Over the ten
//! values p-values are adjusted by Holm's method.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bootstrap::{Bootstrap, Interval};
use super::evaluation::{Part, parts};
use super::figures::{Figure, Measured, Scored};
use crate::value::Value;

/// Below this a p-value is taken for a difference beyond chance.
pub const SIGNIFICANCE: f64 = 0.05;

/// A figure of two models.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The first model's.
    pub a: f64,
    /// The second model's.
    pub b: f64,
    /// The second less the first.
    pub difference: f64,
    /// The 95% interval of the difference.
    pub interval: Option<Interval>,
    /// How likely so large a difference would be between equal models.
    pub p: Option<f64>,
    /// The same, adjusted for the number of values, in the values' slices.
    pub adjusted_p: Option<f64>,
}

/// McNemar's test (1947) of two models' hits, exact.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct McNemar {
    /// Rows that only the first model gets right.
    pub only_a: u64,
    /// Rows that only the second does.
    pub only_b: u64,
    /// How likely so uneven a split of them would be by chance.
    pub p: f64,
    /// The same, adjusted for the number of values, in the values' slices.
    pub adjusted_p: Option<f64>,
}

impl McNemar {
    /// The exact two-sided test of these counts.
    pub fn of(only_a: u64, only_b: u64) -> Self {
        let (fewer, all) = (only_a.min(only_b), only_a + only_b);
        // The binomial distribution's tail, term by term, in logarithms.
        let mut term = -(all as f64) * std::f64::consts::LN_2;
        let mut tail = 0.0;
        for hits in 0..=fewer {
            tail += term.exp();
            term += ((all - hits) as f64).ln() - ((hits + 1) as f64).ln();
        }
        Self { only_a, only_b, p: (2.0 * tail).min(1.0), adjusted_p: None }
    }
}

/// The comparison on some rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedSlice {
    /// `all`, `unseen`, or the name of a value.
    pub name: String,
    /// The number of rows.
    pub rows: usize,
    /// Each figure by name; those without meaning for one of the models are left out.
    pub figures: BTreeMap<String, Difference>,
    /// McNemar's test of the classes.
    pub mcnemar: McNemar,
}

/// The comparison on a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// All rows first, then those with unseen texts, then the values'.
    pub slices: Vec<ComparedSlice>,
}

impl Comparison {
    /// Compares the predictions of two models for the same rows in the same order. Unseen texts are
    /// those that neither has seen in training.
    pub fn of(a: &[Scored], b: &[Scored], bootstrap: Bootstrap) -> Self {
        let a: &[Scored] = &unseen_by_both(a, b);
        let parts = parts(a);
        let measured = |rows: &[Scored]| -> Vec<Measured> {
            let of_part = |part: &Part| {
                Measured::new(&part.rows.iter().map(|&row| &rows[row]).collect::<Vec<_>>())
            };
            parts.iter().map(of_part).collect()
        };
        let (measured_a, measured_b) = (measured(a), measured(b));
        let differences = |number: usize, weights: &[u32]| -> [(f64, f64); Figure::COUNT] {
            let (a, b) = (measured_a[number].figures(weights), measured_b[number].figures(weights));
            std::array::from_fn(|figure| (a[figure], b[figure]))
        };
        // (replicates, slices, figures)
        let replicates: Vec<Vec<[f64; Figure::COUNT]>> = bootstrap.run(a, |weights| {
            let of_part = |(number, part): (usize, &Part)| {
                let weights: Vec<u32> = part.rows.iter().map(|&row| weights[row]).collect();
                differences(number, &weights).map(|(a, b)| b - a)
            };
            parts.iter().enumerate().map(of_part).collect()
        });
        let slice = |(number, part): (usize, &Part)| {
            let whole = differences(number, &vec![1; part.rows.len()]);
            let figure = |(place, figure): (usize, &Figure)| {
                let (a, b) = whole[place];
                let drawn: Vec<f64> =
                    replicates.iter().map(|slices| slices[number][place]).collect();
                let difference = Difference {
                    a,
                    b,
                    difference: b - a,
                    p: p_value(&drawn),
                    interval: Interval::of(drawn),
                    adjusted_p: None,
                };
                (b - a).is_finite().then_some((figure.name(), difference))
            };
            let right = |rows: &[Scored], row: usize| rows[row].class == rows[row].label;
            let only = |this: &[Scored], other: &[Scored]| {
                part.rows.iter().filter(|&&row| right(this, row) && !right(other, row)).count()
                    as u64
            };
            ComparedSlice {
                name: part.name.into(),
                rows: part.rows.len(),
                figures: Figure::ALL.iter().enumerate().filter_map(figure).collect(),
                mcnemar: McNemar::of(only(a, b), only(b, a)),
            }
        };
        let mut comparison = Self { slices: parts.iter().enumerate().map(slice).collect() };
        comparison.adjust();
        comparison
    }

    /// Adjusts the p-values of the values' slices.
    fn adjust(&mut self) {
        let is_value = |slice: &&mut ComparedSlice| slice.name.parse::<Value>().is_ok();
        let mut values: Vec<&mut ComparedSlice> = self.slices.iter_mut().filter(is_value).collect();
        let tests: Vec<f64> = values.iter().map(|slice| slice.mcnemar.p).collect();
        for (slice, p) in values.iter_mut().zip(holm(&tests)) {
            slice.mcnemar.adjusted_p = Some(p);
        }
        for figure in Figure::ALL.map(Figure::name) {
            let mut found: Vec<&mut Difference> =
                values.iter_mut().filter_map(|slice| slice.figures.get_mut(&figure)).collect();
            found.retain(|difference| difference.p.is_some());
            let tests: Vec<f64> = found.iter().filter_map(|difference| difference.p).collect();
            for (difference, p) in found.iter_mut().zip(holm(&tests)) {
                difference.adjusted_p = Some(p);
            }
        }
    }
}

/// The first model's rows, of which those count as seen that either model has seen.
fn unseen_by_both(a: &[Scored], b: &[Scored]) -> Vec<Scored> {
    let seen = |a: &Scored, b: &Scored| match (a.seen, b.seen) {
        (Some(a), Some(b)) => Some(a || b),
        _ => None,
    };
    a.iter().zip(b).map(|(a, b)| Scored { seen: seen(a, b), ..*a }).collect()
}

/// The two-sided p-value of bootstrapped differences: twice the smaller share on either side of
/// zero.
pub(super) fn p_value(differences: &[f64]) -> Option<f64> {
    let finite = differences.iter().filter(|difference| difference.is_finite()).count();
    let share = |side: fn(&f64) -> bool| {
        let count = differences
            .iter()
            .filter(|difference| difference.is_finite() && side(difference))
            .count();
        (count + 1) as f64 / (finite + 1) as f64
    };
    let smaller =
        share(|difference| *difference <= 0.0).min(share(|difference| *difference >= 0.0));
    (finite * 10 > differences.len() * 9).then(|| (2.0 * smaller).min(1.0))
}

/// Holm's adjustment (1979) of p-values, in their order.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let (mut adjusted, mut largest) = (vec![0.0; p.len()], 0.0f64);
    for (place, &number) in order.iter().enumerate() {
        largest = largest.max(((p.len() - place) as f64 * p[number]).min(1.0));
        adjusted[number] = largest;
    }
    adjusted
}
