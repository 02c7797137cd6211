//! The splits that a dataset was dealt out to.

use serde_json::{Value as Json, json};

use super::table::{Table, count, number};
use super::{Records, Report};
use crate::data::Split;
use crate::data::partition::{Deviation, Partition};

/// Rows of each split and label, and how far they are from the shares that were asked for.
impl Report for Partition {
    fn tables(&self) -> Vec<Table> {
        vec![table(self).note(deviations(self))]
    }

    fn records(&self) -> Records {
        let header = [
            "split",
            "asked",
            "share",
            "rows",
            "no",
            "unrelated",
            "yes",
            "rows_with_a_text_of_train",
        ];
        let row = |split: Split| {
            let [no, unrelated, yes] = self.labels(split).total();
            let (asked, rows) = (self.shares.of(split), self.split(split).len());
            let shares = [asked, rows as f64 / self.rows() as f64].map(number);
            let counts = [rows as u64, no, unrelated, yes, self.texts_in_train(split) as u64];
            let words = std::iter::once(split.name().to_string()).chain(shares);
            words.chain(counts.map(|number| number.to_string()))
        };
        Records::new(header, Split::ALL.map(row))
    }

    fn json(&self) -> serde_json::Result<Json> {
        let split = |split: Split| {
            let [no, unrelated, yes] = self.labels(split).total();
            let rows = self.split(split).len();
            json!({
                "split": split.name(),
                "asked": self.shares.of(split),
                "share": rows as f64 / self.rows() as f64,
                "rows": rows,
                "labels": {"-1": no, "0": unrelated, "1": yes},
                "rows_with_a_text_of_train": self.texts_in_train(split),
            })
        };
        Ok(json!({
            "splits": Split::ALL.map(split),
            "largest_deviation": self.largest_deviation().map(deviation_json),
            "largest_deviation_of_a_label": self.largest_stratum_deviation().map(deviation_json),
        }))
    }

    fn text(&self) -> String {
        table(self).text() + &deviations(self)
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
    format!(
        "largest deviation from the asked shares: {of_splits}\n  of the labels of a value: {of_strata}\n"
    )
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
