//! What every value model can do, whatever it is made of.

use crate::error::Result;
use crate::value::{Profile, Value};

/// Predicts how far scenarios serve values.
pub trait Predictor {
    /// The utility of each (value, scenario) pair, in [-1, 1], in the order of the pairs.
    ///
    /// # Errors
    /// If the model fails.
    fn utilities(&self, pairs: &[(Value, &str)]) -> Result<Vec<f32>>;

    /// The ten utilities of each scenario.
    ///
    /// # Errors
    /// If the model fails.
    fn profiles(&self, scenarios: &[&str]) -> Result<Vec<Profile>> {
        let pairs: Vec<(Value, &str)> =
            scenarios.iter().flat_map(|scenario| Value::ALL.map(|value| (value, *scenario))).collect();
        let utilities = self.utilities(&pairs)?;
        Ok(utilities
            .chunks_exact(Value::COUNT)
            .map(|chunk| std::array::from_fn(|index| chunk[index]))
            .collect())
    }
}
