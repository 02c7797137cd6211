//! What became of annotations, and how far annotators agree, as a table, JSON, CSV, Markdown or LaTeX.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::Format;
use super::dataset::pretty;
use super::table::{Table, count, csv, score};
use crate::data::aggregate::{Aggregation, Worker};
use crate::error::{Error, Result};
use crate::eval::annotators::{AgreedWorker, Agreement, Estimate};
use crate::eval::{Bootstrap, Interval};

/// How many workers a table names one by one.
const NAMED: usize = 20;

/// What was kept of annotations, what was dropped, and why.
///
/// # Errors
/// If it cannot be written.
pub fn aggregation(made: &Aggregation, format: Format) -> Result<String> {
    let tables = || aggregation_tables(made);
    match format {
        Format::Table => Ok(tables().iter().map(Table::text).collect::<Vec<_>>().join("\n")),
        Format::Markdown => Ok(tables().iter().map(Table::markdown).collect::<Vec<_>>().join("\n")),
        Format::Latex => Ok(tables().iter().map(Table::latex).collect::<Vec<_>>().join("\n")),
        Format::Csv => {
            csv(&["what", "count"], lines(made).map(|(what, count)| vec![what, count.to_string()]))
        }
        Format::Json => {
            let [no, unrelated, yes] = made.labels.total();
            let labels = json!({"-1": no, "0": unrelated, "1": yes});
            json(&Counted { made, samples: made.samples.len(), labels })
        }
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

fn json(value: &impl Serialize) -> Result<String> {
    pretty(&serde_json::to_value(value).map_err(Error::failure_because("cannot write JSON"))?)
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

fn aggregation_tables(made: &Aggregation) -> Vec<Table> {
    let mut table = Table::new("annotations", ["", "count"]);
    lines(made).for_each(|(what, number)| table.push([what, count(number as u64)]));
    let mut failed = Table::new("workers who failed", ["", "right", "asked", "share", "other answers"]);
    for worker in made.failed.iter().take(NAMED) {
        let Worker { worker, asked, right, answers } = worker;
        let share = score(*right as f64 / (*asked).max(1) as f64);
        failed.push([worker.clone(), right.to_string(), asked.to_string(), share, answers.to_string()]);
    }
    if made.failed.len() > NAMED {
        failed.push(more(made.failed.len() - NAMED, 4));
    }
    if made.failed.is_empty() { vec![table] } else { vec![table, failed] }
}

/// A row that says how many there are beyond those named.
fn more(rest: usize, empty: usize) -> Vec<String> {
    let says = format!("… {} more (--format json lists all)", count(rest as u64));
    std::iter::once(says).chain(vec![String::new(); empty]).collect()
}

/// The agreement of annotators, whose names are in the order of their numbers.
///
/// # Errors
/// If it cannot be written.
pub fn agreement(
    found: &Agreement,
    workers: &[&str],
    bootstrap: Bootstrap,
    format: Format,
) -> Result<String> {
    let tables = || agreement_tables(found, workers);
    match format {
        Format::Table => Ok(tables().map(|table| table.text()).join("\n") + "\n" + NOTE),
        Format::Markdown => Ok(tables().map(|table| table.markdown()).join("\n") + "\n" + NOTE),
        Format::Latex => Ok(tables().map(|table| table.latex()).join("\n")),
        Format::Csv => agreement_csv(found, workers),
        Format::Json => {
            let named = found.workers.iter().map(|worker| {
                let agreement = &worker.agreement;
                json!({"worker": workers[worker.worker], "items": worker.items, "agreement": agreement})
            });
            json(&json!({
                "slices": found.slices,
                "workers": named.collect::<Vec<_>>(),
                "bootstrap": bootstrap,
                "scale": "no < unrelated < yes, \"not sure\" is missing",
            }))
        }
    }
}

const NOTE: &str =
    "95% intervals draw scenarios; \"not sure\" is a missing answer; alpha: no < unrelated < yes\n";

fn ends(estimate: Estimate) -> String {
    let told = |Interval { low, high }: Interval| format!("{} to {}", score(low), score(high));
    estimate.interval.map_or("-".into(), told)
}

fn agreement_tables(found: &Agreement, names: &[&str]) -> [Table; 3] {
    let figures = ["pairwise", "Fleiss' kappa", "Krippendorff's alpha"];
    let header = ["", "items", "answers"].into_iter().chain(figures);
    let mut slices = Table::new("agreement of annotators", header);
    let mut intervals = Table::new("their 95% intervals", [""].into_iter().chain(figures));
    for slice in &found.slices {
        let sizes = [slice.items, slice.answers].map(|number| count(number as u64));
        let estimates = [slice.pairwise, slice.kappa, slice.alpha];
        let name = || [slice.name.clone()].into_iter();
        slices.push(name().chain(sizes).chain(estimates.map(|estimate| score(estimate.estimate))));
        intervals.push(name().chain(estimates.map(ends)));
    }
    let mut workers = Table::new("workers with the others", ["", "items", "agreement", "95% interval"]);
    for AgreedWorker { worker, items, agreement } in found.workers.iter().take(NAMED) {
        let figures = [score(agreement.estimate), ends(*agreement)];
        workers.push([names[*worker].to_string(), count(*items as u64)].into_iter().chain(figures));
    }
    if found.workers.len() > NAMED {
        workers.push(more(found.workers.len() - NAMED, 3));
    }
    [slices, intervals, workers]
}

/// A row for each figure.
fn agreement_csv(found: &Agreement, names: &[&str]) -> Result<String> {
    let row = |kind: &str, name: &str, items: usize, figure: &str, estimate: Estimate| {
        let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
        let ends = [estimate.interval.map(|ends| ends.low), estimate.interval.map(|ends| ends.high)];
        let words = [kind, name, &items.to_string(), figure].map(String::from);
        words.into_iter().chain([estimate.estimate, ends[0], ends[1]].map(number)).collect::<Vec<_>>()
    };
    let slices = found.slices.iter().flat_map(|slice| {
        let kind = if slice.name == "all" { "all" } else { "value" };
        [("pairwise", slice.pairwise), ("kappa", slice.kappa), ("alpha", slice.alpha)]
            .map(|(figure, estimate)| row(kind, &slice.name, slice.items, figure, estimate))
    });
    let workers = found
        .workers
        .iter()
        .map(|worker| row("worker", names[worker.worker], worker.items, "agreement", worker.agreement));
    csv(&["kind", "name", "items", "figure", "estimate", "low", "high"], slices.chain(workers))
}
