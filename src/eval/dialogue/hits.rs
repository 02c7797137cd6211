//! Hits@1: whether a model finds the reply among its candidates.
//!
//! ParlAI ranks by the mean log-probability of a token, without the end. Its score counts a
//! candidate that is the reply's text but for case, punctuation and articles as the reply. Where
//! the reply and another are equally likely, it is not found.

use serde::{Deserialize, Serialize};

use super::{Estimate, Sums};
use crate::data::conversation::normalize::normalized;
use crate::eval::Bootstrap;

/// How likely a candidate is.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it says.
    pub text: String,
    /// How many tokens that is, without the end.
    pub tokens: usize,
    /// Their log-probability.
    pub log_probability: f64,
    /// The log-probability of the end behind them.
    pub end: f64,
    /// The log-probability of tokens and end without persona and history, if it was asked for.
    pub unconditional: Option<f64>,
}

/// Candidates of a reply, of which the last is the reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The dialogue that it is from, by whatever number.
    pub dialogue: usize,
    /// The candidates.
    pub candidates: Vec<Candidate>,
}

/// How often a reply is found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hits {
    /// The dialogues.
    pub dialogues: usize,
    /// The replies.
    pub replies: usize,
    /// The candidates of all replies, these among them.
    pub candidates: usize,
    /// What chance would find.
    pub chance: f64,
    /// By the mean log-probability of a token without the end: ParlAI's. The main figure.
    pub mean: Estimate,
    /// By the log-probability of the tokens and the end.
    pub sum: Estimate,
    /// By that minus the same without persona and history, if it is known.
    pub sum_minus_unconditional: Option<Estimate>,
}

impl Hits {
    /// Counts how often the reply is found.
    pub fn of(rows: &[Choice], bootstrap: Option<Bootstrap>) -> Self {
        let sum = |one: &Candidate| one.log_probability + one.end;
        let gained = |one: &Candidate| one.unconditional.map_or(f64::NAN, |alone| sum(one) - alone);
        let sums = Sums::of(rows.iter().map(|row| {
            let is_gold = row.is_gold();
            let golds = is_gold.iter().filter(|gold| **gold).count();
            let chance = golds as f64 / is_gold.len() as f64;
            let hit = |score: &dyn Fn(&Candidate) -> f64| {
                f64::from(u8::from(is_found(row.candidates.iter().map(score), &is_gold)))
            };
            let mean = hit(&|one| one.log_probability / one.tokens as f64);
            (row.dialogue, [mean, hit(&sum), hit(&gained), chance, 1.0])
        }));
        let all = || rows.iter().flat_map(|row| &row.candidates);
        let [.., chance, n] = sums.total();
        let is_known = all().all(|candidate| candidate.unconditional.is_some());
        Self {
            dialogues: sums.dialogues(),
            replies: rows.len(),
            candidates: all().count(),
            chance: chance / n,
            mean: sums.estimate(bootstrap, |[mean, .., n]| mean / n),
            sum: sums.estimate(bootstrap, |[_, sum, .., n]| sum / n),
            sum_minus_unconditional: is_known
                .then(|| sums.estimate(bootstrap, |[_, _, gained, _, n]| gained / n)),
        }
    }
}

impl Choice {
    /// Whether the reply is found by the mean log-probability of a token.
    pub fn is_found(&self) -> bool {
        let mean = |one: &Candidate| one.log_probability / one.tokens as f64;
        is_found(self.candidates.iter().map(mean), &self.is_gold())
    }

    /// For each candidate, whether it says what the reply says.
    fn is_gold(&self) -> Vec<bool> {
        let said: Vec<String> =
            self.candidates.iter().map(|candidate| normalized(&candidate.text)).collect();
        said.iter().map(|text| Some(text) == said.last()).collect()
    }
}

/// Whether the best gold score is above all others. What is not a number is never above, and
/// nothing is above it.
fn is_found(scores: impl Iterator<Item = f64> + Clone, is_gold: &[bool]) -> bool {
    let of = |gold: bool| {
        scores.clone().zip(is_gold).filter(move |(_, is)| **is == gold).map(|(score, _)| score)
    };
    of(true).any(|gold| of(false).all(|other| gold > other))
}
