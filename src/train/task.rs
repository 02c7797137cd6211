//! What can be trained by its gradients: a network, samples with a loss, and scores on held-out
//! data.

use std::path::Path;

use super::policy::Score;
use crate::error::Result;
use crate::nn::params::Params;
use crate::nn::tape::{Node, Tape};

/// One pass through the network, of the several that an optimiser step may be made of.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a> {
    /// What records it.
    pub tape: &'a Tape,
    /// One over the weight of the whole step, so that the losses of its passes add up to a mean.
    pub scale: f64,
    /// The number of this pass in the training.
    pub number: u64,
    /// The seed of the training. Whatever a task draws by chance is keyed by seed and number.
    pub seed: u64,
}

/// Something that [`super::Descent`] can train.
pub trait Task {
    /// The parameters that are trained.
    fn params(&self) -> &Params;

    /// The length of each training sample, in tokens.
    fn lengths(&self) -> Vec<usize>;

    /// How much these samples weigh in the mean loss of a step, in the task's own unit: their
    /// number, or that of their tokens.
    fn weight(&self, samples: &[usize]) -> u64 {
        samples.len() as u64
    }

    /// The sum of the losses of these samples, times the pass's scale.
    ///
    /// # Errors
    /// If the network fails.
    fn loss(&self, pass: &Pass, samples: &[usize]) -> Result<Node>;

    /// The scores on held-out data.
    ///
    /// # Errors
    /// If the network fails.
    fn evaluate(&self) -> Result<Vec<Score>>;

    /// Writes the model into an empty folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write(&self, folder: &Path) -> Result<()>;
}

impl<T: Task> Task for &T {
    fn params(&self) -> &Params {
        (**self).params()
    }

    fn lengths(&self) -> Vec<usize> {
        (**self).lengths()
    }

    fn weight(&self, samples: &[usize]) -> u64 {
        (**self).weight(samples)
    }

    fn loss(&self, pass: &Pass, samples: &[usize]) -> Result<Node> {
        (**self).loss(pass, samples)
    }

    fn evaluate(&self) -> Result<Vec<Score>> {
        (**self).evaluate()
    }

    fn write(&self, folder: &Path) -> Result<()> {
        (**self).write(folder)
    }
}
