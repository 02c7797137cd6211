//! The balanced version of the dataset: some of a value's rows of a label are drawn, the others
//! left out.

use std::str::FromStr;

use super::table::Row;
use crate::error::{Error, Result};
use crate::seed::{Purpose, Stream};
use crate::value::{Label, Value};

/// How many rows of a value and a label are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The value.
    pub value: Value,
    /// The label.
    pub label: Label,
    /// The number of rows.
    pub count: usize,
}

/// What the published balanced train split keeps of the original one; it has all other rows.
pub const PUBLISHED: [Keep; 2] = [
    Keep { value: Value::Benevolence, label: Label::No, count: 821 },
    Keep { value: Value::Benevolence, label: Label::Unrelated, count: 863 },
];

impl FromStr for Keep {
    type Err = String;

    /// Reads `BENEVOLENCE:-1=821`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("\"{text}\" is not like BENEVOLENCE:-1=821");
        let (place, count) = text.split_once('=').ok_or_else(wanted)?;
        let (value, label) = place.rsplit_once(':').ok_or_else(wanted)?;
        Ok(Self {
            value: value.parse().map_err(|()| format!("\"{value}\" is none of the ten values"))?,
            label: label.parse().map_err(|()| format!("label \"{label}\" is not -1, 0 or 1"))?,
            count: count.trim().parse().map_err(|_| wanted())?,
        })
    }
}

/// The rows that are kept, in their order. Which ones are drawn depends on the seed alone.
///
/// # Errors
/// If there are fewer rows than are to be kept.
pub fn balance(rows: &[Row], keeps: &[Keep], seed: u64) -> Result<Vec<Row>> {
    let mut kept = vec![true; rows.len()];
    for keep in keeps {
        let is_meant = |row: &Row| row.sample.value == keep.value && row.sample.label == keep.label;
        let mut places: Vec<usize> =
            (0..rows.len()).filter(|&place| is_meant(&rows[place])).collect();
        if places.len() < keep.count {
            let Keep { value, label, count } = keep;
            let found = places.len();
            return Err(Error::usage(format!(
                "{count} rows of {value} {label} cannot be kept of {found}"
            ))
            .help("name smaller numbers with --keep VALUE:LABEL=COUNT"));
        }
        let index = (keep.value.index() * Label::COUNT + keep.label.index()) as u64;
        Stream::new(seed, Purpose::Balance, index).shuffle(&mut places);
        places[keep.count..].iter().for_each(|&place| kept[place] = false);
    }
    Ok(rows.iter().zip(kept).filter(|(_, kept)| *kept).map(|(row, _)| row.clone()).collect())
}
