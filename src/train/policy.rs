//! Which checkpoint is the best, and when it is time to stop: decisions as plain values, without effects.

use serde::{Deserialize, Serialize};

/// A score on the eval split by which checkpoints are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Mean squared error: the lower the better.
    Mse,
    /// Mean F1 of the three classes.
    MacroF1,
    /// Share of rows in the right class.
    Accuracy,
}

impl Metric {
    /// Whether `score` is better than `other`. Equal scores are not, so the earliest checkpoint wins.
    pub fn better(self, score: f64, other: f64) -> bool {
        match self {
            Metric::Mse => score < other,
            Metric::MacroF1 | Metric::Accuracy => score > other,
        }
    }
}

/// The best evaluation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// After how many steps.
    pub step: u64,
    /// Its score.
    pub score: f64,
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
    /// It was asked to stop, and can be resumed.
    Paused,
}

/// Decides what an evaluation after `step` steps means. The history is the one that comes with it.
pub fn after_evaluation(
    metric: Metric,
    patience: u64,
    history: &mut History,
    step: u64,
    score: f64,
) -> Vec<Action> {
    let mut actions = Vec::new();
    if history.best.is_none_or(|best| metric.better(score, best.score)) {
        *history = History { best: Some(Best { step, score }), since_best: 0 };
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

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{SaveBest, SaveLast};

    #[test]
    fn checkpoints_and_stops_follow_from_the_scores() {
        const STOP: Action = Action::Stop(Stop::Patience);
        /// A score, and what it leads to.
        type Evaluation = (f64, &'static [Action]);
        let table: [(&str, Metric, u64, &[Evaluation]); 5] = [
            ("the first is the best", Metric::Mse, 0, &[(9.0, &[SaveBest, SaveLast])]),
            (
                "lower errors win",
                Metric::Mse,
                0,
                &[(0.5, &[SaveBest, SaveLast]), (0.4, &[SaveBest, SaveLast])],
            ),
            (
                "higher accuracies win",
                Metric::Accuracy,
                0,
                &[(0.5, &[SaveBest, SaveLast]), (0.4, &[SaveLast]), (0.6, &[SaveBest, SaveLast])],
            ),
            (
                "ties keep the earliest",
                Metric::MacroF1,
                0,
                &[(0.5, &[SaveBest, SaveLast]), (0.5, &[SaveLast])],
            ),
            (
                "patience counts from the best",
                Metric::Mse,
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
        for (name, metric, patience, evaluations) in table {
            let mut history = History::default();
            for (step, (score, expected)) in (1..).zip(evaluations) {
                let actions = after_evaluation(metric, patience, &mut history, step, *score);
                assert_eq!(&actions, expected, "{name}, evaluation {step}");
            }
        }
    }
}
