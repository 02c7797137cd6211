//! Files of answers: rows of our own, results of Mechanical Turk, and exports of Label Studio. What
//! a file is, its contents say.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Annotation, Answers, answer_of, label_studio, turk};
use crate::data::FileKind;
use crate::data::rows::Rows;
use crate::error::{Error, Result};
use crate::value::{Label, Value};

const HELP: &str = "annotations have the columns worker, scenario, value and answer (yes, no, unrelated or not sure), or are the \
                    results of a Mechanical Turk batch, or a JSON export of Label Studio";

/// Reads files of answers. Each is one of
/// * CSV, JSON Lines or Parquet with the columns `worker`, `value`, `answer`, and `scenario`,
///   `item` or both: an item is named, or is its text;
/// * the results of a Mechanical Turk batch as CSV, with `WorkerId`, `Input.value`,
///   `Input.scenario_1`, `Input.item_1` and so on, and the answers `q1` and so on in columns of
///   their own or in `Answer.taskAnswers`;
/// * Label Studio's JSON export of tasks whose data has `scenario`, `value` and perhaps `item`.
///
/// With a file `items` the texts are looked up there under the column `item`.
///
/// # Errors
/// If a file cannot be read, lacks a column or key, or has a row or task that is wrong; if an item
/// is not among `items`, or has two texts.
pub fn read(paths: &[PathBuf], items: Option<&Path>) -> Result<Answers> {
    let mut answers = Answers::default();
    let mut texts = ItemTexts::default();
    if let Some(items) = items {
        texts.list(items)?;
    }
    for path in paths {
        match content(path)? {
            Content::Tasks => {
                texts.begin(path, true);
                label_studio::read(path, &mut texts, &mut answers)?;
            }
            Content::Rows(kind) => {
                texts.begin(path, false);
                let rows = Rows::read_as(path, kind, HELP)?;
                match turk::Columns::find(&rows)? {
                    Some(columns) => columns.read(&rows, &mut texts, &mut answers)?,
                    None => answers.annotations.extend(of_rows(&rows, &mut texts)?),
                }
            }
        }
    }
    Ok(answers)
}

/// What a file holds.
enum Content {
    /// Rows of cells.
    Rows(FileKind),
    /// A JSON array of tasks.
    Tasks,
}

/// What a file's first letters say; if they say nothing, its name does.
fn content(path: &Path) -> Result<Content> {
    let mut start = Vec::new();
    let file = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut start));
    file.map_err(|error| Error::io(path, "read", error))?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
    Ok(match start.trim_ascii_start() {
        [b'[', ..] => Content::Tasks,
        [b'{', ..] => Content::Rows(FileKind::Jsonl),
        [b'P', b'A', b'R', b'1', ..] => Content::Rows(FileKind::Parquet),
        _ => Content::Rows(FileKind::of(path)),
    })
}

fn of_rows(rows: &Rows, texts: &mut ItemTexts) -> Result<Vec<Annotation>> {
    let worker = rows.require(&["worker"])?;
    let item =
        rows.require(if texts.listed.is_some() { &["item"] } else { &["item", "scenario"] })?;
    let scenario = rows.place("scenario");
    let (value, answer) = (rows.require(&["value"])?, rows.require(&["answer"])?);
    rows.map(|line, cells| {
        let scenario = match (scenario, &texts.listed) {
            (None, _) => None,
            (Some(place), Some(_)) => Some(cells.text(place)?).filter(|text| !text.is_empty()),
            (Some(place), None) => Some(cells.filled(place)?),
        };
        let given = Given {
            worker: cells.filled(worker)?,
            item: Some(cells.filled(item)?),
            scenario,
            value: cells.value(value)?,
            answer: answer_of(cells.filled(answer)?)?,
        };
        texts.annotation(given, line)
    })
}

/// What a file says of one answer.
pub(super) struct Given<'a> {
    pub(super) worker: &'a str,
    pub(super) item: Option<&'a str>,
    pub(super) scenario: Option<&'a str>,
    pub(super) value: Value,
    pub(super) answer: Option<Label>,
}

/// The texts of named items, and where they were read.
#[derive(Default)]
pub(super) struct ItemTexts {
    of: HashMap<String, (String, AnswerLocation)>,
    /// The files, and whether their places are tasks and not lines; the last is being read.
    files: Vec<(String, bool)>,
    /// The file that lists all items, if there is one.
    listed: Option<String>,
}

/// A file's number, and a line or a task in it.
type AnswerLocation = (usize, u64);

impl ItemTexts {
    /// Reads a file with the columns `item` and `scenario`; no other items may be asked then.
    fn list(&mut self, path: &Path) -> Result<()> {
        let rows = Rows::read(path, "a file of items has the columns item and scenario")?;
        let (item, scenario) = (rows.require(&["item"])?, rows.require(&["scenario"])?);
        self.begin(path, false);
        rows.map(|line, cells| self.add(cells.filled(item)?, cells.filled(scenario)?, line))?;
        self.listed = Some(path.display().to_string());
        Ok(())
    }

    fn begin(&mut self, path: &Path, tasks: bool) {
        self.files.push((path.display().to_string(), tasks));
    }

    /// The annotation at a line or task.
    pub(super) fn annotation(&mut self, given: Given, at: u64) -> Result<Annotation, String> {
        let Given { worker, item, scenario, value, answer } = given;
        let item = match (item, scenario, &self.listed) {
            (Some(item), ..) => item,
            (None, Some(scenario), None) => scenario,
            (None, None, _) => return Err("there is neither an item nor a scenario".into()),
            (None, _, Some(listed)) => {
                return Err(format!("there is no item to look up in {listed}"));
            }
        };
        if let Some(listed) = self.listed.as_ref().filter(|_| !self.of.contains_key(item)) {
            return Err(format!("item \"{item}\" is not in {listed}"));
        }
        let scenario = match scenario {
            Some(text) => self.add(item, text, at)?,
            None => self.of.get(item).map_or(item, |(text, _)| text).to_string(),
        };
        Ok(Annotation { worker: worker.into(), item: item.into(), scenario, value, answer })
    }

    /// The item's text, which must be the same wherever it is given.
    fn add(&mut self, item: &str, text: &str, at: u64) -> Result<String, String> {
        let file = self.files.len() - 1;
        let (known, place) =
            self.of.entry(item.into()).or_insert_with(|| (text.into(), (file, at)));
        if known == text {
            return Ok(text.into());
        }
        let (other, number) = *place;
        let place = match &self.files[other] {
            (_, false) if other == file => format!("line {number}"),
            (name, false) => format!("{name}:{number}"),
            (name, true) => format!("task {number} of {name}"),
        };
        Err(format!("item \"{item}\" has another text than at {place}"))
    }
}
