//! Value vectors as JSON lines, CSV or a NumPy array, row by row.

use std::io::Write;

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::array::ArraySpool;
use crate::error::{Error, Result};
use crate::value::{Label, Profile, ProfileProbabilities, ScoredText, Value};

/// How value vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileFormat {
    /// One object a line: the text, and a utility for each value.
    Jsonl,
    /// A header, then the text and ten columns.
    Csv,
    /// A float32 array of shape (texts, 10), NaN for blank texts; with probabilities (texts, 40).
    Npy,
}

/// Writes value vectors to `out`, which is flushed after each chunk.
#[derive(Debug)]
pub struct ProfileWriter<W: Write> {
    format: ProfileFormat,
    /// Whether the probabilities of classes are written behind the utilities.
    probabilities: bool,
    columns: Columns,
    out: W,
    array: Option<ArraySpool>,
}

/// What is written beside texts and vectors; an array has no place for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The names of what stands before the text.
    pub kept: Vec<String>,
    /// Whether a last column says what is wrong with a row.
    pub errors: bool,
}

/// That of one text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beside {
    /// A cell for each column that is kept.
    pub kept: Vec<Json>,
    /// What is wrong with the row.
    pub error: Option<String>,
}

impl Columns {
    /// Refuses names that would stand twice among the columns.
    fn check(&self) -> Result<()> {
        let own = ["text", "utilities", "probabilities", "error"].map(String::from);
        let own: Vec<String> = own.into_iter().chain(columns_of_values(true)).collect();
        for (place, name) in self.kept.iter().enumerate() {
            if own.contains(name) || self.kept[..place].contains(name) {
                let what = format!("the column \"{name}\" would stand twice among what is written");
                return Err(Error::usage(what).help("leave it out of --keep, or rename it"));
            }
        }
        Ok(())
    }
}

/// The names of a vector's columns, with those of the probabilities of classes behind them or not.
fn columns_of_values(probabilities: bool) -> impl Iterator<Item = String> {
    let names = || Value::ALL.iter().map(|value| value.name());
    let classes = ["no", "unrelated", "yes"];
    let shares = names().flat_map(move |value| classes.map(|class| format!("{value}_{class}")));
    names().map(String::from).chain(shares.take(if probabilities { SHARES } else { 0 }))
}

/// How many probabilities there are of a text: those of -1, 0 and +1 under each value.
const SHARES: usize = Value::COUNT * Label::COUNT;

impl<W: Write> ProfileWriter<W> {
    /// A writer in the given format, of the utilities alone or with the probabilities of classes, and
    /// of what stands beside them.
    ///
    /// # Errors
    /// If the header cannot be written, or a column would stand there twice.
    pub fn new(
        format: ProfileFormat,
        probabilities: bool,
        columns: &Columns,
        mut out: W,
    ) -> Result<Self> {
        columns.check()?;
        let mut array = None;
        match format {
            ProfileFormat::Jsonl => {}
            ProfileFormat::Csv => {
                let text = std::iter::once("text".to_string());
                let error = columns.errors.then(|| "error".to_string());
                let own = text.chain(columns_of_values(probabilities)).chain(error);
                write_csv(&mut out, columns.kept.iter().cloned().chain(own))?;
            }
            ProfileFormat::Npy => {
                let columns = Value::COUNT + if probabilities { SHARES } else { 0 };
                array = Some(ArraySpool::new(columns)?);
            }
        }
        Ok(Self { format, probabilities, columns: columns.clone(), out, array })
    }

