//! Training: one loop for every task.

pub mod dialogue;
pub mod emotion;
mod event;
mod layer_rates;
mod learner;
pub mod linear;
mod pace;
mod plan;
pub mod policy;
pub mod reinforce;
mod settings;
mod state;
mod task;
pub mod value;

pub use event::{
    Answer, Checkpoint, EvalRow, Event, LossRow, RolloutFigures, RolloutRow, SpokenSample, StepDone,
};
pub use learner::{GradientLearner, Learner, StepOutcome};
pub use plan::Plan;
pub use policy::{Better, Score, Stop};
pub use settings::{TeacherValues, TrainSettings};
pub use state::State;
pub use task::{Pass, Task};

use std::path::Path;
use std::time::Instant;

use pace::Pace;
use policy::{Action, after_crossing, after_evaluation};

use crate::error::{Error, Result};

/// Trains from `state` on until a reason to stop, which is returned.
///
/// Everything that the world sees goes through `tell`: rows for logs, steps for a progress bar,
/// checkpoints to keep.
///
/// # Errors
/// If the model fails, the loss is no longer a number, or `tell` fails.
pub fn fit(
    learner: &mut dyn Learner,
    settings: &TrainSettings,
    state: &mut State,
    tell: &mut dyn FnMut(Event<'_>) -> Result<Answer>,
) -> Result<Stop> {
    let lengths = learner.lengths();
    let mut plan = Plan::new(&lengths, settings, learner.other_every());
    let warmup = (settings.warmup * plan.total_steps() as f64).round() as u64;
    let (begun, seconds_before) = (Instant::now(), state.seconds);
    let mut pace = Pace::default();
    if settings.patience > 0 && state.history.since_best >= settings.patience {
        return Ok(Stop::Patience);
    }
    if learner.crossed_limit().is_some() {
        return Ok(Stop::Limit);
    }
    if state.step == 0
        && let Some(scores) = learner.begin()?
    {
        state.seconds = seconds_before + begun.elapsed().as_secs_f64();
        tell(Event::Evaluated(EvalRow {
            step: 0,
            epoch: 0.0,
            scores,
            best: None,
            samples: learner.samples().to_vec(),
            seconds: state.seconds,
        }))?;
    }
    while state.step < plan.total_steps() {
        let rate = settings.learning_rate
            * settings.schedule.factor(state.step, warmup, plan.total_steps());
        let done = match learner.step(state.step, plan.batches(state.step), rate) {
            Ok(done) => done,
            Err(error) => {
                // Nothing was learned in this step, and what was before is not to be lost. If it
                // cannot be kept either, the first fault is the one to know of.
                if state.step > 0 {
                    let _ =
                        tell(Event::Save(Checkpoint::Last, &|folder| save(learner, state, folder)));
                }
                return Err(error);
            }
        };
        state.step += 1;
        refuse_divergence(state.step, &done)?;
        if done.rollout.is_none() {
            state.loss_sum += done.loss * done.weight as f64;
            state.loss_items += done.weight;
            state.gradient_norm = done.gradient_norm;
        }
        state.seconds = seconds_before + begun.elapsed().as_secs_f64();
        let epoch = state.step as f64 / plan.steps_per_epoch() as f64;
        let answer = tell(Event::Step(StepDone {
            step: state.step,
            loss: done.loss,
            samples: done.samples,
        }))?;

        if let Some(figures) = done.rollout {
            let (step, seconds) = (state.step, state.seconds);
            let (learning_rate, gradient_norm) = (rate, done.gradient_norm);
            tell(Event::Rollout(RolloutRow {
                step,
                epoch,
                figures,
                learning_rate,
                gradient_norm,
                seconds,
            }))?;
        }

        let is_due =
            state.step.is_multiple_of(settings.log_every) || state.step == plan.total_steps();
        if is_due && state.loss_items > 0 {
            let loss = state.loss_sum / state.loss_items as f64;
            (state.loss_sum, state.loss_items) = (0.0, 0);
            let (learning_rate, gradient_norm) = (rate, state.gradient_norm);
            let (step, seconds) = (state.step, state.seconds);
            tell(Event::Loss(LossRow {
                step,
                epoch,
                loss,
                learning_rate,
                gradient_norm,
                seconds,
            }))?;
        }

        let mut actions = Vec::new();
        if plan.evaluates_after(state.step) {
            let scores = learner.evaluate()?;
            let score = selected(&settings.select, &scores)?;
            let (patience, history) = (settings.patience, &mut state.history);
            actions = match learner.crossed_limit() {
                None => after_evaluation(patience, history, state.step, score),
                Some(_) => after_crossing(history),
            };
            state.seconds = seconds_before + begun.elapsed().as_secs_f64();
            let (step, best, seconds) = (state.step, state.history.best, state.seconds);
            let samples = learner.samples().to_vec();
            tell(Event::Evaluated(EvalRow { step, epoch, scores, best, samples, seconds }))?;
        }
        if answer == Answer::Pause && state.step < plan.total_steps() {
            if !actions.contains(&Action::SaveLast) {
                actions.push(Action::SaveLast);
            }
            actions.push(Action::Stop(Stop::Paused));
        }
        let goes_on = state.step < plan.total_steps()
            && !actions.iter().any(|action| matches!(action, Action::Stop(_)));
        for action in actions {
            match action {
                Action::SaveLast if goes_on && !pace.is_due(Instant::now()) => {}
                Action::SaveBest => {
                    tell(Event::Save(Checkpoint::Best, &|folder| learner.write(folder)))?;
                }
                Action::SaveLast => {
                    let begun = Instant::now();
                    tell(Event::Save(Checkpoint::Last, &|folder| save(learner, state, folder)))?;
                    pace.saved(begun, Instant::now());
                }
                Action::Stop(reason) => return Ok(reason),
            }
        }
    }
    Ok(Stop::Finished)
}

/// Writes all that is needed to go on.
fn save(learner: &dyn Learner, state: &State, folder: &Path) -> Result<()> {
    learner.write(folder)?;
    learner.write_state(folder)?;
    state.write(folder)
}

fn refuse_divergence(step: u64, done: &StepOutcome) -> Result<()> {
    let norm = done.gradient_norm.unwrap_or(0.0);
    if done.loss.is_finite() && norm.is_finite() {
        return Ok(());
    }
    let what =
        format!("the training diverged at step {step}: loss {}, gradient norm {norm}", done.loss);
    Err(Error::failure(what).help("lower train.learning_rate, or lengthen train.warmup"))
}

/// The score that checkpoints are compared by.
fn selected(name: &str, scores: &[Score]) -> Result<Score> {
    let found = scores.iter().find(|score| score.is_called(name)).copied();
    found.ok_or_else(|| Error::key("train.select", format!("this task has no score {name}")))
}
