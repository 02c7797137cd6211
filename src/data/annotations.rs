//! What annotators answered: one row for each worker, scenario and value.

use std::collections::HashMap;
use std::path::Path;

use csv::ByteRecord;

use super::record::Records;
use super::records::text;
use super::table::Sample;
use crate::error::{Error, Result};
use crate::value::{Label, Value};

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

const HELP: &str =
    "annotations have the columns worker, scenario, value and answer (yes, no, unrelated or not sure)";

/// A file that is read row by row, and what it should look like.
struct Rows<'a> {
    path: &'a Path,
    help: &'static str,
    records: Records,
}

impl<'a> Rows<'a> {
    fn read(path: &'a Path, help: &'static str) -> Result<Self> {
        Ok(Self { path, help, records: Records::read(path, help)? })
    }

    fn require(&self, wanted: &[&str]) -> Result<usize> {
        self.records.require(self.path, wanted, self.help)
    }

    /// What `row` makes of each row.
    fn map<T>(&self, mut row: impl FnMut(u64, &Cells) -> Result<T, String>) -> Result<Vec<T>> {
        let made = self.records.rows.iter().map(|record| {
            let cells = record.cells.as_ref().map_err(String::clone);
            let made = cells.and_then(|cells| row(record.line, &Cells { cells, names: &self.records.names }));
            made.map_err(|what| Error::row(self.path, record.line, what).help(self.help))
        });
        made.collect()
    }
}

/// The cells of a row.
struct Cells<'a> {
    cells: &'a ByteRecord,
    names: &'a [String],
}

impl Cells<'_> {
    /// A cell without blanks around it, which must hold something.
    fn filled(&self, place: usize) -> Result<&str, String> {
        match text(self.cells, place, &self.names[place])?.trim() {
            "" => Err(format!("column {} is empty", self.names[place])),
            cell => Ok(cell),
        }
    }

    fn value(&self, place: usize) -> Result<Value, String> {
        let name = self.filled(place)?;
        name.parse().map_err(|()| format!("\"{name}\" is none of the ten values"))
    }
}

/// Reads a CSV, JSON Lines or Parquet file with the columns `worker`, `value`, `answer`, and `scenario`, `item` or both: an item
/// is named, or is its text. With a file `items` the texts are looked up there under the column `item`.
///
/// # Errors
/// If a file cannot be read, lacks a column, or has a row that is wrong; if an item is not among `items`, or has two texts.
pub fn read(path: &Path, items: Option<&Path>) -> Result<Vec<Annotation>> {
    let rows = Rows::read(path, HELP)?;
    let worker = rows.require(&["worker"])?;
    let item = rows.require(if items.is_some() { &["item"] } else { &["item", "scenario"] })?;
    let scenario = rows.records.place("scenario");
    let (value, answer) = (rows.require(&["value"])?, rows.require(&["answer"])?);
    let mut texts = match items {
        Some(items) => Texts::read(items)?,
        None => Texts::default(),
    };
    rows.map(|line, cells| {
        let name = cells.filled(item)?;
        let text = match (items, scenario) {
            (Some(_), None) => texts.find(name)?,
            (Some(_), Some(place)) if text(cells.cells, place, "scenario")?.trim().is_empty() => {
                texts.find(name)?
            }
            (Some(_), Some(place)) => {
                texts.find(name)?;
                texts.add(name, cells.filled(place)?, line)?
            }
            (None, Some(place)) => texts.add(name, cells.filled(place)?, line)?,
            (None, None) => name.to_string(),
        };
        Ok(Annotation {
            worker: cells.filled(worker)?.into(),
            item: name.into(),
            scenario: text,
            value: cells.value(value)?,
            answer: answer_of(cells.filled(answer)?)?,
        })
    })
}

/// The texts of named items.
#[derive(Default)]
struct Texts {
    of: HashMap<String, (String, u64)>,
    file: String,
}

impl Texts {
    /// Reads a file with the columns `item` and `scenario`.
    fn read(path: &Path) -> Result<Self> {
        let rows = Rows::read(path, "a file of items has the columns item and scenario")?;
        let (item, scenario) = (rows.require(&["item"])?, rows.require(&["scenario"])?);
        let mut texts = Self { of: HashMap::new(), file: path.display().to_string() };
        rows.map(|line, cells| texts.add(cells.filled(item)?, cells.filled(scenario)?, line))?;
        Ok(texts)
    }

    fn find(&self, item: &str) -> Result<String, String> {
        let found = self.of.get(item).map(|(text, _)| text.clone());
        found.ok_or_else(|| format!("item \"{item}\" is not in {}", self.file))
    }

    /// The item's text, which must be the same wherever it is given.
    fn add(&mut self, item: &str, text: &str, line: u64) -> Result<String, String> {
        let (known, at) = self.of.entry(item.into()).or_insert_with(|| (text.into(), line));
        let place = if self.file.is_empty() { format!("line {at}") } else { format!("{}:{at}", self.file) };
        match known == text {
            true => Ok(text.into()),
            false => Err(format!("item \"{item}\" has another text than at {place}")),
        }
    }
}

fn answer_of(text: &str) -> Result<Option<Label>, String> {
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

/// The right answers to hidden qualification items, under their value and their name or text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Qualification {
    right: HashMap<(Value, String), Label>,
}

impl Qualification {
    /// Reads a file with the columns `item` (or `scenario`), `value` and `answer`.
    ///
    /// # Errors
    /// If it cannot be read, lacks a column, has a row that is wrong, or gives an item two answers.
    pub fn read(path: &Path) -> Result<Self> {
        let help = "qualification items have the columns item (or scenario), value and answer (yes, no or unrelated)";
        let rows = Rows::read(path, help)?;
        let item = rows.require(&["item", "scenario"])?;
        let (value, answer) = (rows.require(&["value"])?, rows.require(&["answer"])?);
        let mut right: HashMap<(Value, String), Label> = HashMap::new();
        rows.map(|_, cells| {
            let (name, value) = (cells.filled(item)?, cells.value(value)?);
            let label = answer_of(cells.filled(answer)?)?.ok_or("\"not sure\" is no right answer")?;
            match right.insert((value, name.into()), label) {
                Some(other) if other != label => {
                    Err(format!("\"{name}\" has two right answers under {value}"))
                }
                _ => Ok(()),
            }
        })?;
        Ok(Self { right })
    }

    /// The right answer to what was asked, if it is a qualification item.
    pub fn right(&self, annotation: &Annotation) -> Option<Label> {
        let under = |name: &String| self.right.get(&(annotation.value, name.clone())).copied();
        under(&annotation.item).or_else(|| under(&annotation.scenario))
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.right.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.right.is_empty()
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
        self.answers.iter().filter_map(|(_, answer)| *answer).for_each(|label| counts[label.index()] += 1);
        counts
    }

    /// Whether `agree` workers or more gave the same answer. "Not sure" never wins, and neither does a tie.
    pub fn verdict(&self, agree: usize) -> Verdict {
        let counts = self.counts();
        let best = Label::ALL.into_iter().max_by_key(|label| counts[label.index()]);
        let enough = best.filter(|label| counts[label.index()] >= agree);
        match enough
            .filter(|label| counts.iter().filter(|&&count| count == counts[label.index()]).count() == 1)
        {
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

/// Scenarios on which at least `agree` workers gave the same answer with that answer, and those of which no answer has so
/// many, both in the order in which they first occur.
pub fn by_agreement(annotations: &[Annotation], agree: usize) -> (Vec<Sample>, Vec<(Value, String)>) {
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
