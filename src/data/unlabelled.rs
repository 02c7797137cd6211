//! Texts under values that nobody labelled them under, with what they probably are.

use std::collections::{HashMap, HashSet};

use super::table::Sample;
use crate::seed::{Purpose, Stream};
use crate::value::{Label, Value};

/// A text under another value than that of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// The text under that value, with the most probable label.
    pub sample: Sample,
    /// The probabilities of the labels -1, 0 and +1.
    pub shares: [f32; Label::COUNT],
}

/// Texts of samples under other values: `rate` for each sample, in the mean, under values under which
/// no sample has its text. `shares` tells what they are, of the sample and the other value.
pub fn guesses(
    samples: &[Sample],
    rate: f64,
    seed: u64,
    shares: impl Fn(&Sample, Value) -> [f32; Label::COUNT],
) -> Vec<Guess> {
    let mut known: HashSet<(Value, &str)> =
        samples.iter().map(|sample| (sample.value, sample.scenario.as_str())).collect();
    let mut stream = Stream::new(seed, Purpose::Unlabelled, 0);
    let mut guesses = Vec::new();
    for sample in samples {
        let scenario = &sample.scenario;
        let is_one_more = f64::from(stream.next_u32()) < rate.fract() * 2f64.powi(32);
        for _ in 0..rate.trunc() as u64 + u64::from(is_one_more) {
            let is_free = |value: &Value| !known.contains(&(*value, scenario.as_str()));
            let free: Vec<Value> = Value::ALL.into_iter().filter(is_free).collect();
            if free.is_empty() {
                break;
            }
            let value = free[stream.below(free.len() as u32) as usize];
            known.insert((value, scenario));
            let shares = shares(sample, value);
            let largest = shares.into_iter().fold(0.0, f32::max);
            let label = Label::ALL.into_iter().find(|label| shares[label.index()] == largest);
            let label = label.unwrap_or(Label::Unrelated);
            guesses.push(Guess { sample: Sample { value, label, ..sample.clone() }, shares });
        }
    }
    guesses
}

/// How far apart values can be on Schwartz's circle of ten.
const DISTANCES: usize = Value::COUNT / 2 + 1;

/// What a text is under a value, given what it is under another one: counted on texts that are
/// labelled under several values, by how far these are apart on the circle.
#[derive(Debug, Clone, PartialEq)]
pub struct CircleRates([[[f64; Label::COUNT]; Label::COUNT]; DISTANCES]);

impl CircleRates {
    /// Counts the labels of samples, and one of each kind besides.
    pub fn of(samples: &[Sample]) -> Self {
        let mut texts: HashMap<&str, Vec<(Value, Label)>> = HashMap::new();
        for Sample { value, scenario, label } in samples {
            texts.entry(scenario).or_default().push((*value, *label));
        }
        let mut counts = [[[1.0; Label::COUNT]; Label::COUNT]; DISTANCES];
        for labels in texts.values() {
            for (value, label) in labels {
                for (other, found) in labels.iter().filter(|(other, _)| other != value) {
                    counts[value.distance(*other)][label.index()][found.index()] += 1.0;
                }
            }
        }
        Self(counts)
    }

    /// The probabilities of the labels under a value of a text with this label under another.
    pub fn shares(&self, value: Value, label: Label, other: Value) -> [f32; Label::COUNT] {
        let counts = self.0[value.distance(other)][label.index()];
        counts.map(|count| (count / counts.iter().sum::<f64>()) as f32)
    }
}
