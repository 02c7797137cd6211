//! The splits that a training reads.

use valuenet::config::Config;
use valuenet::data::{Sample, Split, Table};
use valuenet::error::Result;
use valuenet::run::Source;

/// The splits of the dataset, as far as they are taken.
pub struct Data {
    pub train: Table,
    pub eval: Table,
    pub test: Option<Table>,
    /// Where they came from.
    pub sources: Vec<Source>,
}

impl Data {
    /// Reads the splits; there need not be a test split.
    pub fn read(config: &Config, limit: Option<usize>) -> Result<Self> {
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
    pub fn samples(&self, split: Split) -> Vec<Sample> {
        let table = if split == Split::Train { &self.train } else { &self.eval };
        table.rows.iter().map(|row| row.sample.clone()).collect()
    }
}
