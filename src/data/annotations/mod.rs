//! What annotators answered: one row for each worker, scenario and value.

mod files;
mod label_studio;
mod qualification;
mod turk;

use std::collections::HashMap;

use serde::Serialize;

use super::table::Sample;
use crate::value::{Label, Value};

pub use files::read;
pub use qualification::Qualification;

/// An answer of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Who answered.
    pub worker: String,
    /// The item's name in its file; the scenario where items have no names.
    pub item: String,
    /// The scenario that was asked about.
    pub scenario: String,
    /// The value that was asked about.
    pub value: Value,
    /// The answer; none if the worker was not sure.
    pub answer: Option<Label>,
}

/// Answers as they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// In the order of the files.
    pub annotations: Vec<Annotation>,
    /// What the files hold beside them.
    pub left_out: LeftOut,
}

/// What is in a file and is no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Assignments that the requester rejected on Mechanical Turk.
    pub rejected: usize,
    /// Annotations that were cancelled in Label Studio.
    pub cancelled: usize,
    /// Questions that were shown and not answered.
    pub unanswered: usize,
}

/// The answer that a cell tells.
pub(super) fn answer_of(text: &str) -> Result<Option<Label>, String> {
    match text.to_lowercase().as_str() {
        "yes" => Ok(Some(Label::Yes)),
        "no" => Ok(Some(Label::No)),
        "unrelated" => Ok(Some(Label::Unrelated)),
        "not sure" | "not_sure" | "notsure" => Ok(None),
        _ => match text.parse() {
            Ok(label) => Ok(Some(label)),
            Err(()) => Err(format!("the answer \"{text}\" is not yes, no, unrelated or not sure")),
        },
    }
}

/// A scenario under a value with what each worker answered once all is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<'a> {
    /// The value.
    pub value: Value,
    /// The scenario.
    pub scenario: &'a str,
    /// Workers and their answers, none if they were not sure.
    pub answers: Vec<(&'a str, Option<Label>)>,
}

/// What the workers of an item make of it together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Enough gave this answer, and more than any other.
    Agreed(Label),
    /// Enough workers answered, and they do not agree.
    Disputed,
    /// There are fewer workers than would have to agree.
    TooFew,
}

impl Item<'_> {
    /// How many workers gave the answers no, unrelated and yes.
    pub fn counts(&self) -> [usize; Label::COUNT] {
        let mut counts = [0; Label::COUNT];
        self.answers
            .iter()
            .filter_map(|(_, answer)| *answer)
            .for_each(|label| counts[label.index()] += 1);
        counts
    }

    /// Whether `agree` workers or more gave the same answer. "Not sure" never wins, and neither
    /// does a tie.
    pub fn verdict(&self, agree: usize) -> Verdict {
        let counts = self.counts();
        let best = Label::ALL.into_iter().max_by_key(|label| counts[label.index()]);
        let enough = best.filter(|label| counts[label.index()] >= agree);
        match enough.filter(|label| {
            counts.iter().filter(|&&count| count == counts[label.index()]).count() == 1
        }) {
            Some(label) => Verdict::Agreed(label),
            None if self.answers.len() < agree => Verdict::TooFew,
            None => Verdict::Disputed,
        }
    }
}

/// All items, and what had to be settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Items<'a> {
    /// The items in the order in which they first occur.
    pub items: Vec<Item<'a>>,
    /// Answers that a worker gave again; they count once.
    pub repeated: usize,
    /// Answers by which a worker contradicts an earlier one; both together count as not sure.
    pub contradicting: usize,
}

/// Collects the answers to each item: to the same text under the same value, whatever its name.
pub fn by_item<'a>(annotations: impl IntoIterator<Item = &'a Annotation>) -> Items<'a> {
    let mut all = Items::default();
    let mut places: HashMap<(Value, &str), usize> = HashMap::new();
    for Annotation { worker, scenario, value, answer, .. } in annotations {
        let place = *places.entry((*value, scenario)).or_insert_with(|| {
            all.items.push(Item { value: *value, scenario, answers: Vec::new() });
            all.items.len() - 1
        });
        let answers = &mut all.items[place].answers;
        match answers.iter_mut().find(|(known, _)| known == worker) {
            None => answers.push((worker, *answer)),
            Some((_, earlier)) if earlier == answer => all.repeated += 1,
            Some((_, earlier)) => {
                *earlier = None;
                all.contradicting += 1;
            }
        }
    }
    all
}

/// Scenarios on which at least `agree` workers gave the same answer with that answer, and those of
/// which no answer has so many, both in the order in which they first occur.
pub fn by_agreement(
    annotations: &[Annotation],
    agree: usize,
) -> (Vec<Sample>, Vec<(Value, String)>) {
    let (mut agreed, mut disputed) = (Vec::new(), Vec::new());
    for item in by_item(annotations).items {
        let (value, scenario) = (item.value, item.scenario.to_string());
        match item.verdict(agree) {
            Verdict::Agreed(label) => agreed.push(Sample { value, scenario, label }),
            Verdict::Disputed | Verdict::TooFew => disputed.push((value, scenario)),
        }
    }
    (agreed, disputed)
}
