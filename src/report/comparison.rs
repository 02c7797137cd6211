//! A comparison of two models, with its verdict in words.

use serde::Serialize;
use serde_json::Value as Json;

use super::table::{Table, count, ends, interval, number, score};
use super::{Records, Report};
use crate::eval::compare::{Comparison, Difference, SIGNIFICANCE};
use crate::eval::{Bootstrap, Figure};

/// A comparison with what was compared.
#[derive(Debug, Serialize)]
pub struct ComparisonReport {
    /// The first model.
    pub a: String,
    /// The second one.
    pub b: String,
    /// The split that both predicted.
    pub split: String,
    /// How intervals and p-values were made.
    pub bootstrap: Bootstrap,
    /// The numbers.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// What tables show: its name there, and the figure.
const SHOWN: [(&str, Figure); 3] =
    [("accuracy", Figure::Accuracy), ("macro F1", Figure::MacroF1), ("MSE", Figure::Mse)];

impl Report for ComparisonReport {
    fn tables(&self) -> Vec<Table> {
        let figures = SHOWN.map(|(name, figure)| {
            let title = format!("{name} · A {} · B {}", self.a, self.b);
            let mut table =
                Table::new(title, ["", "rows", "A", "B", "B - A", "95% interval", "p", "p, Holm"]);
            for slice in &self.comparison.slices {
                let Some(found) = slice.figures.get(&figure.name()) else { continue };
                table.push([
                    slice.name.clone(),
                    count(slice.rows as u64),
                    score(found.a),
                    score(found.b),
                    score(found.difference),
                    interval(found.interval),
                    p(found.p),
                    p(found.adjusted_p),
                ]);
            }
            table
        });
        figures.into_iter().chain([self.mcnemar().note(self.verdict())]).collect()
    }

    fn records(&self) -> Records {
        let rows = self.comparison.slices.iter().flat_map(|slice| {
            slice.figures.iter().map(|(name, found)| {
                let words = [slice.name.clone(), slice.rows.to_string(), name.clone()];
                let figures = [found.a, found.b, found.difference].map(number);
                let ps = [found.p, found.adjusted_p].map(number);
                words.into_iter().chain(figures).chain(ends(found.interval)).chain(ps)
            })
        });
        let header =
            ["slice", "rows", "figure", "a", "b", "difference", "low", "high", "p", "adjusted_p"];
        Records::new(header, rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        serde_json::to_value(self)
    }
}

impl ComparisonReport {
    fn mcnemar(&self) -> Table {
        let mut table = Table::new(
            "who is right: McNemar's exact test",
            ["", "rows", "only A", "only B", "p", "p, Holm"],
        );
        for slice in &self.comparison.slices {
            let test = slice.mcnemar;
            table.push([
                slice.name.clone(),
                count(slice.rows as u64),
                count(test.only_a),
                count(test.only_b),
                p(Some(test.p)),
                p(test.adjusted_p),
            ]);
        }
        table
    }

    /// Whether the models differ, a sentence for each figure, and the values in which they do.
    fn verdict(&self) -> String {
        let all = &self.comparison.slices[0];
        let mut lines = Vec::new();
        for (name, figure) in SHOWN {
            let Some(found) = all.figures.get(&figure.name()) else { continue };
            let values: Vec<&str> = self
                .comparison
                .slices
                .iter()
                .filter(|slice| {
                    slice.figures.get(&figure.name()).is_some_and(|value| beyond(value.adjusted_p))
                })
                .map(|slice| slice.name.as_str())
                .collect();
            let values = match values.as_slice() {
                [] => String::new(),
                names => format!("; by value, beyond chance in {}", names.join(", ")),
            };
            lines.push(format!("{name}: {}{values}", sentence(figure, found)));
        }
        let test = all.mcnemar;
        let agreement = match beyond(Some(test.p)) {
            true => "the difference in accuracy is beyond chance",
            false => "no difference in accuracy beyond chance",
        };
        lines.push(format!(
            "McNemar: {} rows only A, {} only B, p {}: {agreement}",
            test.only_a,
            test.only_b,
            p(Some(test.p))
        ));
        lines.join("\n") + "\n"
    }
}

pub(super) fn beyond(p: Option<f64>) -> bool {
    p.is_some_and(|p| p < SIGNIFICANCE)
}

fn sentence(figure: Figure, found: &Difference) -> String {
    let told = format!("{} against {}, p {}", score(found.b), score(found.a), p(found.p));
    if !beyond(found.p) {
        return format!("no difference beyond chance ({told})");
    }
    let better = if (found.difference > 0.0) == figure.is_error() { "A" } else { "B" };
    format!("{better} is better ({told})")
}

/// A p-value with three decimals.
pub(super) fn p(number: Option<f64>) -> String {
    match number {
        None => "-".into(),
        Some(p) if p < 0.001 => "<.001".into(),
        Some(p) => score(p),
    }
}
