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
    /// The number of its text among the texts that are judged, counted from 0: rows with the same
    /// one share their text.
    pub text: usize,
    /// Whether the text stood in the train split, under whatever value, if that is known.
    pub seen: Option<bool>,
}
