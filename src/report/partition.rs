//! The splits that a dataset was dealt out to, as a table, JSON, CSV, Markdown or LaTeX.

use serde_json::{Value as Json, json};

use super::Format;
use super::dataset::pretty;
use super::table::{Table, count, csv};
use crate::data::Split;
use crate::data::partition::{Deviation, Partition};
use crate::error::Result;

/// Rows of each split and label, and how far they are from the shares that were asked for.
///
/// # Errors
/// If it cannot be written.
pub fn partition(made: &Partition, format: Format) -> Result<String> {
    match format {
        Format::Table => Ok(table(made).text() + &deviations(made)),
        Format::Markdown => Ok(table(made).markdown() + "\n" + &deviations(made)),
        Format::Latex => Ok(table(made).latex()),
        Format::Csv => {
            let header =
                ["split", "asked", "share", "rows", "no", "unrelated", "yes", "rows_with_a_text_of_train"];
            let row = |split: Split| {
                let [no, unrelated, yes] = made.labels(split).total();
                let (asked, rows) = (made.shares.of(split), made.split(split).len());
                let shares = [asked, rows as f64 / made.rows() as f64].map(|share| share.to_string());
                let counts = [rows as u64, no, unrelated, yes, made.texts_in_train(split) as u64];
                let words = std::iter::once(split.name().to_string()).chain(shares);
                words.chain(counts.map(|number| number.to_string())).collect::<Vec<_>>()
            };
            csv(&header, Split::ALL.map(row))
        }
        Format::Json => {
            let split = |split: Split| {
                let [no, unrelated, yes] = made.labels(split).total();
                let rows = made.split(split).len();
                json!({
                    "split": split.name(),
                    "asked": made.shares.of(split),
                    "share": rows as f64 / made.rows() as f64,
                    "rows": rows,
                    "labels": {"-1": no, "0": unrelated, "1": yes},
                    "rows_with_a_text_of_train": made.texts_in_train(split),
                })
            };
            pretty(&json!({
                "splits": Split::ALL.map(split),
                "largest_deviation": made.largest_deviation().map(deviation_json),
                "largest_deviation_of_a_label": made.largest_stratum_deviation().map(deviation_json),
            }))
        }
    }
}

fn table(made: &Partition) -> Table {
    let header = ["", "rows", "share", "asked", "-1", "0", "+1", "text in train"];
    let mut table = Table::new("splits", header);
    let percent = |share: f64| format!("{:.2}%", 100.0 * share);
    for split in Split::ALL {
        let rows = made.split(split).len();
        let shares = [rows as f64 / made.rows() as f64, made.shares.of(split)].map(percent);
        let shared = match split {
            Split::Train => "-".into(),
            _ => count(made.texts_in_train(split) as u64),
        };
        let words = [split.name().to_string(), count(rows as u64)].into_iter().chain(shares);
        table.push(words.chain(made.labels(split).total().map(count)).chain([shared]));
    }
    table
}

fn deviations(made: &Partition) -> String {
    let told = |Deviation { split, stratum, rows, share }: Deviation| {
        let of = stratum.map(|(value, label)| format!("{value} {label} ")).unwrap_or_default();
        format!("{of}in {split}, {rows:+.1} rows ({:+.2} points)", 100.0 * share)
    };
    let of_splits = made.largest_deviation().map(told).unwrap_or_default();
    let of_strata = made.largest_stratum_deviation().map(told).unwrap_or_default();
    format!("largest deviation from the asked shares: {of_splits}\n  of the labels of a value: {of_strata}\n")
}

fn deviation_json(deviation: Deviation) -> Json {
    let Deviation { split, stratum, rows, share } = deviation;
    json!({
        "split": split.name(),
        "value": stratum.map(|(value, _)| value),
        "label": stratum.map(|(_, label)| label.number()),
        "rows": rows,
        "share": share,
    })
}
