//! The splits that a training reads.

use crate::config::Config;
use crate::data::{Sample, Split, Table};
use crate::error::Result;
use crate::run::Source;

/// The splits of the dataset, as far as they are taken.
pub(super) struct Splits {
    pub(super) train: Table,
    pub(super) eval: Table,
    pub(super) test: Option<Table>,
    /// Where they came from.
    pub(super) sources: Vec<Source>,
}

impl Splits {
    /// Reads the splits; there need not be a test split.
    pub(super) fn read(config: &Config, limit: Option<usize>) -> Result<Self> {
        let read = |split: Split| -> Result<Table> {
            let mut table = split.read(&config.data.dir)?;
            table.rows.truncate(limit.unwrap_or(usize::MAX));
            Ok(table)
        };
        let (train, eval) = (read(Split::Train)?, read(Split::Eval)?);
        let test = Split::Test.find(&config.data.dir).map(|_| read(Split::Test)).transpose()?;
        let mut sources = vec![Source::of(Split::Train, &train)?, Source::of(Split::Eval, &eval)?];
        sources.extend(test.as_ref().map(|test| Source::of(Split::Test, test)).transpose()?);
        Ok(Self { train, eval, test, sources })
    }

    /// The samples of the train or the eval split.
    pub(super) fn samples(&self, split: Split) -> Vec<Sample> {
        let table = if split == Split::Train { &self.train } else { &self.eval };
        table.rows.iter().map(|row| row.sample.clone()).collect()
    }
}
