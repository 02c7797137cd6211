//! From what sampled replies are worth to what their log-probabilities are multiplied by: numbers
//! in, numbers out (Williams, *Simple statistical gradient-following algorithms*, 1992).

use super::settings::{Baseline, Credit};

/// What a dialogue is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Worth {
    /// Its reward.
    pub total: f64,
    /// What each utterance adds to it; nothing where the parts are not known.
    pub parts: Vec<f64>,
}

impl Worth {
    /// What the utterance of this turn is held to.
    fn of_turn(&self, credit: Credit, turn: usize) -> f64 {
        match (credit, self.parts.get(turn)) {
            (Credit::Turn, Some(part)) => *part,
            _ => self.total,
        }
    }
}

/// What the samples of a dialogue are worth, and how far they diverge.
#[derive(Debug, Clone, Copy)]
pub struct Sampled<'a> {
    /// The reward of each of the k dialogues that the samples make.
    pub worth: &'a [Worth],
    /// That of the dialogue with greedy replies, if it is the baseline.
    pub greedy: Option<&'a Worth>,
    /// `log p - log p at the start` of each reply: `[turn][sample]`.
    pub divergence: &'a [Vec<f64>],
}

/// How returns and advantages come to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimator {
    /// What a reply is held to.
    pub credit: Credit,
    /// What is subtracted.
    pub baseline: Baseline,
    /// How much of the divergence is subtracted from the reward.
    pub kl: f64,
    /// The running mean of earlier returns.
    pub mean: f64,
}

impl Estimator {
    /// What each reply brings: `[turn][sample]`. A reply's divergence counts for itself alone, for
    /// no other reply has a part in it.
    pub fn returns(&self, sampled: &Sampled) -> Vec<Vec<f64>> {
        let of_turn = |(turn, divergences): (usize, &Vec<f64>)| {
            let of_sample = |(worth, divergence): (&Worth, &f64)| {
                worth.of_turn(self.credit, turn) - self.kl * divergence
            };
            sampled.worth.iter().zip(divergences).map(of_sample).collect()
        };
        sampled.divergence.iter().enumerate().map(of_turn).collect()
    }

    /// The returns less the baseline: `[turn][sample]`. With leave-one-out there are at least two
    /// samples.
    pub fn advantages(&self, sampled: &Sampled) -> Vec<Vec<f64>> {
        let of_turn = |(turn, returns): (usize, Vec<f64>)| -> Vec<f64> {
            let (sum, others) = (returns.iter().sum::<f64>(), returns.len() as f64 - 1.0);
            let baseline = |own: f64| match self.baseline {
                Baseline::Loo => (sum - own) / others,
                Baseline::None => 0.0,
                Baseline::Mean => self.mean,
                Baseline::Greedy => {
                    sampled.greedy.map_or(0.0, |worth| worth.of_turn(self.credit, turn))
                }
            };
            returns.iter().map(|own| own - baseline(*own)).collect()
        };
        self.returns(sampled).into_iter().enumerate().map(of_turn).collect()
    }
}

/// The divergence of a model's tokens from another's in nats, from the log-probabilities of both,
/// by Schulman's k3 estimator: the mean of `r - 1 - ln r` for r = p_other / p, which is never below
/// 0.
pub fn k3(own: &[f64], other: &[f64]) -> f64 {
    own.iter().zip(other).map(|(own, other)| (other - own).exp_m1() - (other - own)).sum()
}
