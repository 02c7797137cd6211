//! Whether utilities mean what they say, and where classes would best be cut.

use serde::Serialize;

use super::confusion::Confusion;
use super::evaluation::Evaluation;
use super::figures::Scored;
use crate::error::Result;
use crate::value::{Label, LabelCounts};

/// Rows of like utility.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// The lowest utility.
    pub from: f64,
    /// The highest.
    pub to: f64,
    /// The number of rows.
    pub rows: usize,
    /// What they were predicted on average.
    pub mean_utility: f64,
    /// What they are on average.
    pub mean_label: f64,
}

/// How many bins there are between -1 and 1.
const BINS: usize = 10;

/// The reliability of utilities: rows in ten bins of equal width; empty bins are left out.
pub fn reliability(rows: &[Scored]) -> Vec<Bin> {
    let width = 2.0 / BINS as f64;
    let bin_of = |row: &Scored| (((row.utility + 1.0) / width) as usize).min(BINS - 1);
    let bin = |number: usize| {
        let own: Vec<&Scored> = rows.iter().filter(|row| bin_of(row) == number).collect();
        let mean = |of: &dyn Fn(&Scored) -> f64| {
            own.iter().map(|row| of(row)).sum::<f64>() / own.len() as f64
        };
        (!own.is_empty()).then(|| Bin {
            from: -1.0 + width * number as f64,
            to: -1.0 + width * (number + 1) as f64,
            rows: own.len(),
            mean_utility: mean(&|row| row.utility),
            mean_label: mean(&|row| f64::from(row.label.number())),
        })
    };
    (0..BINS).filter_map(bin).collect()
}

/// Two utilities between which a row is neutral.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Thresholds {
    /// Below this the class is -1.
    pub low: f64,
    /// Above this it is +1.
    pub high: f64,
}

impl Thresholds {
    /// The class of a utility.
    pub fn class(self, utility: f64) -> Label {
        match utility {
            _ if utility < self.low => Label::No,
            _ if utility > self.high => Label::Yes,
            _ => Label::Unrelated,
        }
    }

    /// The thresholds, multiples of 0.05, with the best macro F1 on `rows`; of equally good ones
    /// those nearest to -0.5 and 0.5, where rounding cuts. The rows must not be those that are
    /// reported.
    pub fn fit(rows: &[Scored]) -> Self {
        let grid = || (-19..=19).map(|step| f64::from(step) * 0.05);
        let pairs = grid().flat_map(|low| {
            grid().filter(move |high| low < *high).map(move |high| Self { low, high })
        });
        let score = |thresholds: &Self| {
            let classes = rows
                .iter()
                .map(|row| (row.label.index(), thresholds.class(row.utility).index(), 1));
            Confusion::<{ Label::COUNT }>::of(classes).macro_f1()
        };
        let from_rounding =
            |thresholds: &Self| (thresholds.low + 0.5).abs() + (thresholds.high - 0.5).abs();
        let better = |a: (Self, f64), b: (Self, f64)| match a.1.total_cmp(&b.1) {
            std::cmp::Ordering::Less => b,
            std::cmp::Ordering::Equal if from_rounding(&b.0) < from_rounding(&a.0) => b,
            _ => a,
        };
        let scored = pairs.map(|thresholds| (thresholds, score(&thresholds)));
        scored.reduce(better).map_or(Self { low: -0.5, high: 0.5 }, |(thresholds, _)| thresholds)
    }
}

/// Classes by fitted thresholds, beside the paper's rule and never in its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Thresholded {
    /// The thresholds.
    #[serde(flatten)]
    pub thresholds: Thresholds,
    /// The split that they were fitted on.
    pub fitted_on: &'static str,
    /// What the classes by thresholds score.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

impl Thresholded {
    /// Fits thresholds on the eval split's predictions, and judges other rows by them.
    ///
    /// # Errors
    /// If there are no rows.
    pub fn of(eval: &[Scored], rows: &[Scored], train: Option<&LabelCounts>) -> Result<Self> {
        let thresholds = Thresholds::fit(eval);
        let cut = |row: &Scored| Scored { class: thresholds.class(row.utility), ..*row };
        let rows: Vec<Scored> = rows.iter().map(cut).collect();
        Ok(Self { thresholds, fitted_on: "eval", evaluation: Evaluation::of(&rows, train)? })
    }
}
