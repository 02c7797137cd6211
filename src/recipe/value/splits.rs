//! The splits that the training of a value model reads.

use crate::config::{Config, DataSettings};
use crate::data::{Sample, SampleTable, Split};
use crate::error::{Error, Result};
use crate::eval::clusters;
use crate::recipe::Observer;
use crate::recipe::saved::{note_change, saved_file};
use crate::run::{DataFile, SavedRun};
use crate::seed::{Purpose, Stream};

/// The splits of the dataset, as far as they are taken.
pub(super) struct Splits {
    pub(super) train: SampleTable,
    pub(super) eval: SampleTable,
    pub(super) test: Option<SampleTable>,
    /// Where they came from.
    pub(super) sources: Vec<DataFile>,
}

impl Splits {
    /// Reads the splits; there need not be a test split.
    pub(super) fn read(config: &Config, limit: Option<usize>) -> Result<Self> {
        let mut splits = Self::read_whole(config, limit)?;
        let DataSettings { folds, fold, .. } = config.data;
        if folds > 0 {
            splits.leave_out(fold, folds);
        }
        Ok(splits)
    }

    /// Holds out a part of the texts of the train and the eval split, under whatever values, and
    /// learns from all others.
    fn leave_out(&mut self, fold: usize, folds: usize) {
        let rows = [std::mem::take(&mut self.train.rows), std::mem::take(&mut self.eval.rows)];
        let rows = rows.concat();
        let texts = clusters(rows.iter().map(|row| row.sample.scenario.as_str()));
        let count = texts.iter().max().map_or(0, |last| last + 1);
        let mut parts: Vec<usize> = (0..count).map(|text| text % folds + 1).collect();
        Stream::new(1, Purpose::Partition, 3).shuffle(&mut parts);
        for (row, text) in rows.into_iter().zip(texts) {
            let split = if parts[text] == fold { &mut self.eval } else { &mut self.train };
            split.rows.push(row);
        }
        self.test = None;
        let rows = [(Split::Train, self.train.rows.len()), (Split::Eval, self.eval.rows.len())];
        for (split, rows) in rows {
            let own = self.sources.iter_mut().filter(|source| source.role == split.name());
            own.for_each(|source| source.rows = rows);
        }
    }

    fn read_whole(config: &Config, limit: Option<usize>) -> Result<Self> {
        let read = |split: Split| -> Result<SampleTable> {
            let mut table = split.read(&config.data.dir)?;
            table.rows.truncate(limit.unwrap_or(usize::MAX));
            Ok(table)
        };
        let (train, eval) = (read(Split::Train)?, read(Split::Eval)?);
        let test = Split::Test.find(&config.data.dir).map(|_| read(Split::Test)).transpose()?;
        let source = |split: Split, table: &SampleTable| {
            DataFile::of(split.name(), &table.path, table.rows.len())
        };
        let mut sources = vec![source(Split::Train, &train)?, source(Split::Eval, &eval)?];
        sources.extend(test.as_ref().map(|test| source(Split::Test, test)).transpose()?);
        Ok(Self { train, eval, test, sources })
    }

    /// The samples of the train or the eval split.
    pub(super) fn samples(&self, split: Split) -> Vec<Sample> {
        let table = if split == Split::Train { &self.train } else { &self.eval };
        table.rows.iter().map(|row| row.sample.clone()).collect()
    }
}

/// A split of the data that a run was made with.
pub(super) fn saved_split(
    saved: &SavedRun,
    split: Split,
    observer: &dyn Observer,
) -> Result<SampleTable> {
    if saved.info.config.data.folds > 0 && split != Split::Test {
        let what = "this run is one of several folds, whose parts are judged together";
        return Err(Error::usage(what).help("folds.json beside it is their report"));
    }
    let source = saved_file(saved, split)?;
    let mut table = SampleTable::read_strict(&source.path)?;
    table.rows.truncate(source.rows);
    note_change(source, observer)?;
    Ok(table)
}
