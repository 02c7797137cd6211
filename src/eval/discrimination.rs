//! Does a model know which value is meant? Two rows of one text under two values have the same
//! words: where their labels differ, only a model that tells the values apart puts their utilities
//! in the right order.

use serde::Serialize;

use super::bootstrap::{Bootstrap, Interval};
use super::figures::Scored;

/// How often a model orders two rows of one text rightly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Discrimination {
    /// The number of pairs of rows of one text, under two values, with different labels.
    pub pairs: usize,
    /// The number of texts that they are of.
    pub texts: usize,
    /// The share of the pairs whose utilities are in the order of their labels; equal utilities
    /// count one half, as chance does.
    pub share: f64,
    /// The 95% interval of that, by the bootstrap over texts, if it was computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

impl Discrimination {
    /// That of some rows; none if no text has such a pair.
    pub fn of(rows: &[Scored], bootstrap: Option<Bootstrap>) -> Option<Self> {
        let texts = rows.iter().map(|row| row.text + 1).max()?;
        let mut of_text: Vec<Vec<&Scored>> = vec![Vec::new(); texts];
        rows.iter().for_each(|row| of_text[row.text].push(row));
        // (rightly ordered, pairs) of each text that has pairs
        let counts: Vec<(f64, usize)> =
            of_text.iter().map(|rows| ordered(rows)).filter(|(_, pairs)| *pairs > 0).collect();
        if counts.is_empty() {
            return None;
        }
        let share = |drawn: &[u32]| {
            let weighted = counts.iter().zip(drawn);
            let (right, pairs) = weighted.fold((0.0, 0.0), |(right, all), ((r, n), &times)| {
                (right + f64::from(times) * r, all + f64::from(times) * *n as f64)
            });
            right / pairs
        };
        let replicates = bootstrap.map(|bootstrap| bootstrap.draw(counts.len(), share));
        Some(Self {
            pairs: counts.iter().map(|(_, pairs)| pairs).sum(),
            texts: counts.len(),
            share: share(&vec![1; counts.len()]),
            interval: replicates.and_then(Interval::of),
        })
    }
}

/// How many pairs of rows of one text are ordered rightly, and how many there are.
fn ordered(rows: &[&Scored]) -> (f64, usize) {
    let (mut right, mut pairs) = (0.0, 0);
    for (place, a) in rows.iter().enumerate() {
        for b in &rows[..place] {
            if a.value == b.value || a.label == b.label {
                continue;
            }
            let (higher, lower) = if a.label > b.label { (a, b) } else { (b, a) };
            pairs += 1;
            right += match higher.utility.partial_cmp(&lower.utility) {
                Some(std::cmp::Ordering::Greater) => 1.0,
                Some(std::cmp::Ordering::Equal) => 0.5,
                _ => 0.0,
            };
        }
    }
    (right, pairs)
}
