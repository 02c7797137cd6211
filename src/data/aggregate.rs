//! From annotations to a dataset, as the paper does it: workers who fail hidden qualification items
//! are left out, and so are items on which too few of the others agree.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;

use super::annotations::{Annotation, Answers, LeftOut, Qualification, Verdict, by_item};
use super::convert::file_kind;
use super::table::Sample;
use super::write::{refuse_unless_empty, to_csv};
use crate::disk;
use crate::error::{Error, Result};
use crate::value::{Label, LabelCounts, Value};

/// A worker and how they did on qualification items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worker {
    /// The name.
    pub worker: String,
    /// How many times a qualification item was asked.
    pub asked: usize,
    /// How many of these answers were right.
    pub right: usize,
    /// How many other answers they gave.
    pub answers: usize,
}

/// Annotations without those of workers who failed, and without qualification items.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScreenedAnnotations<'a> {
    /// What is left, in order.
    pub kept: Vec<&'a Annotation>,
    /// How many workers there are.
    pub workers: usize,
    /// Those who failed, in the order in which they first occur.
    pub failed: Vec<Worker>,
    /// How many were asked no qualification item; they stay.
    pub unasked: usize,
    /// Answers to qualification items.
    pub qualifying: usize,
}

/// Leaves out workers of whose answers to qualification items less than the share `pass` is right;
/// "not sure" is wrong, and an item that is asked again counts again.
///
/// # Errors
/// If nobody was asked any of the qualification items.
pub fn screen<'a>(
    annotations: &'a [Annotation],
    qualification: &Qualification,
    pass: f64,
) -> Result<ScreenedAnnotations<'a>> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut workers: Vec<Worker> = Vec::new();
    for annotation in annotations {
        let name = annotation.worker.as_str();
        let place = *places.entry(name).or_insert_with(|| {
            workers.push(Worker { worker: name.into(), asked: 0, right: 0, answers: 0 });
            workers.len() - 1
        });
        let worker = &mut workers[place];
        match qualification.right(annotation) {
            None => worker.answers += 1,
            Some(right) => {
                worker.asked += 1;
                worker.right += usize::from(annotation.answer == Some(right));
            }
        }
    }
    let qualifying: usize = workers.iter().map(|worker| worker.asked).sum();
    if !qualification.is_empty() && qualifying == 0 {
        return Err(Error::usage("no worker was asked any of the qualification items")
            .help("they are matched by value and by item, or by the scenario's text"));
    }
    // Three of four pass .75, whatever .75 is in binary.
    let failed = |worker: &Worker| (worker.right as f64) < pass * worker.asked as f64 - 1e-9;
    let stays = |annotation: &&Annotation| {
        !failed(&workers[places[annotation.worker.as_str()]])
            && qualification.right(annotation).is_none()
    };
    Ok(ScreenedAnnotations {
        kept: annotations.iter().filter(stays).collect(),
        workers: workers.len(),
        unasked: workers.iter().filter(|worker| worker.asked == 0).count(),
        failed: workers.into_iter().filter(failed).collect(),
        qualifying,
    })
}

/// A dataset made of annotations, and what was left out of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Aggregation {
    /// The samples in the order in which they were first asked.
    #[serde(skip)]
    pub samples: Vec<Sample>,
    /// How many workers had to agree.
    pub agree: usize,
    /// All answers that were read.
    pub answers: usize,
    /// What else was in the files.
    #[serde(flatten)]
    pub left_out: LeftOut,
    /// How many workers gave them.
    pub workers: usize,
    /// Workers who failed.
    pub failed: Vec<Worker>,
    /// Workers who were asked no qualification item.
    pub unasked: usize,
    /// Answers to qualification items.
    pub qualifying: usize,
    /// Answers that a worker gave again.
    pub repeated: usize,
    /// Answers that contradict the worker's own.
    pub contradicting: usize,
    /// Settled answers that are "not sure".
    pub not_sure: usize,
    /// The items that are left.
    pub items: usize,
    /// Those on which enough workers agree.
    pub agreed: usize,
    /// Those on which they do not.
    pub disputed: usize,
    /// Whether these stand among the samples as neutral ones.
    pub disputed_are_neutral: bool,
    /// Those which fewer workers answered than would have to agree; never among the samples.
    pub too_few: usize,
    /// The labels of the samples.
    #[serde(skip)]
    pub labels: LabelCounts,
}

/// Makes samples of what is left: items on which `agree` workers or more give the same answer, and,
/// if `neutral`, disputed ones with the label 0.
pub fn aggregate(
    answers: &Answers,
    screened: ScreenedAnnotations,
    agree: usize,
    neutral: bool,
) -> Aggregation {
    let items = by_item(screened.kept);
    let mut made = Aggregation {
        agree,
        answers: answers.annotations.len(),
        left_out: answers.left_out,
        workers: screened.workers,
        failed: screened.failed,
        unasked: screened.unasked,
        qualifying: screened.qualifying,
        repeated: items.repeated,
        contradicting: items.contradicting,
        items: items.items.len(),
        disputed_are_neutral: neutral,
        ..Aggregation::default()
    };
    for item in items.items {
        made.not_sure += item.answers.iter().filter(|(_, answer)| answer.is_none()).count();
        let verdict = item.verdict(agree);
        match verdict {
            Verdict::Agreed(_) => made.agreed += 1,
            Verdict::Disputed => made.disputed += 1,
            Verdict::TooFew => made.too_few += 1,
        }
        let label = match verdict {
            Verdict::Agreed(label) => Some(label),
            Verdict::Disputed if neutral => Some(Label::Unrelated),
            Verdict::Disputed | Verdict::TooFew => None,
        };
        let sample = |label| Sample { value: item.value, scenario: item.scenario.into(), label };
        made.samples.extend(label.map(sample));
    }
    made.labels = LabelCounts::of(made.samples.iter().map(|sample| (sample.value, sample.label)));
    made
}

/// Writes samples as `scenario,label` CSV: to a file, or, if the name does not end in .csv, to a
/// new folder with a file for each value. Says how many files there are.
///
/// # Errors
/// If the folder is not empty, the name is that of another kind of file, or a file cannot be
/// written.
pub fn write(samples: &[Sample], to: &Path) -> Result<usize> {
    if let Some(kind) = file_kind(to) {
        if kind != super::FileKind::Csv {
            return Err(Error::usage(format!("{} is no name for a CSV file", to.display())).help(
                "name a file .csv, or a folder; `valuenet data convert` makes other files of it",
            ));
        }
        disk::write_file(to, to_csv(samples.iter())?.as_bytes())?;
        return Ok(1);
    }
    refuse_unless_empty(to)?;
    let of = |value: Value| samples.iter().filter(move |sample| sample.value == value);
    let values: Vec<Value> =
        Value::ALL.into_iter().filter(|value| of(*value).next().is_some()).collect();
    disk::write_folder(to, |folder| {
        values.iter().try_for_each(|value| {
            disk::write_file(&folder.join(format!("{value}.csv")), to_csv(of(*value))?.as_bytes())
        })
    })?;
    Ok(values.len())
}
