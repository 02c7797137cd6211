//! Schwartz's motivational circle in a model's vectors: do neighbouring values go together, and
//! opposite ones against each other?

use serde::Serialize;

use super::regression::Pairs;
use crate::seed::{Purpose, Stream};
use crate::value::{Group, Profile, Value, places_apart};

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
    /// Spearman's correlation of nearness with correlation over the 45 pairs: 1 is a perfect
    /// circle.
    pub fit: Option<f64>,
    /// The share of random orders of the values that fit as well or better.
    pub p: Option<f64>,
    /// The mean utility of each higher-order group, in the order of [`Group::ALL`].
    pub groups: [f64; Group::ALL.len()],
    /// The correlations of the groups' means over texts: the first and the third are opposites,
    /// and the other two.
    pub group_correlations: [[f64; Group::ALL.len()]; Group::ALL.len()],
}

impl Circle {
    /// Looks for the circle in the vectors of texts.
    pub fn of(profiles: &[Profile]) -> Self {
        let ones = vec![1; profiles.len()];
        let correlation = |of: &dyn Fn(&Profile) -> (f64, f64)| {
            Pairs::new(profiles.iter().map(of).collect()).pearson(&ones).unwrap_or(0.0)
        };
        let mut correlations = [[1.0; Value::COUNT]; Value::COUNT];
        for (a, b) in pairs() {
            correlations[a][b] = correlation(&|profile| (profile[a].into(), profile[b].into()));
            correlations[b][a] = correlations[a][b];
        }
        let mut by_distance = [0.0; FARTHEST];
        for (a, b) in pairs() {
            let count = if places_apart(a, b) == FARTHEST { FARTHEST } else { Value::COUNT };
            by_distance[places_apart(a, b) - 1] += correlations[a][b] / count as f64;
        }
        let order: Vec<usize> = (0..Value::COUNT).collect();
        let fit = fit(&correlations, &order);
        let mean = |group: Group, profile: &Profile| group.mean(&profile.map(f64::from));
        let group_correlations = Group::ALL.map(|a| {
            Group::ALL.map(|b| correlation(&|profile| (mean(a, profile), mean(b, profile))))
        });
        let texts = profiles.len().max(1) as f64;
        let groups = Group::ALL
            .map(|group| profiles.iter().map(|profile| mean(group, profile)).sum::<f64>() / texts);
        Self {
            groups,
            group_correlations,
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
    let near = pairs()
        .map(|(a, b)| (-(places_apart(place[a], place[b]) as f64), correlations[a][b]))
        .collect();
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
