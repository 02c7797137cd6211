//! What can be trained by its gradients: a network, samples with a loss, and scores on held-out data.

use std::path::Path;

use super::event::Scores;
use crate::error::Result;
use crate::nn::params::Params;
use crate::nn::tape::{Node, Tape};

/// Something that [`super::Descent`] can train.
pub trait Task {
    /// The parameters that are trained.
    fn params(&self) -> &Params;

    /// The length of each training sample, in tokens.
    fn lengths(&self) -> Vec<usize>;

    /// `weight` times the sum of the losses of these samples.
    ///
    /// # Errors
    /// If the network fails.
    fn loss(&self, tape: &Tape, samples: &[usize], weight: f64) -> Result<Node>;

    /// The scores on held-out data.
    ///
    /// # Errors
    /// If the network fails.
    fn evaluate(&self) -> Result<Scores>;

    /// Writes the model into an empty folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write(&self, folder: &Path) -> Result<()>;
}
