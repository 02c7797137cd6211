//! What is told of drawn replies.

use super::advantage::Worth;
use super::rollout::Rolled;
use crate::eval::dialogue::{Replies, Reply};
use crate::train::event::RolloutFigures;

/// What the replies of a step are multiplied by, one after the other, and what that was made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Weights {
    pub(super) returns: Vec<f64>,
    pub(super) advantages: Vec<f64>,
    /// The divergence of each reply from the model at the start.
    pub(super) k3: Vec<f64>,
}

/// The figures of a step. `worth` is the rewards of its dialogues by their samples, `other` the
/// same with other personas.
pub(super) fn figures(
    rolled: &[Rolled],
    worth: &[Vec<Worth>],
    other: Option<&[Vec<Worth>]>,
    weights: &Weights,
) -> RolloutFigures {
    let all = || rolled.iter().flat_map(Rolled::drawn);
    let reward = |worth: &[Vec<Worth>]| mean(worth.iter().flatten().map(|worth| worth.total));
    let level = mean(weights.advantages.iter().copied());
    let variance = mean(weights.advantages.iter().map(|advantage| (advantage - level).powi(2)));
    RolloutFigures {
        reward: reward(worth),
        reward_other: other.map(reward),
        kl: mean(weights.k3.iter().copied()),
        entropy: mean(all().flat_map(|drawn| &drawn.log_probabilities).map(|found| -found)),
        advantage_sd: variance.sqrt(),
        unfinished: mean(all().map(|drawn| f64::from(u8::from(drawn.text.is_none())))),
        tokens: mean(all().map(|drawn| drawn.ids.len() as f64)),
        distinct_2: distinct_2(rolled),
    }
}

/// Different pairs of neighbouring words by such pairs; 0 where no reply has two words, for nothing
/// is less diverse.
pub(super) fn distinct_2(rolled: &[Rolled]) -> f64 {
    let rows = rolled.iter().enumerate().flat_map(|(dialogue, rolled)| {
        rolled.drawn().map(move |drawn| {
            let text = drawn.text.as_deref().unwrap_or_default();
            Reply { dialogue, text, gold: "", persona: &[] }
        })
    });
    let rows: Vec<Reply> = rows.collect();
    let distinct_2 = Replies::of(&rows, None).distinct_2.value;
    if distinct_2.is_nan() { 0.0 } else { distinct_2 }
}

/// The mean of some numbers.
pub(super) fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), number| (sum + number, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_without_two_words_are_not_diverse() {
        assert_eq!(distinct_2(&[]), 0.0, "a number, so that limits see it and files can hold it");
    }
}
