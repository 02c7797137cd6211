//! How sure a figure is: the bootstrap over texts (Efron, 1979).
//!
//! The same text under several values is one cluster, and clusters are drawn, not rows: their rows
//! are right or wrong together, and intervals that ignore that are too short. Each replicate has a
//! random stream of its own, so that the number of threads changes nothing.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::figures::Scored;
use crate::seed::{Purpose, Stream};

/// The interval that holds the middle 95% of a figure's replicates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
pub struct Interval {
    /// 2.5% of the replicates are below.
    pub low: f64,
    /// 2.5% are above.
    pub high: f64,
}

impl From<[f64; 2]> for Interval {
    fn from([low, high]: [f64; 2]) -> Self {
        Self { low, high }
    }
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.low, interval.high]
    }
}

impl Interval {
    /// The percentile interval of replicates, in any order. `None` if a tenth of them or more are
    /// not finite.
    pub fn of(mut replicates: Vec<f64>) -> Option<Self> {
        let all = replicates.len();
        replicates.retain(|figure| figure.is_finite());
        if replicates.is_empty() || replicates.len() * 10 <= all * 9 {
            return None;
        }
        replicates.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (replicates.len() - 1) as f64;
            let (below, above) =
                (replicates[place.floor() as usize], replicates[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Self { low: at(0.025), high: at(0.975) })
    }
}

/// The number of each text, by which rows are drawn together; the same text has the same number.
pub fn clusters<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
    let mut known: HashMap<&str, usize> = HashMap::new();
    let number = |text| {
        let next = known.len();
        *known.entry(text).or_insert(next)
    };
    texts.into_iter().map(number).collect()
}

/// A plan of replicates: how often each text is drawn in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// How many replicates.
    pub replicates: u32,
    /// What they depend on.
    pub seed: u64,
}

impl Bootstrap {
    /// What `measure` says of each replicate; it gets a weight for each of `rows`, in their order.
    pub fn run<R: Send>(&self, rows: &[Scored], measure: impl Fn(&[u32]) -> R + Sync) -> Vec<R> {
        let texts = rows.iter().map(|row| row.text + 1).max().unwrap_or(0);
        let of_rows = |drawn: &[u32]| rows.iter().map(|row| drawn[row.text]).collect::<Vec<u32>>();
        self.draw(texts, |drawn| measure(&of_rows(drawn)))
    }

    /// What `measure` says of each replicate; it gets how often each of so many clusters is drawn.
    pub fn draw<R: Send>(&self, clusters: usize, measure: impl Fn(&[u32]) -> R + Sync) -> Vec<R> {
        let replicate = |number: u32| {
            let mut stream = Stream::new(self.seed, Purpose::Bootstrap, number.into());
            let mut drawn = vec![0u32; clusters];
            (0..clusters).for_each(|_| drawn[stream.below(clusters as u32) as usize] += 1);
            measure(&drawn)
        };
        (0..self.replicates).into_par_iter().map(replicate).collect()
    }
}
