//! The paper's Table 1 and the label counts of its Figures 4 and 8 to 10.

use std::collections::HashSet;

use super::splits::Part;
use crate::value::LabelCounts;

/// The counts of a part of a dataset, or of all of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// The part's name, or `total`.
    pub name: String,
    /// The number of samples.
    pub samples: usize,
    /// The mean number of tokens of a scenario.
    pub average_tokens: f64,
    /// The number of different tokens.
    pub unique_tokens: usize,
    /// The labels of each value.
    pub labels: LabelCounts,
}

/// The tokens of a scenario as they are counted here: lower-cased words (runs of letters and digits), and each other
/// mark by itself. The paper does not say how it counts; this is the basic tokenisation of BERT, without the tag.
pub fn tokens(scenario: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for letter in scenario.to_lowercase().chars() {
        match letter {
            _ if letter.is_whitespace() => in_word = false,
            _ if letter.is_alphanumeric() || letter == '_' => match tokens.last_mut() {
                Some(word) if in_word => word.push(letter),
                _ => {
                    tokens.push(letter.into());
                    in_word = true;
                }
            },
            _ => {
                tokens.push(letter.into());
                in_word = false;
            }
        }
    }
    tokens
}

/// The counts of each part, and of all of them together.
pub fn stats(parts: &[Part]) -> Vec<Stats> {
    let each = parts.iter().map(|part| count(&part.name, std::slice::from_ref(part)));
    each.chain(std::iter::once(count("total", parts))).collect()
}

fn count(name: &str, parts: &[Part]) -> Stats {
    let samples = || parts.iter().flat_map(Part::samples);
    let (mut number, mut total, mut unique) = (0, 0, HashSet::new());
    for sample in samples() {
        let tokens = tokens(&sample.scenario);
        number += 1;
        total += tokens.len();
        unique.extend(tokens);
    }
    Stats {
        name: name.into(),
        samples: number,
        average_tokens: total as f64 / number.max(1) as f64,
        unique_tokens: unique.len(),
        labels: LabelCounts::of(samples().map(|sample| (sample.value, sample.label))),
    }
}
