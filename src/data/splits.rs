//! The files of a dataset: train, eval and test splits, or one file for each value.

use std::fmt;
use std::path::{Path, PathBuf};

use super::table::{Row, Sample, Table};
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

    fn file_names(self) -> &'static [&'static str] {
        match self {
            Split::Train => &["train.csv"],
            Split::Eval => &["eval.csv", "valid.csv", "val.csv"],
            Split::Test => &["test.csv"],
        }
    }

    /// The split's file in a folder, if there is one.
    pub fn find(self, folder: &Path) -> Option<PathBuf> {
        self.file_names().iter().map(|name| folder.join(name)).find(|path| path.is_file())
    }

    /// Reads the split's file in a folder; every row must be right.
    ///
    /// # Errors
    /// If there is no such file, or a row is wrong.
    pub fn read(self, folder: &Path) -> Result<Table> {
        match self.find(folder) {
            Some(path) => Table::read_strict(&path),
            None if folder.is_dir() => {
                let names = self.file_names().join(" or ");
                Err(Error::data(folder, format!("there is no {names} in this folder"))
                    .help("a dataset folder has train.csv, eval.csv and test.csv"))
            }
            None => Err(Error::data(folder, "no such folder").help("check data.dir, or the path you gave")),
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
        Split::ALL.into_iter().find(|split| split.name() == text).ok_or("train, eval or test".into())
    }
}

/// A named part of a dataset, in one file or several.
#[derive(Debug, Clone)]
pub struct Part {
    /// `train`, `eval`, `test`, `all` for one file a value, or the name of a single file.
    pub name: String,
    /// Its files.
    pub tables: Vec<Table>,
}

impl Part {
    /// Reads the splits of a folder, or its one file for each value, or a single file. Bad rows are set aside.
    ///
    /// # Errors
    /// If there is nothing of that kind, or a file cannot be read.
    pub fn read_all(path: &Path) -> Result<Vec<Part>> {
        if path.is_file() {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into();
            return Ok(vec![Part { name, tables: vec![Table::read(path)?] }]);
        }
        let splits: Vec<Part> = Split::ALL
            .into_iter()
            .filter_map(|split| Some((split, split.find(path)?)))
            .map(|(split, file)| Ok(Part { name: split.name().into(), tables: vec![Table::read(&file)?] }))
            .collect::<Result<_>>()?;
        if !splits.is_empty() {
            return Ok(splits);
        }
        let files = Value::ALL.map(|value| path.join(format!("{value}.csv")));
        let tables: Vec<Table> = files
            .iter()
            .filter(|file| file.is_file())
            .map(|file| Table::read(file))
            .collect::<Result<_>>()?;
        match tables.is_empty() {
            true if path.exists() => Err(Error::data(path, "there are no ValueNet files in this folder")
                .help("it needs train.csv, eval.csv and test.csv, or SECURITY.csv and its like")),
            true => Err(Error::data(path, "no such file or folder")),
            false => Ok(vec![Part { name: "all".into(), tables }]),
        }
    }

    /// The rows of all files, with the file they stand in.
    pub fn rows(&self) -> impl Iterator<Item = (&Path, &Row)> {
        self.tables.iter().flat_map(|table| table.rows.iter().map(|row| (table.path.as_path(), row)))
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
