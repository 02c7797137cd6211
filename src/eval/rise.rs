//! Whether a figure that varies from step to step rose over a training.

use super::bootstrap::{Bootstrap, Interval};
use super::dialogue::Estimate;

/// How many steps a tenth of them has at least, for an interval to have a meaning.
const LEAST: usize = 5;

/// How far a figure rose from the first tenth of its steps to the last: the difference of the two
/// means, with a 95% bootstrap interval over the steps of both. It takes steps for independent, as those
/// are that learn from different dialogues.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rise {
    /// The difference.
    pub difference: Estimate,
    /// The number of steps in each tenth.
    pub steps: usize,
}

impl Rise {
    /// Of a figure of each step, in their order; none of fewer than fifty.
    pub fn of(figures: &[f64], bootstrap: Bootstrap) -> Option<Self> {
        let steps = figures.len() / 10;
        if steps < LEAST {
            return None;
        }
        let (first, last) = (&figures[..steps], &figures[figures.len() - steps..]);
        let mean = |figures: &[f64], drawn: &[u32]| {
            let weighted =
                figures.iter().zip(drawn).map(|(figure, &count)| figure * f64::from(count));
            weighted.sum::<f64>() / drawn.iter().copied().map(f64::from).sum::<f64>()
        };
        let rise = |drawn: &[u32]| mean(last, &drawn[steps..]) - mean(first, &drawn[..steps]);
        let interval = Interval::of(bootstrap.draw(2 * steps, rise));
        let difference = Estimate { value: rise(&vec![1; 2 * steps]), interval };
        Some(Self { difference, steps })
    }
}
