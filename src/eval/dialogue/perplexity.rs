//! Perplexity of replies, in the units that papers give it in.

use serde::{Deserialize, Serialize};

use super::{Estimate, Sums};
use crate::eval::Bootstrap;

/// How a model predicts a reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likelihood {
    /// The dialogue that it is from, by whatever number.
    pub dialogue: usize,
    /// The negative log-likelihood of its tokens and the end, in nats.
    pub nll: f64,
    /// How many tokens that are, the end among them.
    pub tokens: usize,
    /// The words of its text, as white space parts them.
    pub words: usize,
    /// The bytes of its text in UTF-8.
    pub bytes: usize,
}

impl Likelihood {
    /// How a model predicts a text in so many tokens, the end among them.
    pub fn of(dialogue: usize, text: &str, nll: f64, tokens: usize) -> Self {
        let words = text.split_whitespace().count();
        Self { dialogue, nll, tokens, words, bytes: text.len() }
    }
}

/// How surprised a model is by replies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Perplexity {
    /// The dialogues.
    pub dialogues: usize,
    /// The replies.
    pub replies: usize,
    /// Their tokens and ends.
    pub tokens: usize,
    /// Their words.
    pub words: usize,
    /// Their bytes.
    pub bytes: usize,
    /// exp(Σ NLL / Σ tokens): the mean is over all tokens, ends included. The main figure.
    pub per_token: Estimate,
    /// exp(Σ NLL / Σ (words + 1)): comparable between tokenizers.
    pub per_word: Estimate,
    /// Σ NLL / (ln 2 Σ bytes); the bits of the ends are in it.
    pub bits_per_byte: Estimate,
    /// exp(mean over replies of NLL / tokens), as DialoGPT's `LSP_train.py` reports it.
    pub per_reply: Estimate,
}

impl Perplexity {
    /// Measures replies, each of which has a token at least: its end.
    pub fn of(rows: &[Likelihood], bootstrap: Option<Bootstrap>) -> Self {
        let sums = Sums::of(rows.iter().map(|row| {
            let [tokens, words, bytes] =
                [row.tokens, row.words, row.bytes].map(|count| count as f64);
            (row.dialogue, [row.nll, tokens, words, bytes, row.nll / tokens, 1.0])
        }));
        let count = |count: fn(&Likelihood) -> usize| rows.iter().map(count).sum();
        Self {
            dialogues: sums.dialogues(),
            replies: rows.len(),
            tokens: count(|row| row.tokens),
            words: count(|row| row.words),
            bytes: count(|row| row.bytes),
            per_token: sums.estimate(bootstrap, |[nll, tokens, ..]| (nll / tokens).exp()),
            per_word: sums
                .estimate(bootstrap, |[nll, _, words, _, _, n]| (nll / (words + n)).exp()),
            bits_per_byte: sums.estimate(bootstrap, |[nll, _, _, bytes, ..]| {
                nll / (std::f64::consts::LN_2 * bytes)
            }),
            per_reply: sums.estimate(bootstrap, |[.., mean, n]| (mean / n).exp()),
        }
    }
}
