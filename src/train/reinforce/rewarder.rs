//! What rewards dialogues.

use super::advantage::Worth;
use crate::error::Result;

/// The utterances of a speaker with a persona.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken<'a> {
    /// Sentences about the speaker.
    pub persona: &'a [String],
    /// What the speaker says; none where nothing was said, or it was not ended.
    pub utterances: Vec<Option<&'a str>>,
}

/// Rewards dialogues.
pub trait Rewarder {
    /// What each dialogue is worth, in their order.
    ///
    /// # Errors
    /// If that cannot be said.
    fn worth(&mut self, dialogues: &[Spoken]) -> Result<Vec<Worth>>;

    /// Whether a dialogue may be rewarded for the persona of another one too, to compare.
    fn compares_personas(&self) -> bool;
}
