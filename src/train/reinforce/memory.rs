//! What a training by rewards remembers from step to step, and the limits that it ends at.

use serde::{Deserialize, Serialize};

use super::figures::Weights;
use super::settings::ReinforceSettings;

/// What is to be remembered beside the model and the optimiser.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Perplexity and distinct-2 at the start.
    pub(super) start: Option<[f64; 2]>,
    /// The mean of the returns so far, and their number.
    pub(super) returns: (f64, u64),
    /// The divergence of the replies since the last evaluation, and their number.
    divergence: (f64, u64),
    /// The limit that was crossed.
    pub(super) crossed: Option<String>,
}

impl Memory {
    /// Counts the replies of a step.
    pub(super) fn count(&mut self, weights: &Weights) {
        let (mean, before) = self.returns;
        let now = before + weights.returns.len() as u64;
        let sum = mean * before as f64 + weights.returns.iter().sum::<f64>();
        self.returns = (sum / now.max(1) as f64, now);
        self.divergence.0 += weights.k3.iter().sum::<f64>();
        self.divergence.1 += weights.k3.len() as u64;
    }

    /// Looks whether a limit was crossed since the last evaluation, of which these are perplexity
    /// and distinct-2.
    pub(super) fn look(
        &mut self,
        settings: &ReinforceSettings,
        [perplexity, distinct_2]: [f64; 2],
    ) {
        let (divergence, replies) = std::mem::take(&mut self.divergence);
        let kl = divergence / replies.max(1) as f64;
        let Some([perplexity_before, distinct_before]) = self.start else { return };
        let risen = perplexity / perplexity_before - 1.0;
        let fallen = 1.0 - distinct_2 / distinct_before;
        self.crossed = if kl > settings.max_kl {
            Some(format!("the replies diverge by {kl:.1} nats from the start (reward.max_kl)"))
        } else if risen > settings.max_perplexity_rise {
            let share = 100.0 * risen;
            Some(format!("perplexity has risen by {share:.0}% (reward.max_perplexity_rise)"))
        } else if fallen > settings.max_distinct_fall {
            let share = 100.0 * fallen;
            Some(format!("distinct-2 has fallen by {share:.0}% (reward.max_distinct_fall)"))
        } else {
            None
        };
    }
}
