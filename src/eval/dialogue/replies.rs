//! What generated replies are like: F1 with what was said, and how varied they are.
//!
//! Words are those of [`words`]: ParlAI's, in lower case, without punctuation and articles.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Estimate, Sums};
use crate::data::conversation::normalize::words;
use crate::eval::{Bootstrap, Interval};

/// A generated reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The dialogue that it is from, by whatever number.
    pub dialogue: usize,
    /// What the model says.
    pub text: &'a str,
    /// What was said.
    pub gold: &'a str,
    /// Sentences about the speaker.
    pub persona: &'a [String],
}

/// What replies are like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Replies {
    /// The dialogues.
    pub dialogues: usize,
    /// The replies.
    pub replies: usize,
    /// Their words.
    pub words: usize,
    /// The mean [`f1`] of a reply with what was said.
    pub f1: Estimate,
    /// Different words by words (Li et al., 2016).
    pub distinct_1: Estimate,
    /// Different pairs of neighbouring words by such pairs.
    pub distinct_2: Estimate,
    /// The mean number of words of a reply.
    pub length: Estimate,
    /// The share of the reply that is given most often, which are the same if their words are.
    pub commonest: Estimate,
    /// The share of runs of four words that stand in the same reply before (Welleck et al., 2020,
    /// over all replies).
    pub repeated_4_grams: Estimate,
    /// The share of runs of three words that stand in a sentence of the speaker's persona. Ours.
    pub persona_3_grams: Estimate,
}

/// Twice the words in common by the words of both (ParlAI's `_f1_score` with one answer): 0 if
/// there are none in common, whatever order they are in.
pub fn f1(guess: &str, gold: &str) -> f64 {
    f1_of(&words(guess), &words(gold))
}

fn f1_of(guess: &[String], gold: &[String]) -> f64 {
    let mut left: HashMap<&str, usize> = HashMap::new();
    gold.iter().for_each(|word| *left.entry(word).or_default() += 1);
    let is_common = |word: &&String| match left.get_mut(word.as_str()) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    };
    let common = guess.iter().filter(is_common).count() as f64;
    if common == 0.0 { 0.0 } else { 2.0 * common / (guess.len() + gold.len()) as f64 }
}

impl Replies {
    /// Measures replies.
    pub fn of(rows: &[Reply], bootstrap: Option<Bootstrap>) -> Self {
        let said: Vec<Vec<String>> = rows.iter().map(|row| words(row.text)).collect();
        let commonest = commonest(&said);
        let sums = Sums::of(rows.iter().zip(&said).map(|(row, said)| {
            let fours: Vec<&[String]> = said.windows(4).collect();
            let different: HashSet<&[String]> = fours.iter().copied().collect();
            let threes = said.windows(3).len();
            let numbers = [
                f1_of(said, &words(row.gold)),
                said.len() as f64,
                f64::from(u8::from(Some(said) == commonest)),
                (fours.len() - different.len()) as f64,
                fours.len() as f64,
                copied(said, row.persona) as f64,
                threes as f64,
                1.0,
            ];
            (row.dialogue, numbers)
        }));
        let mean = |place: usize| sums.estimate(bootstrap, move |sums| sums[place] / sums[7]);
        let with_dialogues = || rows.iter().map(|row| row.dialogue).zip(&said);
        Self {
            dialogues: sums.dialogues(),
            replies: rows.len(),
            words: said.iter().map(Vec::len).sum(),
            f1: mean(0),
            distinct_1: distinct(with_dialogues(), 1, bootstrap.is_some()),
            distinct_2: distinct(with_dialogues(), 2, bootstrap.is_some()),
            length: mean(1),
            commonest: mean(2),
            repeated_4_grams: sums.estimate(bootstrap, |sums| sums[3] / sums[4]),
            persona_3_grams: sums.estimate(bootstrap, |sums| sums[5] / sums[6]),
        }
    }
}

/// The words of the reply that is given most often; of equals the first in the alphabet, which
/// does not depend on the replies' order.
fn commonest(said: &[Vec<String>]) -> Option<&Vec<String>> {
    let mut counts: HashMap<&Vec<String>, usize> = HashMap::new();
    said.iter().for_each(|reply| *counts.entry(reply).or_default() += 1);
    let rank = |(reply, count): &(&Vec<String>, usize)| (*count, std::cmp::Reverse(reply.to_vec()));
    counts.into_iter().max_by_key(rank).map(|(reply, _)| reply)
}

/// How many runs of three words stand in a sentence of a persona.
fn copied(said: &[String], persona: &[String]) -> usize {
    let sentences: Vec<Vec<String>> = persona.iter().map(|sentence| words(sentence)).collect();
    let known: HashSet<&[String]> = sentences.iter().flat_map(|words| words.windows(3)).collect();
    said.windows(3).filter(|three| known.contains(three)).count()
}

/// Different runs of `n` words by all of them.
///
/// Its interval is the jackknife's over dialogues (Efron and Stein, 1981), the figure plus and
/// minus 1.96 standard errors: a bootstrap replicate has some dialogues twice and so fewer
/// different words than any sample, and its interval lies below the figure.
fn distinct<'a>(
    said: impl Iterator<Item = (usize, &'a Vec<String>)>,
    n: usize,
    with_interval: bool,
) -> Estimate {
    // For each run the only dialogue that it occurs in, if there is only one.
    let mut homes: HashMap<&[String], Option<usize>> = HashMap::new();
    // For each dialogue its runs, and how many of them no other has.
    let mut dialogues: HashMap<usize, [usize; 2]> = HashMap::new();
    for (dialogue, words) in said {
        let [runs, _] = dialogues.entry(dialogue).or_default();
        *runs += words.windows(n).len();
        for run in words.windows(n) {
            let home = homes.entry(run).or_insert(Some(dialogue));
            *home = home.filter(|home| *home == dialogue);
        }
    }
    for home in homes.values().flatten() {
        if let Some([_, own]) = dialogues.get_mut(home) {
            *own += 1;
        }
    }
    let (different, all): (usize, usize) =
        (homes.len(), dialogues.values().map(|[runs, _]| runs).sum());
    let value = different as f64 / all as f64;
    let count = dialogues.len() as f64;
    let mut without: Vec<f64> = dialogues
        .values()
        .map(|[runs, own]| (different - own) as f64 / (all - runs) as f64)
        .collect();
    without.sort_by(f64::total_cmp); // the map's order is random, and sums are rounded
    let mean = without.iter().sum::<f64>() / count;
    let squares: f64 = without.iter().map(|figure| (figure - mean).powi(2)).sum();
    let margin = 1.96 * ((count - 1.0) / count * squares).sqrt();
    let ends = Interval { low: value - margin, high: value + margin };
    let interval = (with_interval && dialogues.len() > 1 && margin.is_finite()).then_some(ends);
    Estimate { value, interval }
}
