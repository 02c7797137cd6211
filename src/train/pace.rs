//! How often the last checkpoint is written.

use std::time::{Duration, Instant};

/// What is written faster than this is written after every evaluation.
const FAST: Duration = Duration::from_millis(500);
/// What takes longer is written again once this many times as long has gone by.
const REST: u32 = 10;

/// Keeps the writing of last checkpoints to a tenth of the time. A large model on a fast GPU would
/// otherwise spend as long on its disk as on learning.
#[derive(Debug, Default)]
pub(super) struct Pace {
    due: Option<Instant>,
}

impl Pace {
    /// Whether the next checkpoint should be written now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| now >= due)
    }

    /// A checkpoint was written between these two moments.
    pub(super) fn saved(&mut self, begun: Instant, ended: Instant) {
        let took = ended - begun;
        self.due = (took > FAST).then(|| ended + took * REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_written_at_most_a_tenth_of_the_time() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut pace = Pace::default();
        assert!(pace.is_due(at(0.0)), "the first is always written");
        pace.saved(at(0.0), at(0.4));
        assert!(pace.is_due(at(0.4)), "so is what takes no time");
        pace.saved(at(1.0), at(3.0));
        assert!(!pace.is_due(at(22.9)));
        assert!(pace.is_due(at(23.0)));
    }
}
