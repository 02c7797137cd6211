//! A speaker's value profile: the mean vector of what they said, how sure it is, and what stands
//! out.

use serde::Serialize;

use super::bootstrap::Interval;
use crate::seed::{Purpose, Stream};
use crate::value::{Group, Profile, Value};

/// How many replicates the intervals are made of.
const REPLICATES: u64 = 2000;

/// A mean with its 95% interval, if there are texts enough for one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Level {
    /// The mean utility.
    pub mean: f64,
    /// Its percentile interval over texts.
    pub interval: Option<Interval>,
}

/// A text that stands out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Example {
    /// Its number among the texts.
    pub text: usize,
    /// Its utility.
    pub utility: f32,
}

/// A value of a speaker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueLevel {
    /// The value.
    pub value: Value,
    /// The mean utility of the texts.
    #[serde(flatten)]
    pub level: Level,
    /// The texts that serve the value most, the strongest first.
    pub strongest: Vec<Example>,
    /// Those that go against it most, or serve it least.
    pub weakest: Vec<Example>,
}

/// A higher-order group of a speaker.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GroupLevel {
    /// The group.
    pub group: Group,
    /// The mean utility of its values.
    #[serde(flatten)]
    pub level: Level,
}

/// A value profile over several texts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speaker {
    /// The number of texts.
    pub texts: usize,
    /// The ten values.
    pub values: Vec<ValueLevel>,
    /// The four groups.
    pub groups: Vec<GroupLevel>,
}

impl Speaker {
    /// The profile of texts with these vectors, with so many examples for each value. None without
    /// texts.
    pub fn of(profiles: &[Profile], examples: usize) -> Option<Self> {
        if profiles.is_empty() {
            return None;
        }
        let drawn = replicates(profiles);
        let level = |of: &dyn Fn(&[f64; Value::COUNT]) -> f64| Level {
            mean: of(&mean(profiles.iter())),
            interval: (profiles.len() > 1)
                .then(|| Interval::of(drawn.iter().map(of).collect()))
                .flatten(),
        };
        let values = Value::ALL.map(|value| {
            let mut order: Vec<usize> = (0..profiles.len()).collect();
            order.sort_by(|&a, &b| {
                profiles[b][value.index()].total_cmp(&profiles[a][value.index()])
            });
            let example = |&text: &usize| Example { text, utility: profiles[text][value.index()] };
            ValueLevel {
                value,
                level: level(&|mean| mean[value.index()]),
                strongest: order.iter().take(examples).map(example).collect(),
                weakest: order.iter().rev().take(examples).map(example).collect(),
            }
        });
        let groups =
            Group::ALL.map(|group| GroupLevel { group, level: level(&|mean| group.mean(mean)) });
        Some(Self { texts: profiles.len(), values: values.into(), groups: groups.into() })
    }

    /// The mean vector.
    pub fn mean(&self) -> Profile {
        std::array::from_fn(|index| self.values[index].level.mean as f32)
    }

    /// The ends of the intervals as vectors, if there are any.
    pub fn ends(&self) -> Option<[Profile; 2]> {
        let intervals: Vec<Interval> =
            self.values.iter().map(|value| value.level.interval).collect::<Option<_>>()?;
        let end =
            |of: fn(&Interval) -> f64| std::array::from_fn(|index| of(&intervals[index]) as f32);
        Some([end(|interval| interval.low), end(|interval| interval.high)])
    }
}

fn mean<'a>(profiles: impl ExactSizeIterator<Item = &'a Profile>) -> [f64; Value::COUNT] {
    let count = profiles.len() as f64;
    let mut sum = [0.0; Value::COUNT];
    for profile in profiles {
        sum.iter_mut().zip(profile).for_each(|(sum, utility)| *sum += f64::from(*utility));
    }
    sum.map(|sum| sum / count)
}

/// Mean vectors of texts drawn with replacement.
fn replicates(profiles: &[Profile]) -> Vec<[f64; Value::COUNT]> {
    let draw = |number: u64| {
        let mut stream = Stream::new(1, Purpose::Bootstrap, number);
        let drawn: Vec<&Profile> = profiles
            .iter()
            .map(|_| &profiles[stream.below(profiles.len() as u32) as usize])
            .collect();
        mean(drawn.into_iter())
    };
    (0..REPLICATES).map(draw).collect()
}
