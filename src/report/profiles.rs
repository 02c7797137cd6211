//! Value vectors as JSON lines, CSV or a NumPy array, row by row.

use std::io::Write;

use serde::{Serialize, Serializer};

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
    out: W,
    array: Option<ArraySpool>,
}

/// How many probabilities there are of a text: those of -1, 0 and +1 under each value.
const SHARES: usize = Value::COUNT * Label::COUNT;

impl<W: Write> ProfileWriter<W> {
    /// A writer in the given format, of the utilities alone or with the probabilities of classes.
    ///
    /// # Errors
    /// If the header cannot be written.
    pub fn new(format: ProfileFormat, probabilities: bool, mut out: W) -> Result<Self> {
        let mut array = None;
        match format {
            ProfileFormat::Jsonl => {}
            ProfileFormat::Csv => {
                let names = || Value::ALL.iter().map(|value| value.name());
                let header = std::iter::once("text").chain(names()).map(String::from);
                let classes = ["no", "unrelated", "yes"];
                let shares = names()
                    .flat_map(|value| classes.map(|class| format!("{value}_{class}")))
                    .take(if probabilities { SHARES } else { 0 });
                write_csv(&mut out, header.chain(shares))?;
            }
            ProfileFormat::Npy => {
                let columns = Value::COUNT + if probabilities { SHARES } else { 0 };
                array = Some(ArraySpool::new(columns)?);
            }
        }
        Ok(Self { format, probabilities, out, array })
    }

    /// Writes some rows.
    ///
    /// # Errors
    /// If they cannot be written; the source is the operating system's error.
    pub fn write(&mut self, rows: &[ScoredText]) -> Result<()> {
        for row in rows {
            let mut numbers = row.profile.map_or([None; Value::COUNT], |it| it.map(Some)).to_vec();
            if self.probabilities {
                let shares = row.probabilities.as_ref().map(|shares| shares.as_flattened());
                numbers.extend((0..SHARES).map(|place| Some(shares?[place])));
            }
            match (self.format, &mut self.array) {
                (ProfileFormat::Jsonl, _) => {
                    let line = json(row, self.probabilities)?;
                    writeln!(self.out, "{line}").map_err(refused)?;
                }
                (ProfileFormat::Csv, _) => {
                    let cell =
                        |number: Option<f32>| number.map_or(String::new(), |it| it.to_string());
                    let numbers = numbers.into_iter().map(cell);
                    write_csv(&mut self.out, std::iter::once(row.text.clone()).chain(numbers))?;
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