    /// Writes some rows, each with what stands beside it.
    ///
    /// # Errors
    /// If they cannot be written; the source is the operating system's error.
    pub fn write(&mut self, rows: &[ScoredText], beside: &[Beside]) -> Result<()> {
        for (row, beside) in rows.iter().zip(beside) {
            let mut numbers = row.profile.map_or([None; Value::COUNT], |it| it.map(Some)).to_vec();
            if self.probabilities {
                let shares = row.probabilities.as_ref().map(|shares| shares.as_flattened());
                numbers.extend((0..SHARES).map(|place| Some(shares?[place])));
            }
            match (self.format, &mut self.array) {
                (ProfileFormat::Jsonl, _) => {
                    let line = json(row, self.probabilities)?;
                    let line = self.columns.around(&line, beside)?;
                    writeln!(self.out, "{line}").map_err(refused)?;
                }
                (ProfileFormat::Csv, _) => {
                    let cell =
                        |number: Option<f32>| number.map_or(String::new(), |it| it.to_string());
                    let numbers = numbers.into_iter().map(cell);
                    let kept = beside.kept.iter().map(bare);
                    let error =
                        self.columns.errors.then(|| beside.error.clone().unwrap_or_default());
                    let cells = kept.chain([row.text.clone()]).chain(numbers).chain(error);
                    write_csv(&mut self.out, cells)?;
                }
                (ProfileFormat::Npy, Some(array)) => {
                    let numbers = numbers.into_iter().map(|number| number.unwrap_or(f32::NAN));
                    array.push(&numbers.collect::<Vec<f32>>())?;
                }
                (ProfileFormat::Npy, None) => {}
            }
        }
        self.out.flush().map_err(refused)
    }

    /// Ends the output.
    ///
    /// # Errors
    /// If an array cannot be written.
    pub fn finish(mut self) -> Result<W> {
        if let Some(array) = self.array.take() {
            array.write(&mut self.out)?;
        }
        self.out.flush().map_err(refused)?;
        Ok(self.out)
    }
}

impl Columns {
    /// A line of JSON with what stands beside its text.
    fn around(&self, line: &str, beside: &Beside) -> Result<String> {
        let pair = |(name, cell): (&str, &Json)| {
            let cell = serde_json::to_string(cell);
            Ok(format!("{}:{}", Json::from(name), cell?))
        };
        let names = self.kept.iter().map(String::as_str);
        let before = names.zip(&beside.kept).map(pair).collect::<serde_json::Result<Vec<_>>>();
        let error = beside.error.clone().map_or(Json::Null, Json::from);
        let behind = self.errors.then(|| pair(("error", &error))).transpose();
        let failed = Error::failure_because("cannot write JSON");
        let (before, behind) = before.and_then(|before| Ok((before, behind?))).map_err(failed)?;
        let own = &line[1..line.len() - 1]; // without its braces
        let parts = before.iter().map(String::as_str).chain([own]).chain(behind.as_deref());
        Ok(format!("{{{}}}", parts.collect::<Vec<_>>().join(",")))
    }
}

/// A cell of CSV: a text as it is, nothing for null, and else JSON.
fn bare(cell: &Json) -> String {
    match cell {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn refused(error: std::io::Error) -> Error {
    Error::failure("cannot write the value vectors").because(error)
}

/// A text and its vector as one line of JSON, alone or with the probabilities of classes.
///
/// # Errors
/// If it cannot be written.
pub fn json(row: &ScoredText, probabilities: bool) -> Result<String> {
    let probabilities = probabilities.then_some(row.probabilities);
    let line = Line { text: &row.text, utilities: row.profile, probabilities };
    serde_json::to_string(&line).map_err(Error::failure_because("cannot write JSON"))
}

/// One line of JSON; numbers are written with as many digits as an f32 has.
#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    #[serde(serialize_with = "by_name")]
    utilities: Option<Profile>,
    /// Those of -1, 0 and +1.
    #[serde(serialize_with = "all_by_name", skip_serializing_if = "Option::is_none")]
    probabilities: Option<Option<ProfileProbabilities>>,
}

fn by_name<T: Serialize, S: Serializer>(
    numbers: &Option<[T; Value::COUNT]>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match numbers {
        Some(numbers) => {
            serializer.collect_map(Value::ALL.iter().map(|value| value.name()).zip(numbers))
        }
        None => serializer.serialize_none(),
    }
}

fn all_by_name<S: Serializer>(
    shares: &Option<Option<ProfileProbabilities>>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    by_name(&shares.flatten(), serializer)
}

pub(super) fn write_csv(out: &mut impl Write, cells: impl Iterator<Item = String>) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(Error::failure_because("cannot write CSV"))?;
    let line = writer.into_inner().map_err(|error| Error::failure(error.to_string()))?;
    out.write_all(&line).map_err(refused)
}
