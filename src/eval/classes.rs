//! How well texts are sorted into any number of classes, and whether two models differ in it.
//!
//! Rows with the same text are one cluster of the bootstrap: they are right or wrong together.
//! Quotients without meaning count as 0, as in [`super::confusion`], and macro F1 is over all
//! classes, present or not.

use serde::{Deserialize, Serialize};

use super::bootstrap::{Bootstrap, Interval};
use super::compare::{Difference, McNemar, p_value};
use super::confusion::ClassScores;
use super::dialogue::Estimate;

/// What a model said of a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Classified {
    /// The number of the row's class.
    pub label: usize,
    /// The number of the most probable class; of equally probable ones the first.
    pub predicted: usize,
    /// The place of the row's class among all, the most probable first; from 1.
    pub rank: usize,
    /// The negative logarithm of its probability, in nats.
    pub nll: f64,
    /// The number of the row's text; rows with the same text have the same.
    pub text: usize,
}

impl Classified {
    /// What these probabilities say of a row of this class.
    pub fn of(label: usize, probabilities: &[f32], text: usize) -> Self {
        let before = |&(number, &share): &(usize, &f32)| {
            share > probabilities[label] || share == probabilities[label] && number < label
        };
        let ranked = probabilities.iter().enumerate();
        let predicted =
            ranked.clone().fold(
                0,
                |best, (number, &share)| {
                    if share > probabilities[best] { number } else { best }
                },
            );
        Self {
            label,
            predicted,
            rank: 1 + ranked.filter(before).count(),
            nll: -f64::from(probabilities[label].max(f32::MIN_POSITIVE)).ln(),
            text,
        }
    }
}

/// The scores of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelledScores {
    /// Its name.
    pub label: String,
    /// Its scores.
    #[serde(flatten)]
    pub scores: ClassScores,
}

/// The report on some rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassEvaluation {
    /// The number of rows.
    pub rows: usize,
    /// The share of rows whose most probable class is theirs.
    pub accuracy: Estimate,
    /// The mean F1 of the classes.
    pub macro_f1: Estimate,
    /// The share of rows whose class is among the three most probable.
    pub top_3: Estimate,
    /// The share of rows whose class is among the five most probable.
    pub top_5: Estimate,
    /// The mean cross-entropy, in nats.
    pub loss: Estimate,
    /// The share of the most frequent class: the accuracy of always predicting it.
    pub majority: f64,
    /// The scores of each class.
    pub classes: Vec<LabelledScores>,
    /// How often each class (rows) was predicted as each (columns).
    pub confusion: Vec<Vec<u64>>,
}

/// The figures that have intervals, in this order: accuracy, macro F1, top 3, top 5, loss.
const FIGURES: usize = 5;

impl ClassEvaluation {
    /// Judges what a model said of rows, of which there is at least one.
    pub fn of(rows: &[Classified], labels: &[String], bootstrap: Option<Bootstrap>) -> Self {
        let classes = labels.len();
        let found = figures(rows, &vec![1; rows.len()], classes);
        let replicates: Vec<[f64; FIGURES]> = bootstrap
            .map(|plan| draw(plan, rows, |weights| figures(rows, weights, classes)))
            .unwrap_or_default();
        let estimate = |place: usize| Estimate {
            value: found[place],
            interval: Interval::of(replicates.iter().map(|figures| figures[place]).collect()),
        };
        let counts = confusion(rows, &vec![1; rows.len()], classes);
        let names = labels.iter().cloned();
        let scored =
            names.zip(scores(&counts)).map(|(label, scores)| LabelledScores { label, scores });
        let most = counts.iter().map(|row| row.iter().sum::<u64>()).max().unwrap_or(0);
        Self {
            rows: rows.len(),
            accuracy: estimate(0),
            macro_f1: estimate(1),
            top_3: estimate(2),
            top_5: estimate(3),
            loss: estimate(4),
            majority: most as f64 / rows.len().max(1) as f64,
            classes: scored.collect(),
            confusion: counts,
        }
    }
}

/// The comparison of two models on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassComparison {
    /// The number of rows.
    pub rows: usize,
    /// The share of rows whose most probable class is theirs.
    pub accuracy: Difference,
    /// The mean F1 of the classes.
    pub macro_f1: Difference,
    /// The share of rows whose class is among the three most probable.
    pub top_3: Difference,
    /// The share of rows whose class is among the five most probable.
    pub top_5: Difference,
    /// The mean cross-entropy, in nats.
    pub loss: Difference,
    /// McNemar's test of which rows are right.
    pub mcnemar: McNemar,
}

