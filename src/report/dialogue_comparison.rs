//! A comparison of two dialogue models, with its verdict in words.

use serde::Serialize;
use serde_json::Value as Json;

use super::comparison::{beyond, p};
use super::table::{Table, ends, number};
use super::{Records, Report};
use crate::eval::Bootstrap;
use crate::eval::compare::Difference;
use crate::eval::dialogue::compare::DialogueComparison;

/// A comparison with what was compared.
#[derive(Debug, Serialize)]
pub struct DialogueComparisonReport {
    /// The first model.
    pub a: String,
    /// The second one.
    pub b: String,
    /// The file that both were judged by.
    pub set: String,
    /// How intervals and p-values were made.
    pub bootstrap: Bootstrap,
    /// The numbers.
    #[serde(flatten)]
    pub comparison: DialogueComparison,
}

/// A figure: its name, its key, its factor in tables, whether it is better where it is lower.
type Row<'a> = (&'static str, &'static str, f64, bool, &'a Option<Difference>);

impl DialogueComparisonReport {
    fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str, f64, bool, Difference)> {
        let found = &self.comparison;
        let rows: [Row; 4] = [
            ("Hits@1", "hits_at_1", 100.0, false, &found.hits_at_1),
            ("Ppl", "perplexity", 1.0, true, &found.perplexity),
            ("Ppl/word", "perplexity_per_word", 1.0, true, &found.perplexity_per_word),
            ("F1", "f1", 100.0, false, &found.f1),
        ];
        rows.into_iter()
            .filter_map(|(name, key, factor, is_error, it)| {
                Some((name, key, factor, is_error, (*it)?))
            })
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Whether the models differ, a sentence for each figure.
    fn verdict(&self) -> String {
        let sentence = |(name, _, factor, is_error, it): (_, _, f64, bool, Difference)| {
            let told = format!("{:.2} against {:.2}, p {}", it.b * factor, it.a * factor, p(it.p));
            if !beyond(it.p) {
                return format!("{name}: no difference beyond chance ({told})\n");
            }
            let better = if (it.difference > 0.0) == is_error { "A" } else { "B" };
            format!("{name}: {better} is better ({told})\n")
        };
        let mcnemar = self.comparison.mcnemar.map_or(String::new(), |test| {
            let (a, b) = (test.only_a, test.only_b);
            format!("McNemar: {a} replies found by A only, {b} by B only, p {}\n", p(Some(test.p)))
        });
        self.rows().map(sentence).collect::<String>() + &mcnemar
    }
}

impl Report for DialogueComparisonReport {
    fn tables(&self) -> Vec<Table> {
        let (dialogues, replies) = (self.comparison.dialogues, self.comparison.replies);
        let title = format!(
            "{} ({replies} replies of {dialogues} dialogues) · A {} · B {}",
            self.set, self.a, self.b
        );
        let mut table = Table::new(title, ["", "A", "B", "B - A", "95% interval", "p"]);
        for (name, _, factor, _, it) in self.rows() {
            let interval = it.interval.map_or("-".into(), |ends| {
                format!("{:.2} to {:.2}", ends.low * factor, ends.high * factor)
            });
            let [a, b, difference] =
                [it.a, it.b, it.difference].map(|number| format!("{:.2}", number * factor));
            table.push([name.into(), a, b, difference, interval, p(it.p)]);
        }
        vec![table.note(self.verdict())]
    }

    fn records(&self) -> Records {
        let rows = self.rows().map(|(_, key, _, _, it)| {
            let figures = [it.a, it.b, it.difference].map(number);
            let words = [self.set.clone(), key.to_string()];
            let all = words.into_iter().chain(figures).chain(ends(it.interval));
            all.chain([number(it.p)]).collect::<Vec<_>>()
        });
        Records::new(["set", "figure", "a", "b", "difference", "low", "high", "p"], rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        serde_json::to_value(self)
    }
}
