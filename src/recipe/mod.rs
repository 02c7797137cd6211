//! What the program's verbs mean: train, judge, reproduce. Plain requests in, values out, files in
//! a run's directory; whoever asks is told what happens through an [`Observer`], and prints it or
//! not.
//!
//! This room puts the others to use. It knows no command line and no terminal.

mod dialogue;
mod emotion;
mod export;
mod folds;
mod gather;
mod judge;
mod log;
mod models;
mod provenance;
pub mod reproduce;
mod reward;
mod saved;
mod score;
mod seeds;
mod session;
mod train;
mod value;
mod value_cache;
mod vectors;

pub use dialogue::{
    Chat, Decoding, Measures, PersonaRequest, Spoken, open_dialogue_model, reply_all,
};
pub use emotion::{EmotionPredictor, is_classifier};
pub use export::export;
pub use folds::train_folds;
pub use gather::{Gathered, compare, gather};
pub use judge::{JudgeRequest, Judged, judge};
pub use models::{LAYOUT, open_model, weights_sha256};
pub use reward::{Rewarded, center, reward};
pub use score::{author_profiles, distinct_profiles, profiles};
pub use seeds::{seeds_report, train_seeds};
pub use train::{Begin, Outcome, TrainRequest, train};
pub use value::seed_reports;

use std::path::Path;

use candle_core::Device;

use crate::error::{Error, Result};
use crate::hub::{HubSettings, Transfer};
use crate::report::Report;
use crate::run::{DataFile, Git, ModelInfo};
use crate::train::{Learner, StepDone};

/// What is to be known of the world outside.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// Where models that are not on this machine come from.
    pub hub: &'a HubSettings,
    /// The repository that the work is done in, which a run remembers.
    pub git: Option<&'a Git>,
    /// Who is told what happens.
    pub observer: &'a dyn Observer,
}

impl Site<'_> {
    fn note(&self, text: &str) {
        self.observer.tell(ProgressEvent::Note(text));
    }
}

/// Is told what happens, and may ask for an end.
pub trait Observer: Sync {
    /// Something happened.
    fn tell(&self, event: ProgressEvent<'_>);

    /// Whether a training is to save its state after the current step, and stop.
    fn asks_to_stop(&self) -> bool {
        false
    }
}

/// Something that happened.
#[derive(Debug)]
pub enum ProgressEvent<'a> {
    /// A remark.
    Note(&'a str),
    /// A remark that few want to know.
    Detail(&'a str),
    /// A file of a model is on its way.
    Transfer(Transfer<'a>),
    /// A training of so many steps begins, or goes on after some of them.
    Begun {
        /// The number of all its steps.
        total: u64,
        /// How many were done before.
        done: u64,
    },
    /// A training has done a step; it does so many samples a second.
    Step(StepDone, f64),
    /// A row of a training's log.
    Row(&'a str),
    /// The scores of a training's last evaluation.
    Scores(&'a str),
    /// A training has ended.
    Ended,
    /// So many of all parts of a longer work are done.
    Done {
        /// What is done.
        what: &'a str,
        /// How much of it.
        done: usize,
        /// Of how much.
        total: usize,
    },
    /// Something failed, and the work goes on with the next.
    Failed(&'a Error),
}

/// What a kind of task brings to its training.
trait Recipe<'a> {
    /// The files that it reads.
    fn sources(&self) -> &[DataFile];

    /// What is trained, as it is before the next step.
    ///
    /// # Errors
    /// If the model cannot be had, or does not fit the data.
    fn prepare(&self, origin: Origin, device: &Device, site: Site) -> Result<Prepared<'a>>;

    /// Judges the run's best checkpoint on the test split, if there is one.
    ///
    /// # Errors
    /// If the model fails, or the report cannot be kept.
    fn test(
        &self,
        run: &Path,
        device: &Device,
        observer: &dyn Observer,
    ) -> Result<Option<Box<dyn Report>>>;
}

/// Where a training takes its model from.
#[derive(Debug, Clone, Copy)]
enum Origin<'a> {
    /// From what the configuration names.
    New,
    /// From the last checkpoint of this run.
    SavedRun(&'a Path),
}

/// What is ready to be trained.
struct Prepared<'a> {
    learner: Box<dyn Learner + 'a>,
    info: ModelInfo,
}

/// Says nothing of one of several trainings at a time, whose progress would be mixed up.
struct Silent<'a>(&'a dyn Observer);

impl Observer for Silent<'_> {
    fn tell(&self, _event: ProgressEvent<'_>) {}

    fn asks_to_stop(&self) -> bool {
        self.0.asks_to_stop()
    }
}
