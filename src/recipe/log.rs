//! What is kept of a training as it goes: metrics.jsonl, train.log, TensorBoard's events.
//! Checkpoints are the session's.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use super::{Observer, ProgressEvent};
use crate::disk;
use crate::error::{Error, Result};
use crate::report::tensorboard;
use crate::run::Run;
use crate::train::{EvalRow, LossRow, RolloutRow, StepDone};

/// Writes the rows of a training, and tells whoever looks on.
pub(super) struct Log<'a> {
    metrics: Appended,
    text: Appended,
    tensorboard: Option<Appended>,
    rate: Rate,
    observer: &'a dyn Observer,
}

/// A row of metrics.jsonl.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum MetricsRow<'a> {
    Train {
        #[serde(flatten)]
        row: &'a LossRow,
        samples_per_second: f64,
    },
    Rollout {
        #[serde(flatten)]
        row: &'a RolloutRow,
    },
    Eval {
        #[serde(flatten)]
        row: &'a EvalRow,
    },
}

impl<'a> Log<'a> {
    /// Goes on with the logs of a run after `step` steps; rows of later steps, which a kill cut off
    /// from their checkpoint, are dropped, since those steps are made again.
    pub(super) fn open(
        run: &Run,
        step: u64,
        tensorboard: bool,
        observer: &'a dyn Observer,
    ) -> Result<Self> {
        drop_rows_after(&run.metrics(), step)?;
        let (metrics, text) = (Appended::open(run.metrics())?, Appended::open(run.log())?);
        let tensorboard = tensorboard.then(|| begin_events(&run.tensorboard())).transpose()?;
        Ok(Self { metrics, text, tensorboard, rate: Rate::new(), observer })
    }

    /// A step is done.
    pub(super) fn step(&mut self, done: StepDone) {
        self.rate.count(done.samples);
        self.observer.tell(ProgressEvent::Step(done, self.rate.shown));
    }

    /// Leaves the time since the last step, which was no training, out of the rate.
    pub(super) fn rest(&mut self) {
        self.rate.since = Instant::now();
    }

    /// The training loss over the last steps.
    pub(super) fn loss(&mut self, row: &LossRow) -> Result<()> {
        let samples_per_second = self.rate.next_row();
        self.metric(&MetricsRow::Train { row, samples_per_second })?;
        let mut scalars = vec![
            ("train/loss", row.loss),
            ("train/learning_rate", row.learning_rate),
            ("train/samples_per_second", samples_per_second),
        ];
        scalars.extend(row.gradient_norm.map(|norm| ("train/gradient_norm", norm)));
        self.scalars(row.step, &scalars)?;
        let norm = row.gradient_norm.map_or(String::new(), |norm| format!("  grad {norm:.1}"));
        let decimals = if samples_per_second < 10.0 { 2 } else { 0 };
        self.row(&format!(
            "train  step {:>5}  epoch {:>5.2}  loss {:.4}  lr {:.1e}{norm}  {samples_per_second:.*} samples/s",
            row.step, row.epoch, row.loss, row.learning_rate, decimals
        ))
    }

    /// A step that learned from replies of the model's own.
    pub(super) fn rollout(&mut self, row: &RolloutRow) -> Result<()> {
        self.metric(&MetricsRow::Rollout { row })?;
        let it = row.figures;
        let mut scalars = vec![
            ("rollout/reward", it.reward),
            ("rollout/kl", it.kl),
            ("rollout/entropy", it.entropy),
            ("rollout/advantage_sd", it.advantage_sd),
            ("rollout/unfinished", it.unfinished),
            ("rollout/tokens", it.tokens),
            ("rollout/distinct_2", it.distinct_2),
        ];
        scalars.extend(it.reward_other.map(|other| ("rollout/reward_other", other)));
        scalars.extend(row.gradient_norm.map(|norm| ("rollout/gradient_norm", norm)));
        self.scalars(row.step, &scalars)?;
        let other = it
            .reward_other
            .map_or(String::new(), |other| format!("  own - other {:+.4}", it.reward - other));
        let norm = row.gradient_norm.map_or(String::new(), |norm| format!("  grad {norm:.2}"));
        self.row(&format!(
            "reward step {:>5}  epoch {:>5.2}  reward {:.4}{other}  kl {:.2}  entropy {:.2}  \
             tokens {:.1}  unfinished {:.0}%  distinct-2 {:.2}{norm}",
            row.step,
            row.epoch,
            it.reward,
            it.kl,
            it.entropy,
            it.tokens,
            100.0 * it.unfinished,
            it.distinct_2
        ))
    }

