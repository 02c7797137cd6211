//! The keywords of the lists that were chosen, and where they stand in a text.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::lists::{Choice, KeywordSource, List, Listed, listed};
use super::words::{Stems, lower, words};
use crate::error::Result;
use crate::seed::name_index;
use crate::value::Value;

/// A word, or several that stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyword {
    /// The value that it tells of.
    pub value: Value,
    /// As the list writes it.
    pub text: String,
    /// The list.
    pub list: List,
    /// Where the list has it from.
    pub source: KeywordSource,
    /// In lower case.
    lower: String,
    /// Its stems, by their numbers.
    stems: Vec<u64>,
}

/// The keywords of all values.
pub struct Keywords {
    all: Vec<Keyword>,
    /// The keywords that begin with a stem: more words come first, then by value, and shorter
    /// forms of the same.
    beginning: HashMap<u64, Vec<usize>>,
    stems: Stems,
}

impl Keywords {
    /// The keywords of the lists that were chosen. One that stands twice under a value, in both
    /// lists or as "adventure" in the paper's, is the first.
    ///
    /// # Errors
    /// If a file of a folder is missing, cannot be read, or is wrong.
    pub fn of(choice: &Choice) -> Result<Self> {
        let stems = Stems::default();
        let (mut all, mut seen) = (Vec::new(), HashSet::new());
        for Listed { value, list, source, text } in listed(choice)? {
            let lower = lower(&text);
            let stems = words(&lower).map(|word| number(&stems, word)).collect();
            if seen.insert((value, lower.clone())) {
                all.push(Keyword { value, text, list, source, lower, stems });
            }
        }
        all.sort_by_key(|keyword: &Keyword| (keyword.value, keyword.source));
        let mut beginning: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, keyword) in all.iter().enumerate() {
            beginning.entry(keyword.stems[0]).or_default().push(index);
        }
        for keywords in beginning.values_mut() {
            keywords.sort_by_key(|index| {
                let keyword = &all[*index];
                (Reverse(keyword.stems.len()), keyword.value, keyword.text.len())
            });
        }
        Ok(Self { all, beginning, stems })
    }

    /// A keyword by its index.
    pub fn get(&self, index: usize) -> &Keyword {
        &self.all[index]
    }

    /// All keywords, by value and source in their order.
    pub fn all(&self) -> &[Keyword] {
        &self.all
    }

    /// The numbers of the stems of words in lower case. Most words come again, and stemming is most
    /// of the work: `known` has those that were met before.
    pub(super) fn numbers(&self, words: &[&str], known: &mut HashMap<String, u64>) -> Vec<u64> {
        let numbers = words.iter().map(|word| match known.get(*word) {
            Some(number) => *number,
            None => *known.entry(word.to_string()).or_insert(number(&self.stems, word)),
        });
        numbers.collect()
    }

    /// Whether they are of more than one list.
    pub fn are_of_several_lists(&self) -> bool {
        self.all.iter().any(|keyword| keyword.list != self.all[0].list)
    }

    /// The indices of the keywords in a text, each once, in the order in which they stand there; of
    /// those that stand at the same word, more words come first, and of a value's with the same
    /// stems the ones that are the most like the text.
    pub fn find(&self, text: &str) -> Vec<usize> {
        let lower = lower(text);
        let words: Vec<&str> = words(&lower).collect();
        self.find_in(&words, &self.numbers(&words, &mut HashMap::new()))
    }

    /// As [`Keywords::find`], among words in lower case and the numbers of their stems.
    pub(super) fn find_in(&self, words: &[&str], stems: &[u64]) -> Vec<usize> {
        let mut found = Vec::new();
        for (at, stem) in stems.iter().enumerate() {
            let before = found.len();
            for &index in self.beginning.get(stem).map_or(&[][..], Vec::as_slice) {
                if stems[at..].starts_with(&self.all[index].stems) && !found.contains(&index) {
                    found.push(index);
                }
            }
            // Keywords of one value with as many words have the same stems here, and stand side by
            // side.
            let are_alike = |one: &usize, other: &usize| {
                let (one, other) = (&self.all[*one], &self.all[*other]);
                one.value == other.value && one.stems.len() == other.stems.len()
            };
            for alike in found[before..].chunk_by_mut(are_alike).filter(|alike| alike.len() > 1) {
                alike.sort_by_key(|index| {
                    let keyword = &self.all[*index];
                    (Reverse(keyword.bytes_in(&words[at..])), keyword.text.len())
                });
            }
        }
        found
    }

    /// Of the keywords found in a text, one for each value in the order of [`Value::ALL`]: of the
    /// closest source, and of those the first.
    pub fn best(&self, found: &[usize]) -> Vec<usize> {
        let of = |value: Value| {
            found.iter().copied().filter(move |index| self.all[*index].value == value)
        };
        Value::ALL
            .into_iter()
            .filter_map(|value| of(value).min_by_key(|index| self.all[*index].source))
            .collect()
    }
}

impl Keyword {
    /// How many bytes it has in common with a text that begins with these words: those with which
    /// both begin, word by word.
    fn bytes_in(&self, text: &[&str]) -> usize {
        let alike = |(one, other): (&&str, &str)| {
            one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
        };
        text.iter().zip(words(&self.lower)).map(alike).sum()
    }
}

/// The stem of a word as a number by which stems are compared.
fn number(stems: &Stems, word: &str) -> u64 {
    name_index(&stems.of(word))
}
