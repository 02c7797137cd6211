//! From the logits of what may follow to the token that does: numbers in, an id out.

use crate::nn::cpu;
use crate::nn::math::exp;
use crate::seed::{Purpose, Stream, mixed_index};

/// How tokens are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Logits are divided by it: 1 draws from what the model says, less draws the likelier ones
    /// more often.
    pub temperature: f64,
    /// Only so many of the likeliest tokens are drawn from, if a number is given.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens are drawn from that together have at least this probability, if
    /// one is given (Holtzman et al., *The curious case of neural text degeneration*, ICLR 2020).
    pub top_p: Option<f64>,
}

impl Default for Sampling {
    /// The model's own distribution: what a policy gradient differentiates.
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: None }
    }
}

impl Sampling {
    /// The token that `uniform`, a number in [0, 1), stands for. Of tokens that are alike the
    /// smaller id comes first.
    pub fn choose(&self, logits: &[f32], uniform: f64) -> u32 {
        let largest = cpu::vectorised!(cpu::largest(logits));
        let share = |id: u32| (f64::from(logits[id as usize] - largest) / self.temperature).exp();
        let all = 0..logits.len() as u32;
        if self.top_k.is_none() && self.top_p.is_none() {
            return pick(all.clone().map(|id| (id, share(id))), all.map(share).sum(), uniform);
        }
        let mut ids: Vec<u32> = all.collect();
        let order =
            |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        if let Some(most) = self.top_k.map(|most| most.max(1)).filter(|most| *most < ids.len()) {
            ids.select_nth_unstable_by(most - 1, order);
            ids.truncate(most);
        }
        ids.sort_unstable_by(order);
        let mut shares: Vec<f64> = ids.iter().map(|&id| share(id)).collect();
        let total: f64 = shares.iter().sum();
        if let Some(least) = self.top_p {
            let mut sum = 0.0;
            let enough = shares.iter().position(|share| {
                sum += share;
                sum >= least * total
            });
            shares.truncate(enough.map_or(ids.len(), |last| last + 1));
        }
        let total = shares.iter().sum();
        pick(ids.into_iter().zip(shares), total, uniform)
    }
}

/// The first id at which the sum of shares goes beyond `uniform` of their total.
fn pick(shares: impl Iterator<Item = (u32, f64)>, total: f64, uniform: f64) -> u32 {
    let (mut sum, mut last) = (0.0, 0);
    for (id, share) in shares {
        sum += share;
        // Rounding must not end at a token without any share.
        if share > 0.0 {
            last = id;
            if sum > uniform * total {
                break;
            }
        }
    }
    last
}

/// The likeliest token, the first of equals.
pub fn greedy(logits: &[f32]) -> u32 {
    let largest = cpu::vectorised!(cpu::largest(logits));
    logits.iter().position(|logit| *logit == largest).unwrap_or(0) as u32
}

/// The logarithm of softmax's denominator; NaN if a logit is.
pub fn log_sum(logits: &[f32]) -> f64 {
    // Sums of so many numbers lose nothing in f32 that the logits themselves have.
    const BLOCK: usize = 512;
    cpu::vectorised!({
        let largest = cpu::largest(logits);
        let mut total = 0.0;
        for block in logits.chunks(BLOCK) {
            total += f64::from(cpu::sum(block.len(), |i| exp(block[i] - largest)));
        }
        f64::from(largest) + total.ln()
    })
}