    /// The scores on the eval split.
    pub(super) fn evaluated(&mut self, row: &EvalRow) -> Result<()> {
        self.metric(&MetricsRow::Eval { row })?;
        let tags: Vec<String> =
            row.scores.iter().map(|score| format!("eval/{}", score.name)).collect();
        let scores = tags.iter().zip(&row.scores).map(|(tag, score)| (tag.as_str(), score.value));
        self.scalars(row.step, &scores.collect::<Vec<_>>())?;
        let scores: String =
            row.scores.iter().map(|score| format!("  {} {:.3}", score.name, score.value)).collect();
        self.observer.tell(ProgressEvent::Scores(scores.trim()));
        let best = if row.best.is_some_and(|best| best.step == row.step) { "  best" } else { "" };
        self.row(&format!("eval   step {:>5}  epoch {:>5.2}{scores}{best}", row.step, row.epoch))
    }

    fn metric(&mut self, row: &MetricsRow) -> Result<()> {
        let line =
            serde_json::to_string(row).map_err(Error::failure_because("cannot write JSON"))?;
        self.metrics.line(&line)
    }

    fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<()> {
        match &mut self.tensorboard {
            Some(events) => {
                events.bytes(&tensorboard::scalars(seconds_since_1970(), step, scalars))
            }
            None => Ok(()),
        }
    }

    fn row(&mut self, text: &str) -> Result<()> {
        self.observer.tell(ProgressEvent::Row(text));
        self.text.line(text)
    }
}

/// Samples a second of training alone, since the last row.
struct Rate {
    since: Instant,
    busy: Duration,
    samples: usize,
    shown: f64,
}

impl Rate {
    fn new() -> Self {
        Self { since: Instant::now(), busy: Duration::ZERO, samples: 0, shown: 0.0 }
    }

    fn count(&mut self, samples: usize) {
        self.busy += self.since.elapsed();
        self.since = Instant::now();
        self.samples += samples;
        if self.busy > Duration::from_secs(1) || self.shown == 0.0 {
            self.shown = self.per_second();
        }
    }

    fn per_second(&self) -> f64 {
        self.samples as f64 / self.busy.as_secs_f64()
    }

    fn next_row(&mut self) -> f64 {
        self.shown = self.per_second();
        (self.busy, self.samples) = (Duration::ZERO, 0);
        self.shown
    }
}

/// A file that lines are appended to.
struct Appended {
    path: PathBuf,
    file: File,
}

impl Appended {
    fn open(path: PathBuf) -> Result<Self> {
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(|error| Error::io(&path, "write", error))?;
        Ok(Self { path, file })
    }

    fn line(&mut self, text: &str) -> Result<()> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let written = disk::may_fail().and_then(|()| self.file.write_all(bytes));
        written.map_err(|error| Error::io(&self.path, "write", error))
    }
}

/// A new event file in this folder; TensorBoard reads them one after the other.
fn begin_events(folder: &Path) -> Result<Appended> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create", error))?;
    let now = seconds_since_1970();
    let mut events = Appended::open(folder.join(format!("events.out.tfevents.{now:.0}.valuenet")))?;
    events.bytes(&tensorboard::beginning(now))?;
    Ok(events)
}

fn seconds_since_1970() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

fn drop_rows_after(metrics: &Path, step: u64) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(metrics) else {
        return Ok(());
    };
    let is_kept = |line: &&str| {
        let row: Option<serde_json::Value> = serde_json::from_str(line).ok();
        row.and_then(|row| row["step"].as_u64()).is_some_and(|row| row <= step)
    };
    let kept: String = text.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
    if kept == text { Ok(()) } else { disk::write_file(metrics, kept.as_bytes()) }
}
