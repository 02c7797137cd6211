//! Which checkpoint is the best, and when it is time to stop: decisions as plain values, without
//! effects.

use serde::{Deserialize, Deserializer, Serialize};

/// A figure of an evaluation on held-out data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// What it is called, in words with `_` between.
    pub name: &'static str,
    /// The figure.
    pub value: f64,
    /// Which figures are better.
    pub better: Better,
}

impl Score {
    /// An error or a loss.
    pub fn lower_is_better(name: &'static str, value: f64) -> Self {
        Self { name, value, better: Better::Lower }
    }

    /// A share or a gain.
    pub fn higher_is_better(name: &'static str, value: f64) -> Self {
        Self { name, value, better: Better::Higher }
    }

    /// Whether it is the one that `train.select` calls so, with `-` between words.
    pub fn is_called(&self, selected: &str) -> bool {
        self.name == selected.replace('-', "_")
    }

    /// Whether it is better than `other`. Equal ones are not, so the earliest checkpoint wins; any
    /// number is better than none.
    pub fn is_better_than(&self, other: f64) -> bool {
        match self.better {
            _ if other.is_nan() => !self.value.is_nan(),
            Better::Lower => self.value < other,
            Better::Higher => self.value > other,
        }
    }
}

/// Which figures are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The lower ones.
    Lower,
    /// The higher ones.
    Higher,
}

/// The best evaluation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// After how many steps.
    pub step: u64,
    /// Its score.
    #[serde(deserialize_with = "number_or_none")]
    pub score: f64,
}

/// A number as JSON has it, which knows no NaN.
fn number_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// What the evaluations so far say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The best of them.
    pub best: Option<Best>,
    /// How many have come since.
    pub since_best: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Keep the model as the best one.
    SaveBest,
    /// Keep the model and the state of training, to go on from.
    SaveLast,
    /// End the training.
    Stop(Stop),
}

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// All steps are done.
    Finished,
    /// The score has not become better for too long.
    Patience,
    /// A limit was crossed beyond which the model is no good.
    Limit,
    /// It was asked to stop, and can be resumed.
    Paused,
}

/// Decides what an evaluation after `step` steps means. The history is the one that comes with it.
pub fn after_evaluation(
    patience: u64,
    history: &mut History,
    step: u64,
    score: Score,
) -> Vec<Action> {
    let mut actions = Vec::new();
    if history.best.is_none_or(|best| score.is_better_than(best.score)) {
        *history = History { best: Some(Best { step, score: score.value }), since_best: 0 };
        actions.push(Action::SaveBest);
    } else {
        history.since_best += 1;
    }
    actions.push(Action::SaveLast);
    if patience > 0 && history.since_best >= patience {
        actions.push(Action::Stop(Stop::Patience));
    }
    actions
}

/// The same after an evaluation in which a limit was crossed: such a model is never the best.
pub fn after_crossing(history: &mut History) -> Vec<Action> {
    history.since_best += 1;
    vec![Action::SaveLast, Action::Stop(Stop::Limit)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{SaveBest, SaveLast};

    #[test]
    fn checkpoints_and_stops_follow_from_the_scores() {
        const STOP: Action = Action::Stop(Stop::Patience);
        /// A score, and what it leads to.
        type Evaluation = (f64, &'static [Action]);
        let table: [(&str, Better, u64, &[Evaluation]); 6] = [
            ("the first is the best", Better::Lower, 0, &[(9.0, &[SaveBest, SaveLast])]),
            (
                "lower errors win",
                Better::Lower,
                0,
                &[(0.5, &[SaveBest, SaveLast]), (0.4, &[SaveBest, SaveLast])],
            ),
            (
                "higher accuracies win",
                Better::Higher,
                0,
                &[(0.5, &[SaveBest, SaveLast]), (0.4, &[SaveLast]), (0.6, &[SaveBest, SaveLast])],
            ),
            (
                "ties keep the earliest",
                Better::Higher,
                0,
                &[(0.5, &[SaveBest, SaveLast]), (0.5, &[SaveLast])],
            ),
            (
                "any number is better than none",
                Better::Higher,
                0,
                &[
                    (f64::NAN, &[SaveBest, SaveLast]),
                    (f64::NAN, &[SaveLast]),
                    (-0.5, &[SaveBest, SaveLast]),
                ],
            ),
            (
                "patience counts from the best",
                Better::Lower,
                2,
                &[
                    (0.5, &[SaveBest, SaveLast]),
                    (0.6, &[SaveLast]),
                    (0.4, &[SaveBest, SaveLast]),
                    (0.4, &[SaveLast]),
                    (f64::NAN, &[SaveLast, STOP]),
                ],
            ),
        ];
        for (name, better, patience, evaluations) in table {
            let mut history = History::default();
            for (step, (value, expected)) in (1..).zip(evaluations) {
                let score = Score { name: "score", value: *value, better };
                let actions = after_evaluation(patience, &mut history, step, score);
                assert_eq!(&actions, expected, "{name}, evaluation {step}");
            }
        }
    }
}
