//! What became of annotations, and how far annotators agree.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::table::{Table, count, ends, interval, number, score};
use super::{Records, Report};
use crate::data::aggregate::{Aggregation, Worker};
use crate::eval::Bootstrap;
use crate::eval::annotators::{AgreedWorker, Agreement, Estimate};

/// How many workers a table names one by one.
const NAMED: usize = 20;

/// What was kept of annotations, what was dropped, and why.
impl Report for Aggregation {
    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new("annotations", ["", "count"]);
        lines(self).for_each(|(what, number)| table.push([what, count(number as u64)]));
        let mut failed =
            Table::new("workers who failed", ["", "right", "asked", "share", "other answers"]);
        for Worker { worker, asked, right, answers } in self.failed.iter().take(NAMED) {
            let share = score(*right as f64 / (*asked).max(1) as f64);
            failed.push([
                worker.clone(),
                right.to_string(),
                asked.to_string(),
                share,
                answers.to_string(),
            ]);
        }
        if self.failed.len() > NAMED {
            failed.push(more(self.failed.len() - NAMED, 4));
        }
        if self.failed.is_empty() { vec![table] } else { vec![table, failed] }
    }

    fn records(&self) -> Records {
        Records::new(["what", "count"], lines(self).map(|(what, count)| [what, count.to_string()]))
    }

    fn json(&self) -> serde_json::Result<Json> {
        let [no, unrelated, yes] = self.labels.total();
        let labels = json!({"-1": no, "0": unrelated, "1": yes});
        serde_json::to_value(Counted { made: self, samples: self.samples.len(), labels })
    }
}

/// An aggregation with its samples counted.
#[derive(Serialize)]
struct Counted<'a> {
    #[serde(flatten)]
    made: &'a Aggregation,
    samples: usize,
    labels: Json,
}

fn lines(made: &Aggregation) -> impl Iterator<Item = (String, usize)> {
    let failed: usize = made.failed.iter().map(|worker| worker.answers).sum();
    let agree = made.agree;
    let disputed = match made.disputed_are_neutral {
        true => "items on which they do not: kept as neutral",
        false => "items on which they do not: dropped",
    };
    let labels = made.labels.total();
    [
        ("answers".to_string(), made.answers),
        ("answers to qualification items: not samples".into(), made.qualifying),
        ("answers of workers who failed: dropped".into(), failed),
        ("answers given again by the same worker: counted once".into(), made.repeated),
        ("answers that contradict the worker's own: both not sure".into(), made.contradicting),
        ("answers that are not sure: never win".into(), made.not_sure),
        ("questions that were not answered".into(), made.left_out.unanswered),
        ("assignments rejected on Mechanical Turk: left out".into(), made.left_out.rejected),
        ("annotations cancelled in Label Studio: left out".into(), made.left_out.cancelled),
        ("workers".into(), made.workers),
        ("workers who failed the qualification".into(), made.failed.len()),
        ("workers who were asked no qualification item: kept".into(), made.unasked),
        ("items".into(), made.items),
        (format!("items on which {agree} workers or more agree: kept"), made.agreed),
        (disputed.into(), made.disputed),
        (format!("items that fewer than {agree} workers answered: dropped"), made.too_few),
        ("samples".into(), made.samples.len()),
        ("samples with the label -1".into(), labels[0] as usize),
        ("samples with the label 0".into(), labels[1] as usize),
        ("samples with the label +1".into(), labels[2] as usize),
    ]
    .into_iter()
}

/// A row that says how many there are beyond those named.
fn more(rest: usize, empty: usize) -> Vec<String> {
    let says = format!("… {} more (--format json lists all)", count(rest as u64));
    std::iter::once(says).chain(vec![String::new(); empty]).collect()
}

/// The agreement of annotators.
#[derive(Debug, Clone, Copy)]
pub struct AgreementReport<'a> {
    /// How far they agree.
    pub found: &'a Agreement,
    /// Their names, in the order of their numbers.
    pub workers: &'a [&'a str],
    /// How the intervals were made.
    pub bootstrap: Bootstrap,
}

const NOTE: &str =
    "95% intervals draw scenarios; \"not sure\" is a missing answer; alpha: no < unrelated < yes\n";

impl Report for AgreementReport<'_> {
    fn tables(&self) -> Vec<Table> {
        let figures = ["pairwise", "Fleiss' kappa", "Krippendorff's alpha"];
        let header = ["", "items", "answers"].into_iter().chain(figures);
        let mut slices = Table::new("agreement of annotators", header);
        let mut intervals = Table::new("their 95% intervals", [""].into_iter().chain(figures));
        for slice in &self.found.slices {
            let sizes = [slice.items, slice.answers].map(|number| count(number as u64));
            let estimates = [slice.pairwise, slice.kappa, slice.alpha];
            let name = || [slice.name.clone()].into_iter();
            slices.push(
                name().chain(sizes).chain(estimates.map(|estimate| score(estimate.estimate))),
            );
            intervals.push(name().chain(estimates.map(|estimate| interval(estimate.interval))));
        }
        let mut workers =
            Table::new("workers with the others", ["", "items", "agreement", "95% interval"])
                .note(NOTE);
        for AgreedWorker { worker, items, agreement } in self.found.workers.iter().take(NAMED) {
            let figures = [score(agreement.estimate), interval(agreement.interval)];
            workers.push(
                [self.workers[*worker].to_string(), count(*items as u64)]
                    .into_iter()
                    .chain(figures),
            );
        }
        if self.found.workers.len() > NAMED {
            workers.push(more(self.found.workers.len() - NAMED, 3));
        }
        vec![slices, intervals, workers]
    }

    /// A row for each figure.
    fn records(&self) -> Records {
        let row = |kind: &str, name: &str, items: usize, figure: &str, estimate: Estimate| {
            let words = [kind, name, &items.to_string(), figure].map(String::from);
            words.into_iter().chain([number(estimate.estimate)]).chain(ends(estimate.interval))
        };
        let slices = self.found.slices.iter().flat_map(|slice| {
            let kind = if slice.name == "all" { "all" } else { "value" };
            [("pairwise", slice.pairwise), ("kappa", slice.kappa), ("alpha", slice.alpha)]
                .map(|(figure, estimate)| row(kind, &slice.name, slice.items, figure, estimate))
        });
        let workers = self.found.workers.iter().map(|worker| {
            row("worker", self.workers[worker.worker], worker.items, "agreement", worker.agreement)
        });
        let header = ["kind", "name", "items", "figure", "estimate", "low", "high"];
        Records::new(header, slices.chain(workers))
    }

    fn json(&self) -> serde_json::Result<Json> {
        let named = self.found.workers.iter().map(|worker| {
            let agreement = &worker.agreement;
            json!({"worker": self.workers[worker.worker], "items": worker.items, "agreement": agreement})
        });
        Ok(json!({
            "slices": self.found.slices,
            "workers": named.collect::<Vec<_>>(),
            "bootstrap": self.bootstrap,
            "scale": "no < unrelated < yes, \"not sure\" is missing",
        }))
    }
}
