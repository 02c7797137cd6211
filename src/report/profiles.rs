//! Value vectors as JSON lines, CSV or a NumPy array, row by row.

use std::io::Write;

use serde::{Serialize, Serializer};

use super::array::ArraySpool;
use crate::error::{Error, Result};
use crate::value::{Profile, ScoredText, Value};

/// How value vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileFormat {
    /// One object a line: the text, and a utility for each value.
    Jsonl,
    /// A header, then the text and ten columns.
    Csv,
    /// A float32 array of shape (texts, 10), NaN for blank texts.
    Npy,
}

/// Writes value vectors to `out`, which is flushed after each chunk.
#[derive(Debug)]
pub struct ProfileWriter<W: Write> {
    format: ProfileFormat,
    out: W,
    array: Option<ArraySpool>,
}

impl<W: Write> ProfileWriter<W> {
    /// A writer in the given format.
    ///
    /// # Errors
    /// If the header cannot be written.
    pub fn new(format: ProfileFormat, mut out: W) -> Result<Self> {
        let mut array = None;
        match format {
            ProfileFormat::Jsonl => {}
            ProfileFormat::Csv => {
                let header =
                    std::iter::once("text").chain(Value::ALL.iter().map(|value| value.name()));
                write_csv(&mut out, header.map(String::from))?;
            }
            ProfileFormat::Npy => array = Some(ArraySpool::new(Value::COUNT)?),
        }
        Ok(Self { format, out, array })
    }

    /// Writes some rows.
    ///
    /// # Errors
    /// If they cannot be written; the source is the operating system's error.
    pub fn write(&mut self, rows: &[ScoredText]) -> Result<()> {
        for row in rows {
            match (self.format, &mut self.array) {
                (ProfileFormat::Jsonl, _) => {
                    writeln!(self.out, "{}", json(row)?).map_err(refused)?;
                }
                (ProfileFormat::Csv, _) => {
                    let utilities = match row.profile {
                        Some(profile) => profile.map(|utility| utility.to_string()),
                        None => Default::default(),
                    };
                    write_csv(&mut self.out, std::iter::once(row.text.clone()).chain(utilities))?;
                }
                (ProfileFormat::Npy, Some(array)) => {
                    array.push(&row.profile.unwrap_or([f32::NAN; Value::COUNT]))?;
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

/// A text and its vector as one line of JSON.
///
/// # Errors
/// If it cannot be written.
pub fn json(row: &ScoredText) -> Result<String> {
    let line = Line { text: &row.text, utilities: row.profile };
    serde_json::to_string(&line).map_err(Error::failure_because("cannot write JSON"))
}

/// One line of JSON; numbers are written with as many digits as an f32 has.
#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    #[serde(serialize_with = "by_name")]
    utilities: Option<Profile>,
}

fn by_name<S: Serializer>(
    profile: &Option<Profile>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match profile {
        Some(profile) => {
            serializer.collect_map(Value::ALL.iter().map(|value| value.name()).zip(profile))
        }
        None => serializer.serialize_none(),
    }
}

pub(super) fn write_csv(out: &mut impl Write, cells: impl Iterator<Item = String>) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(Error::failure_because("cannot write CSV"))?;
    let line = writer.into_inner().map_err(|error| Error::failure(error.to_string()))?;
    out.write_all(&line).map_err(refused)
}
