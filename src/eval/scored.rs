//! What an evaluation is made of.

use crate::value::{Label, Value};

/// A row with the model's prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The value that was asked about.
    pub value: Value,
    /// The annotators' answer.
    pub label: Label,
    /// The predicted utility.
    pub utility: f64,
    /// The predicted class.
    pub class: Label,
    /// Whether the text stood in the train split, under whatever value, if that is known.
    pub seen: Option<bool>,
}
