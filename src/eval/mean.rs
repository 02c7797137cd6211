//! The mean of a figure over seeds, and its standard deviation.

use serde::Serialize;

/// A mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, with `n - 1`; none for one seed.
    pub sd: Option<f64>,
}

impl Mean {
    /// The mean of numbers of which there is at least one.
    pub fn of(numbers: &[f64]) -> Self {
        let count = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / count;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        Self { mean, sd: (numbers.len() > 1).then(|| (squares / (count - 1.0)).sqrt()) }
    }
}
