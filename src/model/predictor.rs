//! What every value model can do, whatever it is made of.

use crate::error::{Error, Result};
use crate::value::{Label, LabelCounts, Profile, Value};

/// What a model says of a scenario under a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The utility, in [-1, 1].
    pub utility: f32,
    /// The class.
    pub class: Label,
    /// The probabilities of the classes -1, 0 and +1, if the model gives any.
    pub probabilities: Option<[f32; Label::COUNT]>,
}

/// The predictions for a scenario under all values, in the order of [`Value::ALL`].
pub type TenPredictions = [Prediction; Value::COUNT];

impl Prediction {
    /// That of a regression: the class is the nearest integer. `None` if the utility is not
    /// finite.
    pub fn of_utility(utility: f32) -> Option<Self> {
        let class = Label::of_utility(utility.into()).filter(|_| utility.is_finite())?;
        Some(Self { utility, class, probabilities: None })
    }

    /// That of probabilities of the classes -1, 0 and +1: the most probable class, the first of equal
    /// ones, and `p(+1) - p(-1)`. `None` if one is not finite.
    pub fn of_probabilities(shares: [f32; Label::COUNT]) -> Option<Self> {
        let largest = shares.into_iter().reduce(f32::max)?;
        let class = Label::ALL.into_iter().find(|label| shares[label.index()] == largest)?;
        let utility = shares[Label::Yes.index()] - shares[Label::No.index()];
        let is_finite = shares.iter().all(|share| share.is_finite());
        is_finite.then_some(Self { utility, class, probabilities: Some(shares) })
    }

    /// That of a classifier: the class of the largest logit, the first of equal ones, and `p(+1) -
    /// p(-1)`. `None` if a logit is not finite.
    pub fn of_logits(logits: [f32; Label::COUNT]) -> Option<Self> {
        let largest = logits.iter().fold(f32::NEG_INFINITY, |largest, logit| largest.max(*logit));
        let class = Label::ALL.into_iter().find(|label| logits[label.index()] == largest)?;
        let shares = logits.map(|logit| f64::from(logit - largest).exp());
        let total = shares.iter().sum::<f64>();
        let difference = shares[Label::Yes.index()] - shares[Label::No.index()];
        let utility = (difference / total) as f32;
        let probabilities = Some(shares.map(|share| (share / total) as f32));
        utility.is_finite().then_some(Self { utility, class, probabilities })
    }
}

/// Predicts how far scenarios serve values.
pub trait Predictor {
    /// The prediction for each (value, scenario) pair, in the order of the pairs.
    ///
    /// # Errors
    /// If the model fails, or predicts a number that is not finite.
    fn predict(&self, pairs: &[(Value, &str)]) -> Result<Vec<Prediction>>;

    /// The utilities alone.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    fn utilities(&self, pairs: &[(Value, &str)]) -> Result<Vec<f32>> {
        Ok(self.predict(pairs)?.into_iter().map(|prediction| prediction.utility).collect())
    }

    /// The predictions for each scenario under all ten values.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    fn predict_all(&self, scenarios: &[&str]) -> Result<Vec<TenPredictions>> {
        let pairs: Vec<(Value, &str)> = scenarios
            .iter()
            .flat_map(|scenario| Value::ALL.map(|value| (value, *scenario)))
            .collect();
        Ok(tens(&self.predict(&pairs)?))
    }

    /// The ten utilities of each scenario.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    fn profiles(&self, scenarios: &[&str]) -> Result<Vec<Profile>> {
        let utilities = |ten: TenPredictions| ten.map(|prediction| prediction.utility);
        Ok(self.predict_all(scenarios)?.into_iter().map(utilities).collect())
    }

    /// How a class comes to be, for reports.
    fn rule(&self) -> &'static str;

    /// What a label is to it, for those that do not tell all three apart.
    fn meant(&self, label: Label) -> Label {
        label
    }

    /// Whether its predictions have the probabilities of the classes.
    fn has_probabilities(&self) -> bool;

    /// In which precision it computes: `f32` or `bf16`.
    fn dtype(&self) -> &'static str;

    /// What a user should know of how the predictions so far came about.
    fn warning(&self) -> Option<String> {
        None
    }

    /// The label counts of the split it was trained on, if known.
    fn train_labels(&self) -> Option<&LabelCounts>;
}

/// Ten predictions in a row are those of one scenario.
pub(super) fn tens(predictions: &[Prediction]) -> Vec<TenPredictions> {
    predictions.as_chunks().0.to_vec()
}

/// All predictions, or an error if one is `None`: its utility was not finite.
pub(super) fn whole(predictions: Vec<Option<Prediction>>) -> Result<Vec<Prediction>> {
    predictions.into_iter().collect::<Option<_>>().ok_or_else(|| {
        Error::failure("the model predicted a number that is not finite")
            .help("the training may have diverged: lower the learning rate")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_logits_give_a_class_and_a_utility() {
        let of = |logits| Prediction::of_logits(logits);
        let third = Some([1.0 / 3.0; 3]);
        let even = Prediction { utility: 0.0, class: Label::No, probabilities: third };
        assert_eq!(of([0.0; 3]), Some(even));
        let probabilities = Some([0.0, 0.0, 1.0]);
        let sure = Prediction { utility: 1.0, class: Label::Yes, probabilities };
        assert_eq!(of([-200.0, 0.0, 300.0]), Some(sure));
        let utility =
            of([0.0, 1.0, 2f32.ln()]).map(|some| (some.class, (some.utility * 1e5).round()));
        let expected = 1e5 / (3.0 + std::f32::consts::E);
        assert_eq!(utility, Some((Label::Unrelated, expected.round())));
        assert_eq!(Prediction::of_logits([f32::NAN; 3]), None);
        assert_eq!(Prediction::of_logits([0.0, f32::INFINITY, 0.0]), None);
        assert_eq!(Prediction::of_utility(f32::NAN), None);
        assert_eq!(Prediction::of_utility(f32::INFINITY), None);
    }
}
