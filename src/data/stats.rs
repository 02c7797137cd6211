//! The paper's Table 1 and the label counts of its Figures 4 and 8 to 10.

use std::collections::HashSet;

use super::splits::Part;
use super::table::Sample;
use crate::value::LabelCounts;

/// The counts of a part of a dataset, or of all of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// The part's name, or `total`.
    pub name: String,
    /// The number of samples.
    pub samples: usize,
    /// The mean number of [`tokens`] of a sample.
    pub average_tokens: f64,
    /// The number of different tokens.
    pub unique_tokens: usize,
    /// The mean number of [`words`] of a sample.
    pub average_words: f64,
    /// The number of different words.
    pub unique_words: usize,
    /// The labels of each value.
    pub labels: LabelCounts,
}

/// The tokens of a scenario: lower-cased words (runs of letters and digits), and each other mark by
/// itself. This is the basic tokenisation of BERT, without the tag.
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

/// The words of a sample, the tag before them: what stands between white space, in its own case,
/// without what is neither letter nor digit ("I'm" is `Im`, `[SELF-DIRECTION]` is `SELFDIRECTION`).
/// The paper does not say how it counts; of the simple ways tried this comes closest to its Table
/// 1, within half a percent.
pub fn words(sample: &Sample) -> impl Iterator<Item = String> + '_ {
    let bare =
        |word: &str| word.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>();
    let all = std::iter::once(sample.value.name()).chain(sample.scenario.split_whitespace());
    all.map(bare).filter(|word| !word.is_empty())
}

/// The counts of each part, and of all of them together.
pub fn stats(parts: &[Part]) -> Vec<Stats> {
    let each = parts.iter().map(|part| count(&part.name, std::slice::from_ref(part)));
    each.chain(std::iter::once(count("total", parts))).collect()
}

fn count(name: &str, parts: &[Part]) -> Stats {
    let samples = || parts.iter().flat_map(Part::samples);
    let (average_tokens, unique_tokens) =
        mean_and_different(samples().map(|one| tokens(&one.scenario)));
    let (average_words, unique_words) = mean_and_different(samples().map(words));
    Stats {
        name: name.into(),
        samples: samples().count(),
        average_tokens,
        unique_tokens,
        average_words,
        unique_words,
        labels: LabelCounts::of(samples().map(|sample| (sample.value, sample.label))),
    }
}

/// How many tokens a sample has on average, and how many different ones there are.
fn mean_and_different(
    samples: impl Iterator<Item = impl IntoIterator<Item = String>>,
) -> (f64, usize) {
    let (mut number, mut total, mut different) = (0, 0, HashSet::new());
    for tokens in samples {
        number += 1;
        for token in tokens {
            total += 1;
            different.insert(token);
        }
    }
    (total as f64 / number.max(1) as f64, different.len())
}
