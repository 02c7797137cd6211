//! Judging a trained model, whatever its task.

use std::path::PathBuf;

use super::dialogue::{self, Measures, PersonaRequest};
use super::models::members;
use super::{Observer, ProgressEvent, emotion, value};
use crate::config::TaskKind;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::model;
use crate::nn::precision::Precision;
use crate::report::Report;
use crate::run::{self, SavedRun};
use crate::text::prompt::dialogue::Settings;
use crate::train::Checkpoint;

/// What is to be judged, and by which rows.
#[derive(Debug, Clone)]
pub struct JudgeRequest {
    /// A run directory, a folder of runs under several seeds, a model folder, or a GGUF file.
    pub folder: PathBuf,
    /// Which of a run's checkpoints.
    pub checkpoint: Checkpoint,
    /// The name of the device.
    pub device: String,
    /// In which precision it predicts.
    pub precision: Precision,
    /// The rows, or the dialogues.
    pub rows: Judged,
    /// How many of them, if not all.
    pub limit: Option<usize>,
    /// How many bootstrap replicates the intervals are made of, 0 for none; if absent, 2,000 for
    /// the test split and none otherwise.
    pub bootstrap: Option<u32>,
    /// Whether classes are also cut at thresholds fitted on the run's eval split.
    pub thresholds: bool,
    /// Whether value models under several seeds are judged as one, and not each.
    pub ensemble: bool,
    /// What is measured of a dialogue model, if not what its run is judged by, or Table 4.
    pub measures: Option<Measures>,
    /// By what its replies are held against personas, if that is measured.
    pub persona: Option<PersonaRequest>,
    /// How dialogues are laid out for a language model that does not say so itself.
    pub layout: Option<Settings>,
}

/// Rows or dialogues that a model is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// A split of the run's own data.
    Split(Split),
    /// A file.
    File(PathBuf),
}

impl JudgeRequest {
    /// What follows the name of a report that is of a part of the rows only, so that it never takes
    /// the place of a whole one.
    pub(super) fn part(&self) -> String {
        self.limit.map_or(String::new(), |limit| format!(".first-{limit}"))
    }
}

impl Judged {
    /// The name of the report, which is that of a split only if it is about the run's own data.
    pub(super) fn name(&self) -> String {
        match self {
            Judged::File(path) => {
                format!("data.{}", path.file_stem().unwrap_or_default().to_string_lossy())
            }
            Judged::Split(split) => split.name().into(),
        }
    }
}

/// Judges what the request names, and keeps reports and predictions in the runs.
///
/// # Errors
/// If data or model cannot be read, the model fails, or a run cannot be written.
pub fn judge(request: &JudgeRequest, observer: &dyn Observer) -> Result<Box<dyn Report>> {
    let seeds = run::seeds(&request.folder);
    let run = seeds.first().map_or(&request.folder, |(_, run)| run);
    let kind = match SavedRun::is_run(run) {
        true => SavedRun::open(run)?.info.config.task.kind,
        false if request.layout.is_some() || model::is_language_model(run) => TaskKind::Dialogue,
        false if emotion::is_classifier(run) => TaskKind::Emotion,
        false => TaskKind::Value,
    };
    let is_of_dialogues = request.measures.is_some() || request.persona.is_some();
    if kind != TaskKind::Dialogue && is_of_dialogues {
        return Err(Error::usage("--measure and --values are for dialogue models"));
    }
    if kind != TaskKind::Value && request.thresholds {
        return Err(Error::usage("--thresholds are for value models, whose classes are in order"));
    }
    if request.ensemble && (kind != TaskKind::Value || members(&request.folder).is_empty()) {
        let what = "--ensemble is for a folder of value models under several seeds";
        return Err(Error::usage(what).help("`valuenet train CONFIG --seeds 1,2,3` makes one"));
    }
    match kind {
        TaskKind::Dialogue => dialogue::judge(request, observer),
        TaskKind::Emotion => emotion::judge(request, observer),
        TaskKind::Value => value::judge(request, observer),
    }
}

/// What is said instead where a run cannot keep a report because nothing may be written there: it is
/// shown all the same.
///
/// # Errors
/// If there is another reason, such as a full disk.
pub(super) fn unless_read_only(kept: Result<()>, observer: &dyn Observer) -> Result<()> {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let Err(error) = kept else { return Ok(()) };
    let source = std::error::Error::source(&error);
    let kind = source.and_then(|it| it.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    if !matches!(kind, Some(PermissionDenied | ReadOnlyFilesystem)) {
        return Err(error);
    }
    observer
        .tell(ProgressEvent::Note(&format!("warning: the report is not kept in the run: {error}")));
    Ok(())
}

/// The name under which a run keeps the report on a split or a file.
pub(super) fn report_name(judged: &str, checkpoint: Checkpoint) -> String {
    match checkpoint {
        Checkpoint::Best => judged.into(),
        Checkpoint::Last => format!("{judged}.last"),
    }
}

/// How many bootstrap replicates a split's report has unless told otherwise.
pub(super) fn replicates_for(split: &str) -> u32 {
    if split.starts_with(Split::Test.name()) { 2000 } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Heard(AtomicUsize);

    impl Observer for Heard {
        fn tell(&self, event: ProgressEvent<'_>) {
            if let ProgressEvent::Note(text) = event {
                assert!(text.contains("not kept in the run: runs/old/eval"), "{text}");
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn only_what_may_not_be_written_is_a_warning() {
        let heard = Heard::default();
        let kept = |kind: ErrorKind| {
            unless_read_only(Err(Error::io("runs/old/eval", "create", kind.into())), &heard).is_ok()
        };
        assert!(kept(ErrorKind::ReadOnlyFilesystem) && kept(ErrorKind::PermissionDenied));
        assert!(!kept(ErrorKind::StorageFull));
        assert_eq!(heard.0.load(Ordering::Relaxed), 2, "and it is said");
    }
}
