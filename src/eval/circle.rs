//! Schwartz's motivational circle in a model's vectors: do neighbouring values go together, and opposite ones against each
//! other?

use serde::Serialize;

use super::regression::Pairs;
use crate::seed::{Purpose, Stream};
use crate::value::{Profile, Value};

/// The greatest distance around the circle.
const FARTHEST: usize = Value::COUNT / 2;

/// How many random orders of the values the fit is held against.
const ORDERS: u32 = 10_000;

/// The correlations of the ten values over texts, and how far they follow the circle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Circle {
    /// The number of texts.
    pub texts: usize,
    /// Pearson's correlations in the order of [`Value::ALL`]; 0 where a value does not vary.
    pub correlations: [[f64; Value::COUNT]; Value::COUNT],
    /// The mean correlation of values 1, 2, … 5 places apart.
    pub by_distance: [f64; FARTHEST],
    /// Spearman's correlation of nearness with correlation over the 45 pairs: 1 is a perfect circle.
    pub fit: Option<f64>,
    /// The share of random orders of the values that fit as well or better.
    pub p: Option<f64>,
}

/// How far two places around the circle are apart.
fn distance(a: usize, b: usize) -> usize {
    let apart = a.abs_diff(b);
    apart.min(Value::COUNT - apart)
}

impl Circle {
    /// Looks for the circle in the vectors of texts.
    pub fn of(profiles: &[Profile]) -> Self {
        let ones = vec![1; profiles.len()];
        let correlation = |a: usize, b: usize| {
            let pairs = profiles.iter().map(|profile| (f64::from(profile[a]), f64::from(profile[b])));
            Pairs::new(pairs.collect()).pearson(&ones).unwrap_or(0.0)
        };
        let mut correlations = [[1.0; Value::COUNT]; Value::COUNT];
        for (a, b) in pairs() {
            correlations[a][b] = correlation(a, b);
            correlations[b][a] = correlations[a][b];
        }
        let mut by_distance = [0.0; FARTHEST];
        for (a, b) in pairs() {
            let count = if distance(a, b) == FARTHEST { FARTHEST } else { Value::COUNT };
            by_distance[distance(a, b) - 1] += correlations[a][b] / count as f64;
        }
        let order: Vec<usize> = (0..Value::COUNT).collect();
        let fit = fit(&correlations, &order);
        Self {
            texts: profiles.len(),
            correlations,
            by_distance,
            fit,
            p: fit.map(|fit| p_value(&correlations, fit)),
        }
    }
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..Value::COUNT).flat_map(|a| (0..a).map(move |b| (a, b)))
}

/// How far correlations fall with distance when the values stand around the circle in this order.
fn fit(correlations: &[[f64; Value::COUNT]; Value::COUNT], place: &[usize]) -> Option<f64> {
    let near = pairs().map(|(a, b)| (-(distance(place[a], place[b]) as f64), correlations[a][b])).collect();
    Pairs::new(near).spearman(&[1; Value::COUNT * (Value::COUNT - 1) / 2])
}

fn p_value(correlations: &[[f64; Value::COUNT]; Value::COUNT], found: f64) -> f64 {
    let as_good = |number: &u32| {
        let mut place: Vec<usize> = (0..Value::COUNT).collect();
        Stream::new(1, Purpose::Shuffle, (*number).into()).shuffle(&mut place);
        fit(correlations, &place).is_some_and(|fit| fit >= found)
    };
    ((0..ORDERS).filter(as_good).count() + 1) as f64 / f64::from(ORDERS + 1)
}
