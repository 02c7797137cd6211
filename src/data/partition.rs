//! A dataset dealt out to train, eval and test, stratified by value and label, no text in two of
//! them.
//!
//! Each stratum (a value's label) has a whole number of rows to go to each split, the shares
//! rounded so that what rounding takes from a split in one stratum it gets back in another. Rows of
//! one text go together. The texts with the most rows are dealt first, those of rarer strata before
//! others, in an order that the seed decides: each goes to the split that has the largest part of
//! its quota in these strata still open, among those whose quota it does not exceed if there are
//! such. Texts of a single row, most of a dataset, come last and fill what is open, so the quotas
//! are met but for what large texts exceed.

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

use super::splits::Split;
use super::table::Sample;
use super::write::{refuse_unless_empty, to_csv};
use crate::disk;
use crate::error::{Error, Result};
use crate::seed::{Purpose, Stream};
use crate::value::{Label, LabelCounts, Value};

const SPLITS: usize = Split::ALL.len();
const STRATA: usize = Value::COUNT * Label::COUNT;

/// The shares of train, eval and test; they sum to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares([f64; SPLITS]);

impl Shares {
    /// The share of a split.
    pub fn of(&self, split: Split) -> f64 {
        self.0[split as usize]
    }
}

impl FromStr for Shares {
    type Err = String;

    /// Reads `75,15,10` or `.75,.15,.1`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("\"{text}\" is not like 75,15,10");
        let parts: Vec<f64> = text
            .split(',')
            .map(|part| part.trim().parse().map_err(|_| wanted()))
            .collect::<Result<_, _>>()?;
        let parts: [f64; SPLITS] = parts.try_into().map_err(|_| wanted())?;
        let sum: f64 = parts.iter().sum();
        match parts.iter().all(|part| *part > 0.0)
            && [1.0, 100.0].iter().any(|all| (sum / all - 1.0).abs() < 1e-9)
        {
            true => Ok(Self(parts.map(|part| part / sum))),
            false => Err(format!("the shares {text} must be above 0 and sum to 100")),
        }
    }
}

/// A dataset in three splits.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// The shares that were asked for.
    pub shares: Shares,
    /// Train, eval and test, each in the order of the dataset.
    pub splits: [Vec<Sample>; SPLITS],
}

fn stratum(sample: &Sample) -> usize {
    sample.value.index() * Label::COUNT + sample.label.index()
}

/// Rows that go together.
struct Group {
    rows: Vec<usize>,
    /// The size of the rarest stratum among its rows'.
    rarest: usize,
}

/// Deals out samples. Texts stay together if `by_text`.
///
/// # Errors
/// If a split gets no row.
pub fn partition(
    samples: &[Sample],
    shares: Shares,
    by_text: bool,
    seed: u64,
) -> Result<Partition> {
    let strata: Vec<usize> = samples.iter().map(stratum).collect();
    let mut sizes = [0; STRATA];
    strata.iter().for_each(|&stratum| sizes[stratum] += 1);
    let quotas = quotas(&sizes, shares);
    let mut open: [[i64; STRATA]; SPLITS] = quotas;
    let mut split_of = vec![0; samples.len()];
    for group in groups(samples, &strata, &sizes, by_text, seed) {
        let split = choose(&group, &strata, &quotas, &open);
        for row in group.rows {
            open[split][strata[row]] -= 1;
            split_of[row] = split;
        }
    }
    let of_split = |split: usize| {
        let own = samples.iter().zip(&split_of).filter(|(_, of)| **of == split);
        own.map(|(sample, _)| sample.clone()).collect()
    };
    let splits: [Vec<Sample>; SPLITS] = std::array::from_fn(of_split);
    match Split::ALL.into_iter().find(|split| splits[*split as usize].is_empty()) {
        Some(empty) => Err(Error::usage(format!(
            "{} rows are too few: none is left for {empty}",
            samples.len()
        ))
        .help("a split needs rows; choose other --shares, or more data")),
        None => Ok(Partition { shares, splits }),
    }
}

/// How many rows of each stratum are to go to each split.
fn quotas(sizes: &[usize; STRATA], shares: Shares) -> [[i64; STRATA]; SPLITS] {
    let mut quotas = [[0; STRATA]; SPLITS];
    // What each split has been owed so far.
    let mut owed = [0.0; SPLITS];
    for stratum in 0..STRATA {
        let size = sizes[stratum] as i64;
        for split in 0..SPLITS {
            let exact = shares.0[split] * size as f64;
            quotas[split][stratum] = (exact + 1e-9).floor() as i64;
            owed[split] += exact - quotas[split][stratum] as f64;
        }
        let given: i64 = quotas.iter().map(|split| split[stratum]).sum();
        let mut order: Vec<usize> = (0..SPLITS).collect();
        order.sort_by(|&a, &b| owed[b].total_cmp(&owed[a]));
        for &split in order.iter().take((size - given).max(0) as usize) {
            quotas[split][stratum] += 1;
            owed[split] -= 1.0;
        }
    }
    quotas
}

