//! Samples as a ValueNet CSV file, and a dataset folder made from another.

use std::path::Path;

use super::splits::Split;
use super::table::Sample;
use crate::disk;
use crate::error::{Error, Result};

/// The samples under the header `scenario,label`, the scenario as `[VALUE] text`.
///
/// # Errors
/// If the CSV writer fails.
pub fn to_csv<'a>(samples: impl Iterator<Item = &'a Sample>) -> Result<String> {
    let failed = Error::failure_because("cannot write CSV");
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["scenario", "label"]).map_err(failed)?;
    for sample in samples {
        let cells = [
            format!("{} {}", sample.value.token(), sample.scenario),
            sample.label.number().to_string(),
        ];
        writer.write_record(cells).map_err(Error::failure_because("cannot write CSV"))?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::failure(error.to_string()))?;
    String::from_utf8(bytes).map_err(Error::failure_because("cannot write CSV"))
}

/// Refuses a folder to write into that holds something.
///
/// # Errors
/// If it does, or is a file.
pub(super) fn refuse_unless_empty(to: &Path) -> Result<()> {
    match std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) || to.is_file() {
        true => Err(Error::usage(format!("{} is not empty", to.display()))
            .help("name another folder with -o")),
        false => Ok(()),
    }
}

/// Writes a new folder of these files, which are named without a folder. It must not exist, or be
/// empty.
///
/// # Errors
/// If it is not empty, or a file cannot be written; then nothing is written.
pub fn new_folder(to: &Path, files: &[(&str, String)]) -> Result<()> {
    refuse_unless_empty(to)?;
    disk::write_folder(to, |folder| {
        files
            .iter()
            .try_for_each(|(name, text)| disk::write_file(&folder.join(name), text.as_bytes()))
    })
}

/// Writes a dataset folder with this train split and the eval and test splits of the folder `from`,
/// byte for byte. It must not exist, or be empty.
///
/// # Errors
/// If it is not empty, or a file cannot be read or written; then nothing is written.
pub fn with_train_split<'a>(
    to: &Path,
    from: &Path,
    train: impl Iterator<Item = &'a Sample>,
) -> Result<()> {
    refuse_unless_empty(to)?;
    let train = to_csv(train)?;
    let others =
        [Split::Eval, Split::Test].into_iter().filter_map(|split| Some((split, split.find(from)?)));
    let others: Vec<_> = others.collect();
    disk::write_folder(to, |folder| {
        disk::write_file(&folder.join("train.csv"), train.as_bytes())?;
        for (split, path) in others {
            let bytes = std::fs::read(&path).map_err(|error| Error::io(&path, "read", error))?;
            let name = Path::new(split.name()).with_extension(path.extension().unwrap_or_default());
            disk::write_file(&folder.join(name), &bytes)?;
        }
        Ok(())
    })
}
