//! The files of a dataset: train, eval and test splits, or one file for each value.

use std::fmt;
use std::path::{Path, PathBuf};

use super::table::{Row, Sample, SampleTable};
use crate::error::{Error, Result};
use crate::value::{LabelCounts, Value};

/// A split of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Split {
    /// What a model learns from.
    Train,
    /// What choices are made on.
    Eval,
    /// What is reported.
    Test,
}

impl Split {
    /// All splits.
    pub const ALL: [Split; 3] = [Split::Train, Split::Eval, Split::Test];

    /// The split's name, which is also that of its file.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Eval => "eval",
            Split::Test => "test",
        }
    }

    fn file_stems(self) -> &'static [&'static str] {
        match self {
            Split::Train => &["train"],
            Split::Eval => &["eval", "valid", "val"],
            Split::Test => &["test"],
        }
    }

    /// The split's file in a folder, if there is one; a CSV file comes before the other kinds.
    pub fn find(self, folder: &Path) -> Option<PathBuf> {
        self.find_kind(folder, &["csv", "jsonl", "parquet"])
    }

    /// The split's file of one of these kinds in a folder, the first kind first, if there is one.
    pub(super) fn find_kind(self, folder: &Path, kinds: &[&str]) -> Option<PathBuf> {
        let of_kind =
            |kind| self.file_stems().iter().map(move |stem| folder.join(format!("{stem}.{kind}")));
        kinds.iter().flat_map(of_kind).find(|path| path.is_file())
    }

    /// That a folder has no file of the split.
    pub(super) fn missing(self, folder: &Path) -> Error {
        if !folder.is_dir() {
            return Error::data(folder, "no such folder")
                .help("check data.dir, or the path you gave");
        }
        let names: Vec<String> =
            self.file_stems().iter().map(|stem| format!("{stem}.csv")).collect();
        let names = names.join(" or ");
        Error::data(folder, format!("there is no {names} in this folder"))
            .help("a dataset folder has train.csv, eval.csv and test.csv")
    }

    /// Reads the split's file in a folder; every row must be right.
    ///
    /// # Errors
    /// If there is no such file, or a row is wrong.
    pub fn read(self, folder: &Path) -> Result<SampleTable> {
        match self.find(folder) {
            Some(path) => SampleTable::read_strict(&path),
            None => Err(self.missing(folder)),
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Split::ALL
            .into_iter()
            .find(|split| split.name() == text)
            .ok_or("train, eval or test".into())
    }
}

/// A named part of a dataset, in one file or several.
#[derive(Debug, Clone)]
pub struct Part {
    /// `train`, `eval`, `test`, `all` for one file a value, or the name of a single file.
    pub name: String,
    /// Its files.
    pub tables: Vec<SampleTable>,
}

impl Part {
    /// Reads the splits of a folder, or its one file for each value, or a single file. Bad rows are
    /// set aside.
    ///
    /// # Errors
    /// If there is nothing of that kind, or a file cannot be read.
    pub fn read_all(path: &Path) -> Result<Vec<Part>> {
        let read = |(name, files): (String, Vec<PathBuf>)| {
            let tables = files.iter().map(|file| SampleTable::read(file)).collect::<Result<_>>()?;
            Ok(Part { name, tables })
        };
        Self::files(path)?.into_iter().map(read).collect()
    }

    /// The names and files of the parts that [`Part::read_all`] reads.
    ///
    /// # Errors
    /// If there is nothing of that kind.
    pub fn files(path: &Path) -> Result<Vec<(String, Vec<PathBuf>)>> {
        if path.is_file() {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into();
            return Ok(vec![(name, vec![path.into()])]);
        }
        let split = |split: Split| Some((split.name().to_string(), vec![split.find(path)?]));
        let splits: Vec<_> = Split::ALL.into_iter().filter_map(split).collect();
        if !splits.is_empty() {
            return Ok(splits);
        }
        let mut files = Value::ALL.map(|value| path.join(format!("{value}.csv"))).to_vec();
        files.retain(|file| file.is_file());
        match files.is_empty() {
            true if path.exists() => {
                Err(Error::data(path, "there are no ValueNet files in this folder").help(
                    "it needs train.csv, eval.csv and test.csv, or SECURITY.csv and its like",
                ))
            }
            true => Err(Error::data(path, "no such file or folder")),
            false => Ok(vec![("all".into(), files)]),
        }
    }

    /// The rows of all files, with the file they stand in.
    pub fn rows(&self) -> impl Iterator<Item = (&Path, &Row)> {
        self.tables
            .iter()
            .flat_map(|table| table.rows.iter().map(|row| (table.path.as_path(), row)))
    }

    /// The samples of all files.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.rows().map(|(_, row)| &row.sample)
    }

    /// How many samples of each value have each label.
    pub fn label_counts(&self) -> LabelCounts {
        LabelCounts::of(self.samples().map(|sample| (sample.value, sample.label)))
    }
}
