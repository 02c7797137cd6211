//! Progress: a bar on a terminal, plain rows elsewhere. The only user of `indicatif`.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use valuenet::hub::Transfer;
use valuenet::train::StepDone;

use super::output::Console;

/// How often a plain row tells of work that has no rows of its own.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

fn bar(console: &Console, length: Option<u64>, template: &str) -> ProgressBar {
    let target = if console.is_quiet() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(length, target);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸ ")),
        Err(_) => bar,
    }
}

/// The progress of a training: on a terminal a bar, and below it the course of the loss and the
/// last evaluation.
pub struct Training {
    bar: ProgressBar,
    console: Console,
    losses: Vec<f64>,
    evaluated: String,
}

/// How many letters the course of the loss takes.
const COURSE: usize = 24;

/// Numbers as a line of blocks, the higher the larger; many numbers share a block by their mean.
fn sparkline(numbers: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let per_block = numbers.len().div_ceil(COURSE).max(1);
    let means: Vec<f64> = numbers
        .chunks(per_block)
        .map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64)
        .collect();
    let (low, high) = means
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), mean| (low.min(*mean), high.max(*mean)));
    let block = |mean: &f64| match high > low {
        true => BLOCKS[(((mean - low) / (high - low)) * 7.0).round() as usize],
        false => BLOCKS[0],
    };
    means.iter().map(block).collect()
}

impl Training {
    /// A training of `total` steps of which some are `done`.
    pub fn new(console: &Console, total: u64, done: u64) -> Self {
        let bar =
            bar(console, Some(total), "{bar:20.cyan} {pos}/{len}  {msg}  ETA {eta}\n{prefix}");
        bar.set_position(done);
        bar.reset_eta();
        Self { bar, console: *console, losses: Vec::new(), evaluated: String::new() }
    }

    /// Moves on by a step, at so many samples a second.
    pub fn step(&mut self, done: &StepDone, samples_per_second: f64) {
        self.bar.set_message(format!("loss {:.3}  {samples_per_second:.0} samples/s", done.loss));
        self.bar.set_position(done.step);
        self.losses.push(done.loss);
        if !self.bar.is_hidden() {
            self.bar.set_prefix(format!(
                "{:<COURSE$}  {}",
                sparkline(&self.losses),
                self.evaluated
            ));
        }
    }

    /// Shows the scores of an evaluation from now on.
    pub fn evaluated(&mut self, scores: &str) {
        self.evaluated = scores.trim().into();
    }

    /// Shows a row, above the bar if there is one.
    pub fn row(&self, text: &str) {
        self.bar.suspend(|| self.console.note(text));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The progress of scoring texts, whose number is not known.
pub struct Scoring {
    bar: ProgressBar,
    console: Console,
    begun: Instant,
    told: Instant,
    done: u64,
}

impl Scoring {
    /// Nothing is scored yet.
    pub fn new(console: &Console) -> Self {
        let bar = bar(console, None, "{spinner} {human_pos} texts  {msg}");
        Self { bar, console: *console, begun: Instant::now(), told: Instant::now(), done: 0 }
    }

    /// Some more texts are scored.
    pub fn advance(&mut self, texts: usize) {
        self.done += texts as u64;
        let rate = self.done as f64 / self.begun.elapsed().as_secs_f64();
        self.bar.set_message(format!("{rate:.0} texts/s"));
        self.bar.set_position(self.done);
        if self.bar.is_hidden() && self.told.elapsed() > PLAIN_EVERY {
            self.told = Instant::now();
            self.console.note(&format!("{} texts  {rate:.0} texts/s", self.done));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
        self.console.detail(&format!(
            "{} texts in {:.1} s",
            self.done,
            self.begun.elapsed().as_secs_f64()
        ));
    }
}

/// The progress of work of which it is known how much there is.
pub struct Work {
    bar: ProgressBar,
    console: Console,
    begun: Instant,
    told: Instant,
}

impl Work {
    /// Nothing is done yet.
    pub fn new(console: &Console) -> Self {
        let bar = bar(console, None, "{bar:20.cyan} {human_pos}/{human_len}  {msg}  ETA {eta}");
        Self { bar, console: *console, begun: Instant::now(), told: Instant::now() }
    }

    /// So much of all is done.
    pub fn advance(&mut self, what: &str, done: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.set_message(what.to_string());
        self.bar.set_position(done as u64);
        if self.bar.is_hidden() && self.told.elapsed() > PLAIN_EVERY {
            self.told = Instant::now();
            self.console.note(&format!("{what}: {done} of {total}"));
        }
        if done >= total {
            self.bar.finish_and_clear();
            let seconds = self.begun.elapsed().as_secs_f64();
            self.console.detail(&format!("{what}: {total} in {seconds:.1} s"));
        }
    }
}

/// The progress of downloads.
pub struct Download {
    bar: ProgressBar,
    console: Console,
}

impl Download {
    /// Nothing has come yet.
    pub fn new(console: &Console) -> Self {
        let template = "{bar:20.cyan} {bytes}/{total_bytes}  {msg}  {bytes_per_sec}  ETA {eta}";
        Self { bar: bar(console, Some(0), template), console: *console }
    }

    /// Something has come.
    pub fn advance(&self, transfer: Transfer<'_>) {
        match transfer {
            Transfer::Begin(name, size) => {
                self.bar.set_message(name.to_string());
                self.bar.set_length(size);
                self.bar.reset();
                if self.bar.is_hidden() {
                    self.console.note(&format!("downloading {name}, {:.1} MB", size as f64 / 1e6));
                }
            }
            Transfer::Resumed(bytes) => {
                self.bar.set_position(bytes);
                self.bar.reset_eta();
            }
            Transfer::Bytes(more) => self.bar.inc(more),
            Transfer::End => self.bar.finish_and_clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_blocks_rises_and_falls_with_the_numbers() {
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[2.0, 2.0]), "▁▁");
        assert_eq!(sparkline(&[3.0, 2.0, 1.0]), "█▅▁");
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(sparkline(&many).chars().count(), 24);
    }
}
