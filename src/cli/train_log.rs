//! Where a training's events go: metrics.jsonl, train.log, the terminal, and checkpoints.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use valuenet::disk;
use valuenet::error::{Error, Result};
use valuenet::run::Run;
use valuenet::train::{Answer, EvalRow, Event, LossRow};

use super::progress::Training;

/// Receives the events of a training.
pub struct TrainLog<'a> {
    run: &'a Run,
    metrics: Appended,
    log: Appended,
    progress: Training,
}

/// A row of metrics.jsonl.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Row<'a> {
    Train {
        #[serde(flatten)]
        row: &'a LossRow,
        samples_per_second: f64,
    },
    Eval {
        #[serde(flatten)]
        row: &'a EvalRow,
    },
}

impl<'a> TrainLog<'a> {
    /// Goes on with the logs of a run after `step` steps; rows of later steps, which a kill cut off from their
    /// checkpoint, are dropped, since those steps are made again.
    pub fn open(run: &'a Run, step: u64, progress: Training) -> Result<Self> {
        drop_rows_after(&run.metrics(), step)?;
        Ok(Self { metrics: Appended::open(run.metrics())?, log: Appended::open(run.log())?, run, progress })
    }

    /// Takes an event.
    pub fn tell(&mut self, event: Event<'_>) -> Result<Answer> {
        match event {
            Event::Step(done) => self.progress.step(&done),
            Event::Loss(row) => {
                let samples_per_second = self.progress.samples_per_second();
                self.metric(&Row::Train { row: &row, samples_per_second })?;
                let norm = row.gradient_norm.map_or(String::new(), |norm| format!("  grad {norm:.1}"));
                self.row(&format!(
                    "train  step {:>5}  epoch {:>5.2}  loss {:.4}  lr {:.1e}{norm}  {:.0} samples/s",
                    row.step, row.epoch, row.loss, row.learning_rate, samples_per_second
                ))?;
            }
            Event::Evaluated(row) => {
                self.metric(&Row::Eval { row: &row })?;
                let scores: String =
                    row.scores.iter().map(|(name, score)| format!("  {name} {score:.3}")).collect();
                let best = if row.best.is_some_and(|best| best.step == row.step) { "  best" } else { "" };
                self.row(&format!("eval   step {:>5}  epoch {:>5.2}{scores}{best}", row.step, row.epoch))?;
                self.progress.rest();
            }
            Event::Save(checkpoint, fill) => {
                self.run.save(checkpoint, fill)?;
                self.progress.rest();
            }
        }
        Ok(Answer::Continue)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.progress.finish();
    }

    fn metric(&mut self, row: &Row) -> Result<()> {
        let line = serde_json::to_string(row).map_err(Error::failure_because("cannot write JSON"))?;
        self.metrics.line(&line)
    }

    fn row(&mut self, text: &str) -> Result<()> {
        self.progress.row(text);
        self.log.line(text)
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
        let written = self.file.write_all(format!("{text}\n").as_bytes());
        written.map_err(|error| Error::io(&self.path, "write", error))
    }
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
