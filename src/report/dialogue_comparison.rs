//! A comparison of two dialogue models, with its verdict in words.

use serde::Serialize;
use serde_json::Value as Json;

use super::comparison::{beyond, p};
use super::table::{Table, ends, number, ten_thousandths};
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

/// What is to be preferred of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    Higher,
    Lower,
    /// Neither: a cosine, or what is made of cosines.
    Neither,
}

/// A figure: its name, its key, its factor in tables, which is better.
#[derive(Debug, Clone, Copy)]
struct Row {
    name: &'static str,
    key: &'static str,
    factor: f64,
    better: Better,
    it: Difference,
}

impl Row {
    /// A number of this figure as tables show it.
    fn shown(&self, number: f64) -> String {
        match self.better {
            Better::Neither => ten_thousandths(number),
            Better::Higher | Better::Lower => format!("{:.2}", number * self.factor),
        }
    }

    /// Whether the models differ.
    fn sentence(&self) -> String {
        let Self { name, it, .. } = self;
        let told = format!("{} against {}, p {}", self.shown(it.b), self.shown(it.a), p(it.p));
        if !beyond(it.p) {
            return format!("{name}: no difference beyond chance ({told})\n");
        }
        let is_b = (it.difference > 0.0) != (self.better == Better::Lower);
        let model = if is_b { "B" } else { "A" };
        let word = if self.better == Better::Neither { "higher" } else { "better" };
        format!("{name}: {model} is {word} ({told})\n")
    }
}

impl DialogueComparisonReport {
    fn rows(&self) -> impl Iterator<Item = Row> {
        let found = &self.comparison;
        let rows = [
            ("Hits@1", "hits_at_1", 100.0, Better::Higher, found.hits_at_1),
            ("Ppl", "perplexity", 1.0, Better::Lower, found.perplexity),
            ("Ppl/word", "perplexity_per_word", 1.0, Better::Lower, found.perplexity_per_word),
            ("F1", "f1", 100.0, Better::Higher, found.f1),
            ("r, own persona", "r", 1.0, Better::Neither, found.r),
            ("r, another's", "r_other", 1.0, Better::Neither, found.r_other),
            ("r, own - other", "r_difference", 1.0, Better::Neither, found.r_difference),
        ];
        let row = |(name, key, factor, better, it): (_, _, _, _, Option<Difference>)| {
            Some(Row { name, key, factor, better, it: it? })
        };
        rows.into_iter().filter_map(row)
    }

    /// Whether the models differ, a sentence for each figure.
    fn verdict(&self) -> String {
        let mcnemar = self.comparison.mcnemar.map_or(String::new(), |test| {
            let (a, b) = (test.only_a, test.only_b);
            format!("McNemar: {a} replies found by A only, {b} by B only, p {}\n", p(Some(test.p)))
        });
        let sentences: String = self.rows().map(|row| row.sentence()).collect();
        sentences + &mcnemar + &self.raised_alike()
    }

    /// What it means that a model is nearer to its own personas, if it is as much nearer to those
    /// of others.
    fn raised_alike(&self) -> String {
        let DialogueComparison { r, r_other, r_difference, .. } = &self.comparison;
        let (Some(own), Some(other), Some(difference)) = (r, r_other, r_difference) else {
            return String::new();
        };
        let same_way = own.difference.signum() == other.difference.signum();
        if beyond(difference.p) || !beyond(own.p) || !beyond(other.p) || !same_way {
            return String::new();
        }
        let model = if own.difference > 0.0 { "B" } else { "A" };
        format!(
            "Own and other are raised alike: {model} pleases the value model more, and is not told \
             to be more\nlike its own speakers.\n"
        )
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
        for row in self.rows() {
            let Row { name, it, .. } = row;
            let interval = it.interval.map_or("-".into(), |ends| {
                format!("{} to {}", row.shown(ends.low), row.shown(ends.high))
            });
            let [a, b, difference] = [it.a, it.b, it.difference].map(|number| row.shown(number));
            table.push([name.into(), a, b, difference, interval, p(it.p)]);
        }
        vec![table.note(self.verdict())]
    }

    fn records(&self) -> Records {
        let rows = self.rows().map(|Row { key, it, .. }| {
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