impl ClassComparison {
    /// Compares what two models said of the same rows in the same order.
    pub fn of(a: &[Classified], b: &[Classified], classes: usize, bootstrap: Bootstrap) -> Self {
        let both = |weights: &[u32]| [figures(a, weights, classes), figures(b, weights, classes)];
        let [of_a, of_b] = both(&vec![1; a.len()]);
        let replicates = draw(bootstrap, a, |weights| {
            let [a, b] = both(weights);
            std::array::from_fn::<f64, FIGURES, _>(|place| b[place] - a[place])
        });
        let difference = |place: usize| {
            let drawn: Vec<f64> = replicates.iter().map(|figures| figures[place]).collect();
            Difference {
                a: of_a[place],
                b: of_b[place],
                difference: of_b[place] - of_a[place],
                p: p_value(&drawn),
                interval: Interval::of(drawn),
                adjusted_p: None,
            }
        };
        let only = |this: &[Classified], other: &[Classified]| {
            this.iter().zip(other).filter(|(a, b)| a.rank == 1 && b.rank != 1).count() as u64
        };
        Self {
            rows: a.len(),
            accuracy: difference(0),
            macro_f1: difference(1),
            top_3: difference(2),
            top_5: difference(3),
            loss: difference(4),
            mcnemar: McNemar::of(only(a, b), only(b, a)),
        }
    }
}

/// What `measure` says of each replicate, which gets a weight for each row.
fn draw<R: Send>(
    bootstrap: Bootstrap,
    rows: &[Classified],
    measure: impl Fn(&[u32]) -> R + Sync,
) -> Vec<R> {
    let texts = rows.iter().map(|row| row.text + 1).max().unwrap_or(0);
    bootstrap
        .draw(texts, |drawn| measure(&rows.iter().map(|row| drawn[row.text]).collect::<Vec<u32>>()))
}

fn figures(rows: &[Classified], weights: &[u32], classes: usize) -> [f64; FIGURES] {
    let all: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    let mean = |of: &dyn Fn(&Classified) -> f64| {
        let sum: f64 = rows.iter().zip(weights).map(|(row, &it)| f64::from(it) * of(row)).sum();
        sum / all
    };
    let within = |most: usize| mean(&|row| f64::from(u8::from(row.rank <= most)));
    let f1: f64 = scores(&confusion(rows, weights, classes)).map(|class| class.f1).sum();
    [within(1), f1 / classes as f64, within(3), within(5), mean(&|row| row.nll)]
}

fn confusion(rows: &[Classified], weights: &[u32], classes: usize) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; classes]; classes];
    for (row, &weight) in rows.iter().zip(weights) {
        counts[row.label][row.predicted] += u64::from(weight);
    }
    counts
}

fn scores(counts: &[Vec<u64>]) -> impl Iterator<Item = ClassScores> {
    (0..counts.len()).map(|class| {
        let support = counts[class].iter().sum();
        let predicted = counts.iter().map(|row| row[class]).sum();
        ClassScores::of(counts[class][class], support, predicted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Classified> {
        vec![
            Classified::of(0, &[0.6, 0.3, 0.1, 0.0], 0),
            Classified::of(1, &[0.6, 0.3, 0.1, 0.0], 0),
            Classified::of(2, &[0.25, 0.25, 0.25, 0.25], 1),
            Classified::of(3, &[0.0, 0.2, 0.3, 0.5], 2),
        ]
    }

    #[test]
    fn ranks_count_what_is_more_probable_and_equals_that_come_first() {
        let found: Vec<(usize, usize)> = rows().iter().map(|it| (it.predicted, it.rank)).collect();
        assert_eq!(found, [(0, 1), (0, 2), (0, 3), (3, 1)]);
        assert!((rows()[0].nll - -(0.6f64.ln())).abs() < 1e-7);
    }

    #[test]
    fn figures_are_those_of_scikit_learn() {
        let labels = ["a", "b", "c", "d"].map(String::from);
        let found = ClassEvaluation::of(&rows(), &labels, None);
        assert_eq!((found.accuracy.value, found.top_3.value), (0.5, 1.0));
        // f1_score([0, 1, 2, 3], [0, 0, 0, 3], average=None) = [.5, 0, 0, 1]
        assert_eq!(found.macro_f1.value, 0.375);
        assert_eq!(found.confusion[1], [1, 0, 0, 0]);
        assert_eq!((found.majority, found.classes[0].scores.precision), (0.25, 1.0 / 3.0));
    }

    #[test]
    fn a_model_is_no_better_than_itself_and_worse_than_one_that_is_always_right() {
        let all: Vec<Classified> =
            (0..200).map(|row| Classified::of(row % 4, &[0.4, 0.3, 0.2, 0.1], row)).collect();
        let right: Vec<Classified> =
            all.iter().map(|it| Classified { predicted: it.label, rank: 1, ..*it }).collect();
        let bootstrap = Bootstrap { replicates: 200, seed: 1 };
        let same = ClassComparison::of(&all, &all, 4, bootstrap);
        assert_eq!((same.accuracy.difference, same.accuracy.p), (0.0, Some(1.0)));
        let better = ClassComparison::of(&all, &right, 4, bootstrap);
        assert_eq!(better.accuracy.difference, 0.75);
        assert!(better.accuracy.p.is_some_and(|p| p < 0.05) && better.mcnemar.p < 1e-6);
        assert_eq!((better.mcnemar.only_a, better.mcnemar.only_b), (0, 150));
    }
}
