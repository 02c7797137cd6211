//! Training: one loop for every task.

mod event;
mod plan;
pub mod policy;
mod settings;
mod state;
mod task;
pub mod value;

pub use event::{Answer, Checkpoint, EvalRow, Event, LossRow, Scores, StepDone};
pub use plan::Plan;
pub use policy::Stop;
pub use settings::TrainSettings;
pub use state::State;
pub use task::Task;

use std::time::Instant;

use policy::{Action, Metric, after_evaluation};

use crate::error::{Error, Result};
use crate::nn::adamw::AdamW;
use crate::nn::clip;
use crate::nn::gradients::Gradients;
use crate::nn::noise::Noise;
use crate::nn::tape::Tape;

/// Trains a task from `state` on until a reason to stop, which is returned.
///
/// Everything that the world sees goes through `tell`: rows for logs, steps for a progress bar, checkpoints to keep.
///
/// # Errors
/// If the network fails, the loss is no longer a number, or `tell` fails.
pub fn fit(
    task: &impl Task,
    settings: &TrainSettings,
    optimiser: &mut AdamW,
    state: &mut State,
    tell: &mut dyn FnMut(Event<'_>) -> Result<Answer>,
) -> Result<Stop> {
    let lengths = task.lengths();
    let mut plan = Plan::new(&lengths, settings);
    let warmup = (settings.warmup * plan.total_steps() as f64).round() as u64;
    let (begun, seconds_before) = (Instant::now(), state.seconds);
    if settings.patience > 0 && state.history.since_best >= settings.patience {
        return Ok(Stop::Patience);
    }
    while state.step < plan.total_steps() {
        let rate = settings.learning_rate * settings.schedule.factor(state.step, warmup, plan.total_steps());
        let done = step(task, settings, optimiser, state.step, plan.batches(state.step), rate)?;
        state.step += 1;
        state.loss_sum += done.loss * done.samples as f64;
        state.loss_items += done.samples as u64;
        state.seconds = seconds_before + begun.elapsed().as_secs_f64();
        let epoch = state.step as f64 / plan.steps_per_epoch() as f64;
        let answer =
            tell(Event::Step(StepDone { step: state.step, loss: done.loss, samples: done.samples }))?;

        if state.step.is_multiple_of(settings.log_every) || state.step == plan.total_steps() {
            let loss = state.loss_sum / state.loss_items as f64;
            (state.loss_sum, state.loss_items) = (0.0, 0);
            let (learning_rate, gradient_norm) = (rate, done.gradient_norm);
            let (step, seconds) = (state.step, state.seconds);
            tell(Event::Loss(LossRow { step, epoch, loss, learning_rate, gradient_norm, seconds }))?;
        }

        let mut actions = Vec::new();
        if plan.evaluates_after(state.step) {
            let scores = task.evaluate()?;
            let score = score_of(settings.select, &scores)?;
            actions =
                after_evaluation(settings.select, settings.patience, &mut state.history, state.step, score);
            state.seconds = seconds_before + begun.elapsed().as_secs_f64();
            let (step, best, seconds) = (state.step, state.history.best, state.seconds);
            tell(Event::Evaluated(EvalRow { step, epoch, scores, best, seconds }))?;
        }
        if answer == Answer::Pause && state.step < plan.total_steps() {
            if !actions.contains(&Action::SaveLast) {
                actions.push(Action::SaveLast);
            }
            actions.push(Action::Stop(Stop::Paused));
        }
        for action in actions {
            match action {
                Action::SaveBest => tell(Event::Save(Checkpoint::Best, &|folder| task.write(folder)))?,
                Action::SaveLast => tell(Event::Save(Checkpoint::Last, &|folder| {
                    task.write(folder)?;
                    state.write(folder, optimiser, task.params())
                }))?,
                Action::Stop(reason) => return Ok(reason),
            };
        }
    }
    Ok(Stop::Finished)
}

/// What one optimiser step gave.
struct Done {
    loss: f64,
    gradient_norm: f64,
    samples: usize,
}

/// One optimiser step on one or several batches. Each sample weighs alike, whatever batch it is in.
fn step(
    task: &impl Task,
    settings: &TrainSettings,
    optimiser: &mut AdamW,
    number: u64,
    batches: &[Vec<usize>],
    learning_rate: f64,
) -> Result<Done> {
    let samples: usize = batches.iter().map(Vec::len).sum();
    let (mut gradients, mut loss) = (Gradients::default(), 0.0);
    for (pass, batch) in (number * settings.accumulate as u64..).zip(batches) {
        let tape = Tape::training(Some(Noise::new(settings.seed, pass))).with_precision(settings.dtype);
        let batch_loss = task.loss(&tape, batch, 1.0 / samples as f64)?;
        loss += f64::from(batch_loss.tensor().to_scalar::<f32>()?);
        tape.backward(&batch_loss, &mut gradients)?;
    }
    let gradient_norm = clip::global_norm(&gradients)?;
    if !(loss.is_finite() && gradient_norm.is_finite()) {
        let what = format!(
            "the training diverged at step {}: loss {loss}, gradient norm {gradient_norm}",
            number + 1
        );
        return Err(Error::failure(what).help("lower train.learning_rate, or lengthen train.warmup"));
    }
    let scale = if settings.clip > 0.0 { clip::factor(gradient_norm, settings.clip) } else { 1.0 };
    optimiser.step(task.params(), &gradients, learning_rate, scale)?;
    Ok(Done { loss, gradient_norm, samples })
}

/// The score that checkpoints are compared by.
fn score_of(metric: Metric, scores: &Scores) -> Result<f64> {
    let wanted = match metric {
        Metric::Mse => "mse",
        Metric::MacroF1 => "macro_f1",
        Metric::Accuracy => "accuracy",
    };
    let found = scores.iter().find(|(name, _)| *name == wanted).map(|(_, score)| *score);
    found.ok_or_else(|| Error::key("train.select", format!("this task has no score {wanted}")))
}
