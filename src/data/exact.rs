//! A ValueNet file to the letter: texts with the blanks around them, and the columns that are no
//! sample's.

use std::collections::HashSet;
use std::path::Path;

use csv::ByteRecord;

use super::record::{Record, Records};
use super::records::text;
use super::table::{Columns, NO_ROWS, Sample};
use crate::error::{Error, Result};

/// All that a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Exact {
    /// The samples in order.
    pub samples: Vec<Sample>,
    /// The other columns, such as `uid` and `orig_label`.
    pub others: Vec<Other>,
}

/// A column beside value, scenario and label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    /// Its name.
    pub name: String,
    /// Its cells, one for each sample.
    pub cells: Vec<String>,
}

/// What an unnamed column is called that does more than count the rows.
const UNNAMED: &str = "index";

impl Exact {
    /// Reads a file of which every row must be right. An unnamed first column that counts the rows
    /// from 0 is left out.
    ///
    /// # Errors
    /// If the file cannot be read, a row is wrong, or two columns share a name.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let records = Records::read(path, Columns::HELP)?;
        let columns = Columns::find(path, &records)?;
        let own = [Some(columns.asked.scenario), Some(columns.label), columns.asked.value];
        let mut places: Vec<usize> = (0..records.names.len()).collect();
        places.retain(|place| !own.contains(&Some(*place)));
        let others = places.iter().map(|&place| match records.names[place].as_str() {
            "" => Other { name: UNNAMED.into(), cells: Vec::new() },
            name => Other { name: name.into(), cells: Vec::new() },
        });
        let mut exact = Self { samples: Vec::new(), others: others.collect() };
        let mut seen = HashSet::from(["value", "scenario", "label"].map(String::from));
        if let Some(twice) =
            exact.others.iter().find(|other| !seen.insert(other.name.to_lowercase()))
        {
            return Err(Error::row(path, 1, format!("two columns are named \"{}\"", twice.name))
                .help("rename one of them"));
        }
        for Record { line, cells } in records.rows {
            let bad = |what: String| {
                Error::row(path, line, what).help("`valuenet data check` lists every bad row")
            };
            let cells: ByteRecord = cells.map_err(bad)?;
            exact.samples.push(columns.exact_sample(&cells).map_err(bad)?);
            for (other, &place) in exact.others.iter_mut().zip(&places) {
                other.cells.push(text(&cells, place, &other.name).map_err(bad)?.into());
            }
        }
        if exact.samples.is_empty() {
            return Err(Error::data(path, NO_ROWS).help(Columns::HELP));
        }
        let counts = |other: &Other| {
            other.cells.iter().enumerate().all(|(number, cell)| *cell == number.to_string())
        };
        let is_index = places.first() == Some(&0) && records.names[0].is_empty();
        if is_index && exact.others.first().is_some_and(counts) {
            exact.others.remove(0);
        }
        Ok(exact)
    }

    /// Adds the rows of another file; a column that one of them lacks is empty there.
    pub(super) fn append(&mut self, more: Self) {
        let (before, added) = (self.samples.len(), more.samples.len());
        self.samples.extend(more.samples);
        for Other { name, cells } in more.others {
            match self.others.iter_mut().find(|other| other.name == name) {
                Some(other) => other.cells.extend(cells),
                None => {
                    let blank = std::iter::repeat_n(String::new(), before);
                    self.others.push(Other { name, cells: blank.chain(cells).collect() });
                }
            }
        }
        self.others.iter_mut().for_each(|other| other.cells.resize(before + added, String::new()));
    }

    /// The rows of some samples, by their places.
    pub(super) fn rows(&self, places: &[usize]) -> Self {
        let cells =
            |other: &Other| places.iter().map(|&place| other.cells[place].clone()).collect();
        let other = |other: &Other| Other { name: other.name.clone(), cells: cells(other) };
        Self {
            samples: places.iter().map(|&place| self.samples[place].clone()).collect(),
            others: self.others.iter().map(other).collect(),
        }
    }
}
