//! The data that a run was made with, to be read again.

use super::{Observer, ProgressEvent};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::run::{DataFile, SavedRun};

/// The file of a split of the data that a run was made with.
///
/// # Errors
/// If the run has no such split, or the file is gone.
pub(super) fn saved_file(saved: &SavedRun, split: Split) -> Result<&DataFile> {
    let source = saved.info.data.iter().find(|source| source.role == split.name());
    let source = source.ok_or_else(|| {
        Error::usage(format!("the run's data has no {split} split")).help("name a file with --data")
    })?;
    match source.path.is_file() {
        true => Ok(source),
        false => {
            let what = "the run's data is no longer there";
            let help = "put it back, or name a file with --data";
            Err(Error::data(&source.path, what).help(help))
        }
    }
}

/// Says so if a file is not the one that the run was made with.
///
/// # Errors
/// If it cannot be read.
pub(super) fn note_change(source: &DataFile, observer: &dyn Observer) -> Result<()> {
    if DataFile::of(&source.role, &source.path, source.rows)?.sha256 != source.sha256 {
        let path = source.path.display();
        let text = format!("warning: {path} is not the file that the run was made with");
        observer.tell(ProgressEvent::Note(&text));
    }
    Ok(())
}
