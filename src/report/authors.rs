//! The value profiles of many authors.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use serde::Serialize;
use serde_json::Value as Json;

use super::speaker::SHORT;
use super::table::{Table, ends, number, score};
use super::{Records, Report};
use crate::data::parquet;
use crate::error::{Error, Result};
use crate::eval::authors::{AuthorProfile, LEVELS};
use crate::value::{Group, Value};

/// The most authors in a table for people.
const SHOWN: usize = 50;

/// Profiles of authors.
#[derive(Debug, Clone, Serialize)]
pub struct AuthorsReport {
    /// The column that names the authors.
    pub by: String,
    /// Whether each author's mean over the ten values is taken off.
    pub centered: bool,
    /// The names of the levels of a profile, in their order.
    pub levels: Vec<String>,
    /// The profiles.
    pub profiles: Vec<AuthorProfile>,
}

impl AuthorsReport {
    /// Profiles by a column.
    pub fn new(by: &str, centered: bool, profiles: Vec<AuthorProfile>) -> Self {
        let groups = Group::ALL.iter().map(|group| group.name().replace([' ', '-'], "_"));
        let levels = Value::ALL.iter().map(|value| value.name().to_string()).chain(groups);
        Self { by: by.into(), centered, levels: levels.collect(), profiles }
    }

    /// The names of the columns behind those of the author and of the number of texts.
    fn columns(&self) -> impl Iterator<Item = String> {
        let level = |name: &String| [name.clone(), format!("{name}_low"), format!("{name}_high")];
        self.levels.iter().flat_map(level)
    }

    /// A Parquet file of the same columns as CSV.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn parquet(&self) -> Result<Vec<u8>> {
        let authors = self.profiles.iter().map(|profile| Some(&profile.author));
        let texts = self.profiles.iter().map(|profile| profile.texts);
        let mut columns: Vec<(String, ArrayRef)> = vec![
            (self.by.clone(), Arc::new(authors.collect::<StringArray>())),
            ("texts".into(), Arc::new(texts.collect::<UInt64Array>())),
        ];
        for (place, name) in self.columns().enumerate() {
            let cell = |profile: &AuthorProfile| {
                let level = profile.levels[place / 3];
                let ends = level.interval;
                [Some(level.mean), ends.map(|it| it.low), ends.map(|it| it.high)][place % 3]
            };
            let cells = self.profiles.iter().map(cell);
            columns.push((name, Arc::new(cells.collect::<Float64Array>())));
        }
        let columns = columns.into_iter().map(|(name, column)| (name, column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns);
        parquet::to_bytes(&batch.map_err(Error::failure_because("cannot write Parquet"))?)
    }
}

impl Report for AuthorsReport {
    fn tables(&self) -> Vec<Table> {
        let title = format!("value profiles by {}: {} of them", self.by, self.profiles.len());
        let groups = ["open", "enh", "cons", "trans"];
        let header = ["", "texts"].into_iter().chain(SHORT).chain(groups);
        let mut table = Table::new(title, header);
        for profile in self.profiles.iter().take(SHOWN) {
            let means = profile.levels.iter().map(|level| score(level.mean));
            let own = [profile.author.clone(), profile.texts.to_string()];
            table.push(own.into_iter().chain(means));
        }
        let more = self.profiles.len().saturating_sub(SHOWN);
        let note = match more {
            0 => "intervals: --format csv or json, or -o FILE.parquet\n".into(),
            _ => format!(
                "and {more} more: --format csv or json, or -o FILE.parquet, with intervals\n"
            ),
        };
        vec![table.note(note)]
    }

    fn records(&self) -> Records {
        let header = [self.by.clone(), "texts".into()].into_iter().chain(self.columns());
        let row = |profile: &AuthorProfile| {
            let own = [profile.author.clone(), profile.texts.to_string()];
            let mut cells = Vec::with_capacity(2 + 3 * LEVELS);
            cells.extend(own);
            for level in &profile.levels {
                cells.push(number(level.mean));
                cells.extend(ends(level.interval));
            }
            cells
        };
        Records::new(header, self.profiles.iter().map(row))
    }

    fn json(&self) -> serde_json::Result<Json> {
        serde_json::to_value(self)
    }
}
