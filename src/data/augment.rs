//! The augmented version of the dataset: scenarios on which annotators did not agree, added as
//! neutral ones.

use std::collections::HashSet;

use super::table::Sample;
use crate::value::{Label, Value};

/// The disputed scenarios as neutral samples, without those that `known` rows hold under the same
/// value.
pub fn neutral<'a>(
    disputed: Vec<(Value, String)>,
    known: impl Iterator<Item = &'a Sample>,
) -> Vec<Sample> {
    let known: HashSet<(Value, &str)> =
        known.map(|sample| (sample.value, sample.scenario.as_str())).collect();
    disputed
        .into_iter()
        .filter(|(value, scenario)| !known.contains(&(*value, scenario.as_str())))
        .map(|(value, scenario)| Sample { value, scenario, label: Label::Unrelated })
        .collect()
}
