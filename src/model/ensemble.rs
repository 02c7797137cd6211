//! Several value models as one: the mean of what they say.

use std::fmt;
use std::path::Path;

use super::predictor::{Prediction, Predictor, TenPredictions, tens, whole};
use crate::error::{Error, Result};
use crate::value::{Label, LabelCounts, Value};

/// Value models that were trained alike, as under several seeds.
pub struct Ensemble {
    members: Vec<Box<dyn Predictor>>,
    parameters: usize,
}

impl fmt::Debug for Ensemble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} models together", self.members.len())
    }
}

impl Ensemble {
    /// The models together, which have so many parameters; `folder` is where they come from.
    ///
    /// # Errors
    /// If there is none, or classes come about in another way in one than in another.
    pub fn new(members: Vec<Box<dyn Predictor>>, parameters: usize, folder: &Path) -> Result<Self> {
        let mut rules = members.iter().map(|member| member.rule());
        match rules.next() {
            None => Err(Error::file(folder, "there is no model here")),
            Some(rule) if rules.any(|other| other != rule) => {
                let what = "some of the models here are regressions and some classifiers";
                Err(Error::file(folder, what).help("an ensemble is of models of one kind"))
            }
            Some(_) => Ok(Self { members, parameters }),
        }
    }

    /// The number of all their parameters, each number of a tensor counted.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// What the first member is, which all are alike in.
    fn first(&self) -> &dyn Predictor {
        self.members[0].as_ref() // there is one
    }
}

impl Predictor for Ensemble {
    fn predict(&self, pairs: &[(Value, &str)]) -> Result<Vec<Prediction>> {
        let all: Vec<Vec<Prediction>> =
            self.members.iter().map(|member| member.predict(pairs)).collect::<Result<_>>()?;
        let row = |row: usize| mean(all.iter().map(|predictions| predictions[row]));
        whole((0..pairs.len()).map(row).collect())
    }

    fn predict_all(&self, scenarios: &[&str]) -> Result<Vec<TenPredictions>> {
        let all: Vec<Vec<TenPredictions>> = self
            .members
            .iter()
            .map(|member| member.predict_all(scenarios))
            .collect::<Result<_>>()?;
        let rows = (0..scenarios.len()).flat_map(|row| {
            let all = &all;
            (0..Value::COUNT).map(move |value| mean(all.iter().map(|rows| rows[row][value])))
        });
        Ok(tens(&whole(rows.collect())?))
    }

    fn rule(&self) -> &'static str {
        self.first().rule()
    }

    fn meant(&self, label: Label) -> Label {
        self.first().meant(label)
    }

    fn has_probabilities(&self) -> bool {
        self.first().has_probabilities()
    }

    fn dtype(&self) -> &'static str {
        self.first().dtype()
    }

    fn warning(&self) -> Option<String> {
        self.members.iter().find_map(|member| member.warning())
    }

    fn train_labels(&self) -> Option<&LabelCounts> {
        self.first().train_labels()
    }
}

/// The mean of predictions: of probabilities where all have some, otherwise of utilities.
fn mean(predictions: impl Iterator<Item = Prediction> + Clone) -> Option<Prediction> {
    let count = predictions.clone().count() as f64;
    let mean_of = |number: &dyn Fn(Prediction) -> f32| {
        (predictions.clone().map(|one| f64::from(number(one))).sum::<f64>() / count) as f32
    };
    if predictions.clone().any(|one| one.probabilities.is_none()) {
        return Prediction::of_utility(mean_of(&|one| one.utility));
    }
    let share = |label: Label| {
        mean_of(&|one| one.probabilities.map_or(f32::NAN, |shares| shares[label.index()]))
    };
    Prediction::of_probabilities(Label::ALL.map(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_of_probabilities_where_all_have_some() {
        let both = [[0.0, 0.0, 3.0], [0.0, 0.0, -9.0]].map(Prediction::of_logits);
        let together = mean(both.into_iter().flatten());
        let mean_of = |number: &dyn Fn(Prediction) -> f32| {
            both.into_iter().flatten().map(number).sum::<f32>() / 2.0
        };
        let near = |found: f32, expected: f32| (found - expected).abs() < 1e-6;
        let utility = mean_of(&|one| one.utility);
        assert!(together.is_some_and(|found| near(found.utility, utility)));
        for label in Label::ALL {
            let of = |one: Prediction| one.probabilities.map_or(f32::NAN, |it| it[label.index()]);
            assert!(together.is_some_and(|found| near(of(found), mean_of(&of))), "{label}");
        }
        assert!(together.is_some_and(|found| found.class == Label::Yes));

        let both = [0.75, -0.25].map(Prediction::of_utility);
        let expected = Prediction::of_utility(0.25);
        assert_eq!(mean(both.into_iter().flatten()), expected);
        let first = Prediction::of_probabilities([0.4, 0.2, 0.4]).map(|one| one.class);
        assert_eq!(first, Some(Label::No), "the first of equal ones");
        assert_eq!(Prediction::of_probabilities([0.5, f32::NAN, 0.5]), None);
    }
}
