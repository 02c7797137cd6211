//! Two dialogue models on the same replies: are they different beyond chance?
//!
//! Each replicate of the bootstrap draws the same dialogues for both.

use serde::Serialize;

use super::Sums;
use crate::eval::compare::{Difference, McNemar, p_value};
use crate::eval::{Bootstrap, Interval};

/// What was measured of one reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The negative log-likelihood of what was said, with its end, in nats.
    pub nll: Option<f64>,
    /// How many tokens that are.
    pub tokens: Option<usize>,
    /// Whether it was found among its candidates.
    pub hit: Option<bool>,
    /// F1 of what the model says with what was said.
    pub f1: Option<f64>,
    /// r_t of what the model says, with the speaker's persona.
    pub r: Option<f64>,
    /// The same with another's persona.
    pub r_other: Option<f64>,
}

/// A reply as two models are judged by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The dialogue that it is from, by whatever number.
    pub dialogue: usize,
    /// How many words it has.
    pub words: usize,
    /// What was measured of the two.
    pub models: [Measured; 2],
}

/// The comparison of two models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DialogueComparison {
    /// The dialogues.
    pub dialogues: usize,
    /// The replies.
    pub replies: usize,
    /// Hits@1, a share.
    pub hits_at_1: Option<Difference>,
    /// McNemar's test of which replies are found.
    pub mcnemar: Option<McNemar>,
    /// Perplexity per token.
    pub perplexity: Option<Difference>,
    /// Perplexity per word, which is comparable between tokenizers.
    pub perplexity_per_word: Option<Difference>,
    /// F1, a share.
    pub f1: Option<Difference>,
    /// The mean of r_t with the own persona, over each dialogue and then over all.
    pub r: Option<Difference>,
    /// The same with another's persona.
    pub r_other: Option<Difference>,
    /// The first of them minus the second.
    pub r_difference: Option<Difference>,
}

impl DialogueComparison {
    /// Compares two models by the replies that both were judged by.
    pub fn of(pairs: &[Pair], bootstrap: Bootstrap) -> Self {
        let numbers = |of: fn(&Measured) -> Option<f64>| {
            let both = |pair: &Pair| {
                let [a, b] = [of(&pair.models[0])?, of(&pair.models[1])?];
                Some((pair.dialogue, [a, b]))
            };
            pairs.iter().map(both).collect::<Option<Vec<_>>>()
        };
        let words = |pair: &Pair| [pair.words as f64 + 1.0; 2];
        let hits = numbers(|it| it.hit.map(|hit| f64::from(u8::from(hit))));
        let f1 = numbers(|it| it.f1);
        let nll = numbers(|it| it.nll);
        let tokens = numbers(|it| it.tokens.map(|tokens| tokens as f64));
        let ratio = |top: &Option<Vec<(usize, [f64; 2])>>, below: &[[f64; 2]], exp: bool| {
            let rows = top.as_ref()?.iter().zip(below);
            let rows = rows.map(|((dialogue, [a, b]), [c, d])| (*dialogue, [*a, *b, *c, *d]));
            let figure = |number: f64| if exp { number.exp() } else { number };
            Some(difference(rows, bootstrap, |[a, b, c, d]| [figure(a / c), figure(b / d)]))
        };
        let ones = vec![[1.0; 2]; pairs.len()];
        let words: Vec<[f64; 2]> = pairs.iter().map(words).collect();
        let tokens: Option<Vec<[f64; 2]>> =
            tokens.map(|rows| rows.into_iter().map(|(_, row)| row).collect());
        let only = |this: usize, other: usize| {
            let rows = hits.as_ref()?.iter();
            let is_only = |(_, row): &&(usize, [f64; 2])| row[this] > row[other];
            Some(rows.filter(is_only).count() as u64)
        };
        // A dialogue counts once, however long it is, as where one model is judged.
        let over_dialogues = |of: fn(&Measured) -> Option<f64>| {
            let rows = numbers(of)?.into_iter().map(|(dialogue, [a, b])| (dialogue, [a, b, 1.0]));
            let means = Sums::of(rows).0.into_iter().map(|[a, b, n]| [a / n, b / n, 1.0, 1.0]);
            let rows = means.enumerate();
            Some(difference(rows, bootstrap, |[a, b, c, d]| [a / c, b / d]))
        };
        Self {
            dialogues: Sums::of(pairs.iter().map(|pair| (pair.dialogue, [1.0]))).dialogues(),
            replies: pairs.len(),
            hits_at_1: ratio(&hits, &ones, false),
            mcnemar: only(0, 1).zip(only(1, 0)).map(|(a, b)| McNemar::of(a, b)),
            perplexity: tokens.and_then(|tokens| ratio(&nll, &tokens, true)),
            perplexity_per_word: ratio(&nll, &words, true),
            f1: ratio(&f1, &ones, false),
            r: over_dialogues(|it| it.r),
            r_other: over_dialogues(|it| it.r_other),
            r_difference: over_dialogues(|it| Some(it.r? - it.r_other?)),
        }
    }
}

/// The difference of two models' figures, which `figures` makes of sums over dialogues.
fn difference(
    rows: impl Iterator<Item = (usize, [f64; 4])>,
    bootstrap: Bootstrap,
    figures: impl Fn([f64; 4]) -> [f64; 2] + Sync,
) -> Difference {
    let sums = Sums::of(rows);
    let [a, b] = figures(sums.total());
    let drawn = bootstrap.draw(sums.dialogues(), |weights| {
        let [a, b] = figures(sums.weighted(weights));
        b - a
    });
    Difference {
        a,
        b,
        difference: b - a,
        p: p_value(&drawn),
        interval: Interval::of(drawn),
        adjusted_p: None,
    }
}
