//! A comparison of two classifiers, with its verdict in words.

use serde::Serialize;
use serde_json::Value as Json;

use super::comparison::{beyond, p};
use super::table::{Table, count, ends, number};
use super::{Records, Report};
use crate::eval::Bootstrap;
use crate::eval::classes::ClassComparison;
use crate::eval::compare::Difference;

/// A comparison with what was compared.
#[derive(Debug, Serialize)]
pub struct EmotionComparisonReport {
    /// The first model.
    pub a: String,
    /// The second one.
    pub b: String,
    /// The split.
    pub split: String,
    /// How intervals and p-values were made.
    pub bootstrap: Bootstrap,
    /// The numbers.
    #[serde(flatten)]
    pub comparison: ClassComparison,
}

/// A figure: its name, its key, its factor in tables, whether lower is better.
type Row = (&'static str, &'static str, f64, bool, Difference);

impl EmotionComparisonReport {
    fn rows(&self) -> [Row; 5] {
        let found = &self.comparison;
        [
            ("accuracy", "accuracy", 100.0, false, found.accuracy),
            ("macro F1", "macro_f1", 100.0, false, found.macro_f1),
            ("top 3", "top_3", 100.0, false, found.top_3),
            ("top 5", "top_5", 100.0, false, found.top_5),
            ("loss", "loss", 1.0, true, found.loss),
        ]
    }

    /// Whether the models differ, a sentence for each figure.
    fn verdict(&self) -> String {
        let sentence = |(name, _, factor, is_error, it): Row| {
            let [a, b] = [it.a, it.b].map(|number| format!("{:.2}", factor * number));
            let told = format!("{b} against {a}, p {}", p(it.p));
            if !beyond(it.p) {
                return format!("{name}: no difference beyond chance ({told})\n");
            }
            let model = if (it.difference > 0.0) != is_error { "B" } else { "A" };
            format!("{name}: {model} is better ({told})\n")
        };
        let sentences: String = self.rows().map(sentence).concat();
        let test = self.comparison.mcnemar;
        let (a, b) = (count(test.only_a), count(test.only_b));
        let words = match beyond(Some(test.p)) {
            true => "the difference in accuracy is beyond chance",
            false => "no difference in accuracy beyond chance",
        };
        let p = p(Some(test.p));
        sentences + &format!("McNemar: {a} texts right by A only, {b} by B only, p {p}: {words}\n")
    }
}

impl Report for EmotionComparisonReport {
    fn tables(&self) -> Vec<Table> {
        let texts = count(self.comparison.rows as u64);
        let title = format!("{} ({texts} texts) · A {} · B {}", self.split, self.a, self.b);
        let mut table = Table::new(title, ["", "A", "B", "B - A", "95% interval", "p"]);
        for (name, _, factor, _, it) in self.rows() {
            let shown = |number: f64| format!("{:.2}", factor * number);
            let interval = it
                .interval
                .map_or("-".into(), |ends| format!("{} to {}", shown(ends.low), shown(ends.high)));
            let [a, b, difference] = [it.a, it.b, it.difference].map(shown);
            table.push([name.into(), a, b, difference, interval, p(it.p)]);
        }
        vec![table.note(self.verdict())]
    }

    fn records(&self) -> Records {
        let rows = self.rows().map(|(_, key, _, _, it)| {
            let figures = [it.a, it.b, it.difference].map(number);
            let words = [self.split.clone(), key.to_string()];
            let all = words.into_iter().chain(figures).chain(ends(it.interval));
            all.chain([number(it.p)]).collect::<Vec<_>>()
        });
        Records::new(["split", "figure", "a", "b", "difference", "low", "high", "p"], rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        serde_json::to_value(self)
    }
}