/// Forbids every token that would make `length` tokens at the end of a reply such as stand in it
/// already.
pub fn forbid_repetition(logits: &mut [f32], reply: &[u32], length: usize) {
    let Some(before) = length.checked_sub(1).filter(|before| *before < reply.len()) else {
        return;
    };
    let end = &reply[reply.len() - before..];
    for window in reply.windows(length).filter(|window| window[..before] == *end) {
        if let Some(logit) = logits.get_mut(window[before] as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// The number in [0, 1) that decides about one token: that at this place of this sample of the
/// prompt whose stream this is, whatever is generated beside it.
pub fn uniform(seed: u64, stream: u64, sample: usize, place: usize) -> f64 {
    let stream = Stream::new(seed, Purpose::Sampling, mixed_index(&[stream, sample as u64]));
    let mut words = [0; 4];
    stream.blocks(place as u32, &mut words);
    let bits = u64::from(words[0]) << 21 | u64::from(words[1]) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, 3.0, -1.0];

    /// The share of draws that each token gets from evenly spread numbers.
    fn shares(sampling: &Sampling, logits: &[f32]) -> Vec<f64> {
        let mut counts = vec![0.0; logits.len()];
        for number in 0..10_000 {
            counts[sampling.choose(logits, number as f64 / 1e4) as usize] += 1e-4;
        }
        counts
    }

    fn softmax(logits: &[f32]) -> Vec<f64> {
        logits.iter().map(|x| (f64::from(*x) - log_sum(logits)).exp()).collect()
    }

    fn near(found: &[f64], expected: &[f64]) -> bool {
        found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-4)
    }

    #[test]
    fn tokens_are_drawn_as_often_as_they_are_likely() {
        assert!(near(&shares(&Sampling::default(), &LOGITS), &softmax(&LOGITS)));
        let cool = Sampling { temperature: 0.5, ..Sampling::default() };
        assert!(near(&shares(&cool, &LOGITS), &softmax(&LOGITS.map(|x| 2.0 * x))));
    }

    #[test]
    fn only_the_likeliest_tokens_are_drawn() {
        let with_k = |most| Sampling { top_k: Some(most), ..Sampling::default() };
        assert!(near(&shares(&with_k(1), &LOGITS), &[0.0, 1.0, 0.0, 0.0, 0.0]));
        assert!(near(&shares(&with_k(2), &LOGITS), &[0.0, 0.5, 0.0, 0.5, 0.0]));
        assert!(near(&shares(&with_k(9), &LOGITS), &softmax(&LOGITS)));
        let with_p = |least| Sampling { top_p: Some(least), ..Sampling::default() };
        assert!(near(&shares(&with_p(0.1), &LOGITS), &[0.0, 1.0, 0.0, 0.0, 0.0]));
        assert!(near(&shares(&with_p(0.6), &LOGITS), &[0.0, 0.5, 0.0, 0.5, 0.0]));
        assert!(near(&shares(&with_p(1.0), &LOGITS), &softmax(&LOGITS)));
        let both = Sampling { top_k: Some(3), top_p: Some(0.9), temperature: 1.0 };
        let three = softmax(&[f32::NEG_INFINITY, 3.0, 2.0, 3.0, f32::NEG_INFINITY]);
        assert!(near(&shares(&both, &LOGITS), &three));
    }

    #[test]
    fn a_forbidden_token_is_never_drawn() {
        let logits = [f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY];
        for number in [0.0, 0.5, 1.0 - f64::EPSILON] {
            assert_eq!(Sampling::default().choose(&logits, number), 1);
        }
        assert_eq!(greedy(&logits), 1);
        assert_eq!(greedy(&LOGITS), 1);
    }

    #[test]
    fn runs_of_tokens_are_not_repeated() {
        let forbidden = |reply: &[u32], length| -> Vec<usize> {
            let mut logits = LOGITS;
            forbid_repetition(&mut logits, reply, length);
            (0..5).filter(|&id| logits[id] == f32::NEG_INFINITY).collect()
        };
        assert_eq!(forbidden(&[1, 2, 3, 1, 2], 3), [3]);
        assert_eq!(forbidden(&[1, 2, 3, 1, 4, 1], 2), [2, 4]);
        assert_eq!(forbidden(&[1, 3], 1), [1, 3]);
        assert!(forbidden(&[1, 2], 3).is_empty() && forbidden(&[1, 1], 0).is_empty());
    }

    #[test]
    fn numbers_differ_between_places_samples_streams_and_seeds() {
        let first = uniform(1, 2, 3, 4);
        assert_eq!(first, uniform(1, 2, 3, 4));
        for other in
            [uniform(2, 2, 3, 4), uniform(1, 3, 3, 4), uniform(1, 2, 4, 4), uniform(1, 2, 3, 5)]
        {
            assert!(other != first && (0.0..1.0).contains(&other));
        }
        let mean: f64 = (0..10_000).map(|place| uniform(7, 0, 0, place)).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }
}