/// The rows that go together, in the order in which they are dealt out.
fn groups(
    samples: &[Sample],
    strata: &[usize],
    sizes: &[usize; STRATA],
    by_text: bool,
    seed: u64,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (row, sample) in samples.iter().enumerate() {
        let next = groups.len();
        let place = if by_text { *places.entry(&sample.scenario).or_insert(next) } else { next };
        if place == next {
            groups.push(Group { rows: Vec::new(), rarest: usize::MAX });
        }
        groups[place].rows.push(row);
        groups[place].rarest = groups[place].rarest.min(sizes[strata[row]]);
    }
    Stream::new(seed, Purpose::Partition, 0).shuffle(&mut groups);
    groups.sort_by_key(|group| (std::cmp::Reverse(group.rows.len()), group.rarest));
    groups
}

/// The split for a group.
fn choose(
    group: &Group,
    strata: &[usize],
    quotas: &[[i64; STRATA]; SPLITS],
    open: &[[i64; STRATA]; SPLITS],
) -> usize {
    let mut counts = [0i64; STRATA];
    group.rows.iter().for_each(|&row| counts[strata[row]] += 1);
    // By how many rows the quotas of a split would be exceeded, and which part of them is still
    // open.
    let fit = |split: usize| {
        let own = || (0..STRATA).filter(|&stratum| counts[stratum] > 0);
        let excess: i64 =
            own().map(|stratum| (counts[stratum] - open[split][stratum]).max(0)).sum();
        let part = |stratum: usize| {
            let quota = quotas[split][stratum].max(1) as f64;
            counts[stratum] as f64 * open[split][stratum] as f64 / quota
        };
        (excess, own().map(part).sum::<f64>())
    };
    let better = |a: &usize, b: &usize| {
        let (a, b) = (fit(*a), fit(*b));
        a.0.cmp(&b.0).then(b.1.total_cmp(&a.1))
    };
    (0..SPLITS).min_by(better).unwrap_or_default()
}

/// How far a split is from the share that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviation {
    /// The split.
    pub split: Split,
    /// The value and label; none for all rows of the split.
    pub stratum: Option<(Value, Label)>,
    /// Rows above the asked share, or below it.
    pub rows: f64,
    /// The same as a share of the stratum.
    pub share: f64,
}

impl Partition {
    /// The rows of a split.
    pub fn split(&self, split: Split) -> &[Sample] {
        &self.splits[split as usize]
    }

    /// The labels of a split.
    pub fn labels(&self, split: Split) -> LabelCounts {
        LabelCounts::of(self.split(split).iter().map(|sample| (sample.value, sample.label)))
    }

    /// The number of all rows.
    pub fn rows(&self) -> usize {
        self.splits.iter().map(Vec::len).sum()
    }

    /// How many rows of a split have a text that stands in train too; none of train's.
    pub fn texts_in_train(&self, split: Split) -> usize {
        let train: std::collections::HashSet<&str> =
            self.split(Split::Train).iter().map(|sample| sample.scenario.as_str()).collect();
        let shared =
            |sample: &&Sample| split != Split::Train && train.contains(sample.scenario.as_str());
        self.split(split).iter().filter(shared).count()
    }

    /// The largest deviation of a split's size from its share of all rows, by rows.
    pub fn largest_deviation(&self) -> Option<Deviation> {
        let all = self.rows() as u64;
        let of_split =
            |split: Split| self.deviation(split, None, self.split(split).len() as u64, all);
        largest(Split::ALL.into_iter().map(of_split))
    }

    /// The largest deviation of a split's rows of a value and label from its share of them, by
    /// rows.
    pub fn largest_stratum_deviation(&self) -> Option<Deviation> {
        let labels = Split::ALL.map(|split| self.labels(split));
        let of_stratum = |(value, label): (Value, Label)| {
            let count = |split: Split| labels[split as usize].of_value(value)[label.index()];
            let all: u64 = Split::ALL.into_iter().map(count).sum();
            Split::ALL.map(|split| self.deviation(split, Some((value, label)), count(split), all))
        };
        let strata =
            Value::ALL.into_iter().flat_map(|value| Label::ALL.map(|label| (value, label)));
        largest(strata.flat_map(of_stratum))
    }

    fn deviation(
        &self,
        split: Split,
        stratum: Option<(Value, Label)>,
        rows: u64,
        all: u64,
    ) -> Deviation {
        let rows = rows as f64 - self.shares.of(split) * all as f64;
        Deviation { split, stratum, rows, share: rows / all.max(1) as f64 }
    }

    /// Writes train.csv, eval.csv and test.csv into a new folder.
    ///
    /// # Errors
    /// If it is not empty, or a file cannot be written.
    pub fn write(&self, to: &Path) -> Result<()> {
        refuse_unless_empty(to)?;
        disk::write_folder(to, |folder| {
            Split::ALL.into_iter().try_for_each(|split| {
                let text = to_csv(self.split(split).iter())?;
                disk::write_file(&folder.join(format!("{split}.csv")), text.as_bytes())
            })
        })
    }
}

fn largest(deviations: impl Iterator<Item = Deviation>) -> Option<Deviation> {
    deviations.max_by(|a, b| a.rows.abs().total_cmp(&b.rows.abs()))
}
