//! What is in files of labelled texts: how many of each label, what is said twice, and what stands
//! on both sides of a split.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Split;
use super::conversation::{self, stats::Stats};
use super::labelled::{LabelledFile, LabelledText, find};
use crate::error::Result;

/// The counts of a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelCounts {
    /// The split, or the name of a file.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The texts.
    pub texts: usize,
    /// The mean number of words of a text, as white space parts them.
    pub words: f64,
    /// How many texts there are of each label.
    pub labels: BTreeMap<String, usize>,
    /// Texts that stood before in the split, with the same label.
    pub duplicates: usize,
    /// Texts that stood before in the split, with another label.
    pub conflicts: usize,
    /// Texts that stand in the train split too; none for the train split itself, or without one.
    pub in_train: Option<usize>,
    /// Labels that the train split does not have, which no classifier could learn.
    pub unknown: Vec<String>,
}

/// The splits of a folder, or one file, each with its name; none if there is no file of labelled
/// texts: nothing is known of its rows yet.
///
/// # Errors
/// If a file that holds labelled texts cannot be read, or a row of it is wrong.
pub fn read_if_likely(path: &Path) -> Result<Option<Vec<(String, LabelledFile)>>> {
    let files: Vec<(String, PathBuf)> = match path.is_file() {
        true => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let stem = name.split('.').next().unwrap_or_default();
            vec![(stem.into(), path.into())]
        }
        false => {
            let file = |split: Split| Some((split.name().to_string(), find(path, split)?));
            Split::ALL.into_iter().filter_map(file).collect()
        }
    };
    if files.is_empty() || !files.iter().all(|(_, file)| LabelledFile::is_likely(file)) {
        return Ok(None);
    }
    let read = |(name, file): (String, PathBuf)| Ok((name, LabelledFile::read(&file)?));
    files.into_iter().map(read).collect::<Result<_>>().map(Some)
}

/// The counts of the conversations that splits are from, each with its name, and of all; empty if
/// one holds no conversations.
///
/// # Errors
/// If a file cannot be read.
pub fn dialogues(splits: &[(String, LabelledFile)]) -> Result<Vec<Stats>> {
    let mut all = Vec::new();
    for (name, file) in splits {
        let Some(mut found) = conversation::read_if_likely(&file.path)? else {
            return Ok(Vec::new());
        };
        found.iter_mut().for_each(|one| one.split = Some(name.clone()));
        all.extend(found);
    }
    Ok(conversation::stats::stats(&all))
}

/// Counts splits, each with its name.
pub fn count(splits: &[(String, LabelledFile)]) -> Vec<LabelCounts> {
    let train = splits.iter().find(|(name, _)| name == Split::Train.name());
    let known: HashMap<&str, &str> = train.map_or(HashMap::new(), |(_, file)| {
        file.rows.iter().map(|row| (row.text.as_str(), row.label.as_str())).collect()
    });
    let train_labels: Vec<&str> = known.values().copied().collect();
    splits
        .iter()
        .map(|(name, file)| {
            let mut counts = of_file(name, file);
            if train.is_some() && name != Split::Train.name() {
                let is_known = |row: &&LabelledText| known.contains_key(row.text.as_str());
                counts.in_train = Some(file.rows.iter().filter(is_known).count());
                let is_new = |label: &&String| !train_labels.contains(&label.as_str());
                counts.unknown = counts.labels.keys().filter(is_new).cloned().collect();
            }
            counts
        })
        .collect()
}

fn of_file(name: &str, file: &LabelledFile) -> LabelCounts {
    let mut labels: BTreeMap<String, usize> = BTreeMap::new();
    let mut seen: HashMap<&str, &str> = HashMap::new();
    let (mut duplicates, mut conflicts, mut words) = (0, 0, 0);
    for row in &file.rows {
        *labels.entry(row.label.clone()).or_default() += 1;
        words += row.text.split_whitespace().count();
        match seen.insert(&row.text, &row.label) {
            Some(label) if label == row.label => duplicates += 1,
            Some(_) => conflicts += 1,
            None => {}
        }
    }
    LabelCounts {
        name: name.into(),
        path: file.path.clone(),
        texts: file.rows.len(),
        words: words as f64 / file.rows.len().max(1) as f64,
        labels,
        duplicates,
        conflicts,
        in_train: None,
        unknown: Vec::new(),
    }
}
