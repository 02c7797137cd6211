//! A training that writes: its run directory, its rows, its checkpoints, its end.

use std::path::Path;

use super::log::Log;
use super::provenance::now;
use super::{ProgressEvent, Site};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::run::{IfOccupied, Run, RunInfo};
use crate::train::{Answer, Checkpoint, Event, Learner, State, Stop, fit};

/// Where a training writes.
pub(super) enum Destination {
    /// A directory that does not exist yet, or is empty, or may be moved aside.
    New(IfOccupied),
    /// The run that is gone on with.
    Resumed(Run),
}

/// A training that is about to write.
pub(super) struct Session<'a> {
    pub(super) config: &'a Config,
    pub(super) path: &'a Path,
    pub(super) site: Site<'a>,
    /// The number of all its steps.
    pub(super) total: u64,
    /// The step after which it stops to be resumed later.
    pub(super) stop_after: Option<u64>,
    /// Whether TensorBoard is written for.
    pub(super) tensorboard: bool,
}

impl Session<'_> {
    /// Trains to the end, or until it is asked to stop.
    pub(super) fn train(
        &self,
        learner: &mut dyn Learner,
        destination: Destination,
        mut info: RunInfo,
    ) -> Result<Stop> {
        let (run, mut state) = self.begin(destination, &info, learner)?;
        let observer = self.site.observer;
        observer.tell(ProgressEvent::Begun { total: self.total, done: state.step });
        let mut log = Log::open(&run, state.step, self.tensorboard, observer)?;
        let stop = fit(learner, &self.config.train, &mut state, &mut |event| {
            let due = matches!(&event, Event::Step(done) if Some(done.step) == self.stop_after);
            match event {
                Event::Step(done) => log.step(done),
                Event::Loss(row) => log.loss(&row)?,
                Event::Rollout(row) => log.rollout(&row)?,
                Event::Evaluated(row) => {
                    log.evaluated(&row)?;
                    log.rest();
                }
                Event::Save(checkpoint, fill) => {
                    run.save(checkpoint, fill)?;
                    log.rest();
                }
            }
            Ok(if due || observer.asks_to_stop() { Answer::Pause } else { Answer::Continue })
        });
        observer.tell(ProgressEvent::Ended);
        let stop = stop.map_err(|error| {
            error.within(format!("the run in {} has stopped", self.path.display()))
        })?;
        (info.outcome, info.finished, info.seconds) = (Some(stop), Some(now()), state.seconds);
        run.write_info(&info)?;
        self.conclude(stop, &state, learner);
        Ok(stop)
    }

    /// The run directory, and where in the training it stands.
    fn begin(
        &self,
        destination: Destination,
        info: &RunInfo,
        learner: &mut dyn Learner,
    ) -> Result<(Run, State)> {
        let shown = self.path.display();
        match destination {
            Destination::Resumed(run) => {
                let last = run.checkpoint(Checkpoint::Last);
                let last =
                    last.ok_or_else(|| Error::file(self.path, "the last checkpoint is gone"))?;
                let state = State::read(&last)?;
                learner.read_state(&last, state.step)?;
                run.write_info(info)?;
                self.site
                    .note(&format!("going on after step {} of the run in {shown}", state.step));
                Ok((run, state))
            }
            Destination::New(if_occupied) => {
                let (run, aside) = Run::create(self.path, if_occupied)?;
                if let Some(aside) = aside {
                    self.site.note(&format!("the run that was here is now {}", aside.display()));
                }
                run.write_config(self.config)?;
                run.write_info(info)?;
                self.site.note(&format!("writing to {shown}"));
                Ok((run, State::default()))
            }
        }
    }

    fn conclude(&self, stop: Stop, state: &State, learner: &dyn Learner) {
        let best = match state.history.best {
            Some(best) => format!("; the best checkpoint is that of step {}", best.step),
            None if stop == Stop::Limit => {
                "; no checkpoint is the best, --checkpoint last names this one".into()
            }
            None => String::new(),
        };
        let step = state.step;
        self.site.note(&match stop {
            Stop::Finished => format!("{step} steps in {:.0} s{best}", state.seconds),
            Stop::Patience => {
                format!("stopped after step {step}: no better score for a while{best}")
            }
            Stop::Limit => {
                let why = learner.crossed_limit().unwrap_or("a limit was crossed");
                format!("stopped after step {step}: {why}{best}")
            }
            Stop::Paused => format!("stopped after step {step}; --resume goes on"),
        });
    }
}
