//! Many askers, one model: a queue whose owner scores together what waits in it.
//!
//! Whoever has the model calls [`Queue::work`] on one thread; any other thread may [`Queue::push`].
//! What waits is scored as one batch, after a short delay in which more may come if it is small.
//! Requests are not split over batches, unless one alone is larger than a batch.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::score;
use crate::error::Result;
use crate::model::Predictor;
use crate::value::ScoredText;

/// How much is scored at once, and how much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most texts in a batch.
    pub batch: usize,
    /// How long a batch that is not full waits for more.
    pub delay: Duration,
    /// The most texts that wait; more are refused.
    pub waiting: usize,
}

/// Who waits for scores.
pub trait Asker: Send {
    /// Whether the scores are still wanted.
    fn is_waiting(&self) -> bool;

    /// Takes the scores, in the order of the texts, or why there are none.
    fn answer(self, scores: Result<Vec<ScoredText>>);
}

/// Why a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too much waits already.
    Full,
    /// The queue is closed.
    Closed,
}

#[derive(Debug)]
struct Job<A> {
    texts: Vec<String>,
    asker: A,
}

#[derive(Debug)]
struct State<A> {
    jobs: VecDeque<Job<A>>,
    /// The texts of all jobs.
    texts: usize,
    is_closed: bool,
}

/// The queue.
#[derive(Debug)]
pub struct Queue<A> {
    limits: Limits,
    state: Mutex<State<A>>,
    changed: Condvar,
}

impl<A: Asker> Queue<A> {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        let state = State { jobs: VecDeque::new(), texts: 0, is_closed: false };
        Self { limits, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Puts texts into the queue; their scores go to `asker`. A request is taken whatever its size
    /// if nothing waits.
    ///
    /// # Errors
    /// If too much waits already, or the queue is closed.
    pub fn push(&self, texts: Vec<String>, asker: A) -> Result<(), Refused> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        if state.texts > 0 && state.texts + texts.len() > self.limits.waiting {
            return Err(Refused::Full);
        }
        state.texts += texts.len();
        state.jobs.push_back(Job { texts, asker });
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// How many texts wait.
    pub fn waiting(&self) -> usize {
        self.state().texts
    }

    /// Takes nothing more; what waits is still scored.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    /// Scores until the queue is closed and empty, and tells `scored` how many texts each batch
    /// had.
    pub fn work(&self, model: &dyn Predictor, scored: &mut dyn FnMut(usize)) {
        while let Some(jobs) = self.take() {
            answer(model, jobs, self.limits.batch.max(1), scored);
        }
    }

    /// The next batch; none if the queue is closed and empty.
    fn take(&self) -> Option<Vec<Job<A>>> {
        let mut state = self.state();
        while state.jobs.is_empty() {
            if state.is_closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let begun = Instant::now();
        while state.texts < self.limits.batch && !state.is_closed {
            let Some(rest) =
                self.limits.delay.checked_sub(begun.elapsed()).filter(|rest| !rest.is_zero())
            else {
                break;
            };
            state =
                self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        let (mut jobs, mut texts) = (Vec::new(), 0);
        while let Some(next) = state.jobs.front().map(|job| job.texts.len()) {
            if !jobs.is_empty() && texts + next > self.limits.batch {
                break;
            }
            texts += next;
            jobs.extend(state.jobs.pop_front());
        }
        state.texts -= texts;
        Some(jobs)
    }

    /// Another thread's panic does not spoil what the lock guards: each change is whole before
    /// anything can panic.
    fn state(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Scores jobs together; if that fails each alone, so that a text no model can score spoils no
/// other's scores.
fn answer<A: Asker>(
    model: &dyn Predictor,
    mut jobs: Vec<Job<A>>,
    batch: usize,
    scored: &mut dyn FnMut(usize),
) {
    jobs.retain(|job| job.asker.is_waiting());
    if jobs.len() > 1 {
        let texts: Vec<String> = jobs.iter().flat_map(|job| job.texts.iter().cloned()).collect();
        let count = texts.len();
        if let Ok(scores) = score(model, texts) {
            scored(count);
            let mut scores = scores.into_iter();
            for job in jobs {
                job.asker.answer(Ok(scores.by_ref().take(job.texts.len()).collect()));
            }
            return;
        }
    }
    for job in jobs {
        let mut scores = Ok(Vec::with_capacity(job.texts.len()));
        for texts in job.texts.chunks(batch) {
            if scores.is_err() || !job.asker.is_waiting() {
                break;
            }
            scores = scores.and_then(|mut scores| {
                scores.extend(score(model, texts.to_vec())?);
                scored(texts.len());
                Ok(scores)
            });
        }
        job.asker.answer(scores);
    }
}
