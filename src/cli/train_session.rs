//! A training that writes: its run directory, its interrupts, its end.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use valuenet::config::Config;
use valuenet::error::{Error, Result};
use valuenet::run::{IfOccupied, Info, Run};
use valuenet::train::{Answer, Checkpoint, Event, Learner, State, Stop, fit};

use super::output::Console;
use super::progress::Training;
use super::provenance::now;
use super::train_log::TrainLog;

/// How a training came to its end.
pub enum Outcome {
    Ended(Stop),
    Interrupted,
    /// It was only to be prepared.
    Planned,
}

impl Outcome {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Ended(_) | Self::Planned => ExitCode::SUCCESS,
            Self::Interrupted => ExitCode::from(130),
        }
    }
}

/// Where a training writes.
pub enum Place {
    /// A directory that does not exist yet, or is empty, or may be moved aside.
    New(IfOccupied),
    /// The run that is gone on with.
    Resumed(Run),
}

/// A training that is about to write.
pub struct Session<'a> {
    pub config: &'a Config,
    pub path: &'a Path,
    pub console: &'a Console,
    /// The number of all its steps.
    pub total: u64,
    /// The step after which it stops to be resumed later.
    pub stop_after: Option<u64>,
    /// Whether TensorBoard is written for.
    pub tensorboard: bool,
}

impl Session<'_> {
    /// Trains to the end, or until it is asked to stop.
    pub fn train(&self, learner: &mut dyn Learner, place: Place, mut info: Info) -> anyhow::Result<Outcome> {
        let (run, mut state) = self.begin(place, &info, learner)?;
        let interrupted = catch_interrupts()?;
        let progress = Training::new(self.console, self.total, state.step);
        let mut log = TrainLog::open(&run, state.step, progress, self.tensorboard)?;
        let stop = fit(learner, &self.config.train, &mut state, &mut |event| {
            let due = matches!(&event, Event::Step(done) if Some(done.step) == self.stop_after);
            log.tell(event)?;
            let pause = due || interrupted.load(Ordering::Relaxed);
            Ok(if pause { Answer::Pause } else { Answer::Continue })
        });
        log.finish();
        let stop = stop.with_context(|| format!("the run in {} has stopped", self.path.display()))?;
        (info.outcome, info.finished, info.seconds) = (Some(stop), Some(now()), state.seconds);
        run.write_info(&info)?;
        self.conclude(stop, &state);
        match stop == Stop::Paused && interrupted.load(Ordering::Relaxed) {
            true => Ok(Outcome::Interrupted),
            false => Ok(Outcome::Ended(stop)),
        }
    }

    /// The run directory, and where in the training it stands.
    fn begin(&self, place: Place, info: &Info, learner: &mut dyn Learner) -> Result<(Run, State)> {
        let shown = self.path.display();
        match place {
            Place::Resumed(run) => {
                let last = run.checkpoint(Checkpoint::Last);
                let last = last.ok_or_else(|| Error::file(self.path, "the last checkpoint is gone"))?;
                let state = State::read(&last)?;
                learner.read_state(&last, state.step)?;
                run.write_info(info)?;
                self.console.note(&format!("going on after step {} of the run in {shown}", state.step));
                Ok((run, state))
            }
            Place::New(if_occupied) => {
                let (run, aside) = Run::create(self.path, if_occupied)?;
                if let Some(aside) = aside {
                    self.console.note(&format!("the run that was here is now {}", aside.display()));
                }
                run.write_config(self.config)?;
                run.write_info(info)?;
                self.console.note(&format!("writing to {shown}"));
                Ok((run, State::default()))
            }
        }
    }

    fn conclude(&self, stop: Stop, state: &State) {
        let best = match state.history.best {
            Some(best) => format!("; the best checkpoint is that of step {}", best.step),
            None => String::new(),
        };
        let step = state.step;
        self.console.note(&match stop {
            Stop::Finished => format!("{step} steps in {:.0} s{best}", state.seconds),
            Stop::Patience => {
                format!("stopped after step {step}: no better score for a while{best}")
            }
            Stop::Paused => format!("stopped after step {step}; --resume goes on"),
        });
    }
}

/// From now on the first Ctrl-C asks for a stop after the current step, and the second ends the program.
fn catch_interrupts() -> anyhow::Result<&'static AtomicBool> {
    static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    static CAUGHT: AtomicBool = AtomicBool::new(false);
    if !CAUGHT.swap(true, Ordering::Relaxed) {
        ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        })
        .context("cannot catch Ctrl-C")?;
    }
    Ok(&INTERRUPTED)
}
