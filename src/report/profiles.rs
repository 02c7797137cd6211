//! Value vectors as JSON lines, CSV or a NumPy array, row by row.

use std::io::{Seek, SeekFrom, Write};

use serde::{Serialize, Serializer};

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
    rows: u64,
    /// The rows of an array, whose header can be written only when their number is known.
    spool: Option<std::fs::File>,
}

impl<W: Write> ProfileWriter<W> {
    /// A writer in the given format.
    ///
    /// # Errors
    /// If the header cannot be written.
    pub fn new(format: ProfileFormat, mut out: W) -> Result<Self> {
        let mut spool = None;
        match format {
            ProfileFormat::Jsonl => {}
            ProfileFormat::Csv => {
                let header =
                    std::iter::once("text").chain(Value::ALL.iter().map(|value| value.name()));
                write_csv(&mut out, header.map(String::from))?;
            }
            ProfileFormat::Npy => {
                spool = Some(
                    tempfile::tempfile()
                        .map_err(Error::failure_because("cannot make a temporary file"))?,
                );
            }
        }
        Ok(Self { format, out, rows: 0, spool })
    }

    /// Writes some rows.
    ///
    /// # Errors
    /// If they cannot be written; the source is the operating system's error.
    pub fn write(&mut self, rows: &[ScoredText]) -> Result<()> {
        for row in rows {
            match (self.format, &mut self.spool) {
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
                (ProfileFormat::Npy, Some(spool)) => {
                    let profile = row.profile.unwrap_or([f32::NAN; Value::COUNT]);
                    let bytes: Vec<u8> =
                        profile.iter().flat_map(|utility| utility.to_le_bytes()).collect();
                    spool.write_all(&bytes).map_err(refused)?;
                }
                (ProfileFormat::Npy, None) => {}
            }
        }
        self.rows += rows.len() as u64;
        self.out.flush().map_err(refused)
    }

    /// Ends the output.
    ///
    /// # Errors
    /// If an array cannot be written.
    pub fn finish(mut self) -> Result<W> {
        if let Some(mut spool) = self.spool.take() {
            self.out.write_all(&npy_header(self.rows)).map_err(refused)?;
            spool.seek(SeekFrom::Start(0)).map_err(refused)?;
            std::io::copy(&mut spool, &mut self.out).map_err(refused)?;
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

fn write_csv(out: &mut impl Write, cells: impl Iterator<Item = String>) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(Error::failure_because("cannot write CSV"))?;
    let line = writer.into_inner().map_err(|error| Error::failure(error.to_string()))?;
    out.write_all(&line).map_err(refused)
}

/// The header of NumPy's format 1.0 for a little-endian float32 array of shape (rows, 10): a
/// multiple of 64 bytes.
fn npy_header(rows: u64) -> Vec<u8> {
    let description = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {}), }}",
        Value::COUNT
    );
    let length = (10 + description.len() + 1).next_multiple_of(64) - 10;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((length as u16).to_le_bytes());
    header.extend(format!("{description:<width$}\n", width = length - 1).bytes());
    header
}
