//! Value vectors as JSON lines, delimited text, a NumPy array, or columns of Arrow and Parquet.

mod columns;
pub mod foreign;

use std::io::Write;

use arrow_schema::FieldRef;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::array::ArraySpool;
use crate::data::{Kept, TextBatch, cells};
use crate::error::{Error, Result};
use crate::value::{Label, Profile, ProfileProbabilities, ScoredText, Value};
use columns::ColumnWriter;
use foreign::Foreign;

/// How value vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileFormat {
    /// One object a line: the text, and a utility for each value.
    Jsonl,
    /// A header, then the text and ten columns, with commas.
    Csv,
    /// The same with tabs.
    Tsv,
    /// A float32 array of shape (texts, 10), NaN for blank texts; with probabilities (texts, 40).
    Npy,
    /// An Apache Parquet file: texts, and float32 columns.
    Parquet,
    /// The same as a stream of Arrow's batches, one for each that is written.
    Arrow,
    /// A file of somebody else's.
    Foreign(Foreign),
}

/// Writes value vectors, which whoever reads has after each chunk, but for those of an array and of Parquet.
#[derive(Debug)]
pub struct ProfileWriter<W: Write + Send> {
    /// Whether the probabilities of classes are written behind the utilities.
    probabilities: bool,
    columns: Columns,
    out: Out<W>,
}

#[derive(Debug)]
enum Out<W: Write + Send> {
    Jsonl(W),
    /// With this between cells.
    Delimited(W, u8),
    Npy(W, ArraySpool),
    Columns(ColumnWriter<W>),
    /// With the number of rows so far.
    Foreign(W, Foreign, u64),
}

/// What is written beside texts and vectors; an array has no place for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// What stands before the text.
    pub kept: Vec<FieldRef>,
    /// Whether a last column says what is wrong with a row.
    pub errors: bool,
}

impl Columns {
    /// Refuses names that would stand twice among the columns, and what a format cannot write.
    fn check(&self, format: ProfileFormat) -> Result<()> {
        let own = ["text", "utilities", "probabilities", "error"].map(String::from);
        let own: Vec<String> = own.into_iter().chain(columns_of_values(true)).collect();
        let names: Vec<&String> = self.kept.iter().map(|field| field.name()).collect();
        for (place, name) in names.iter().enumerate() {
            if own.contains(name) || names[..place].contains(name) {
                let what = format!("the column \"{name}\" would stand twice among what is written");
                return Err(Error::usage(what).help("leave it out of --keep, or rename it"));
            }
        }
        let is_any = matches!(format, ProfileFormat::Parquet | ProfileFormat::Arrow);
        let odd = self.kept.iter().find(|field| !is_any && !cells::is_plain(field.data_type()));
        odd.map_or(Ok(()), |field| {
            let what = format!(
                "the column \"{}\" is neither text nor number: {}",
                field.name(),
                field.data_type()
            );
            Err(Error::usage(what).help("leave it out of --keep, or write Arrow or Parquet"))
        })
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

impl<W: Write + Send> ProfileWriter<W> {
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
        columns.check(format)?;
        let out = match format {
            ProfileFormat::Jsonl => Out::Jsonl(out),
            ProfileFormat::Csv | ProfileFormat::Tsv => {
                let delimiter = if format == ProfileFormat::Csv { b',' } else { b'\t' };
                let kept = columns.kept.iter().map(|field| field.name().clone());
                let text = std::iter::once("text".to_string());
                let error = columns.errors.then(|| "error".to_string());
                let cells = kept.chain(text).chain(columns_of_values(probabilities)).chain(error);
                out.write_all(&delimited(cells, delimiter)?).map_err(refused)?;
                Out::Delimited(out, delimiter)
            }
            ProfileFormat::Npy => {
                let columns = Value::COUNT + if probabilities { SHARES } else { 0 };
                Out::Npy(out, ArraySpool::new(columns)?)
            }
            ProfileFormat::Parquet | ProfileFormat::Arrow => Out::Columns(ColumnWriter::new(
                format == ProfileFormat::Parquet,
                probabilities,
                columns,
                out,
            )?),
            ProfileFormat::Foreign(foreign) => {
                let header = foreign.header().into_iter();
                out.write_all(&delimited(header, b'\t')?).map_err(refused)?;
                Out::Foreign(out, foreign, 0)
            }
        };
        Ok(Self { probabilities, columns: columns.clone(), out })
    }

    /// Writes some rows, and what stands beside their texts.
    ///
    /// # Errors
    /// If they cannot be written; the source is the operating system's error.
    pub fn write(&mut self, rows: &[ScoredText], batch: &TextBatch) -> Result<()> {
        let numbers = |row| numbers(row, self.probabilities);
        let mut bytes = Vec::new();
        match &mut self.out {
            Out::Columns(columns) => return columns.write(rows, batch),
            Out::Npy(_, array) => {
                for row in rows {
                    let numbers = numbers(row).map(|number| number.unwrap_or(f32::NAN));
                    array.push(&numbers.collect::<Vec<f32>>())?;
                }
                return Ok(());
            }
            Out::Jsonl(_) => {
                for (place, row) in rows.iter().enumerate() {
                    let line = json(row, self.probabilities)?;
                    let line = self.columns.around(&line, batch, place)?;
                    bytes.extend(line.into_bytes());
                    bytes.push(b'\n');
                }
            }
            Out::Foreign(_, foreign, number) => {
                for (place, row) in rows.iter().enumerate() {
                    *number += 1;
                    let cells = foreign.cells(*number, &beside(batch, place), row);
                    bytes.extend(delimited(cells.into_iter(), b'\t')?);
                }
            }
            Out::Delimited(_, delimiter) => {
                for (place, row) in rows.iter().enumerate() {
                    let cell =
                        |number: Option<f32>| number.map_or(String::new(), |it| it.to_string());
                    let mut kept: Vec<String> = beside(batch, place).iter().map(bare).collect();
                    kept.resize(self.columns.kept.len(), String::new());
                    let error =
                        self.columns.errors.then(|| wrong(batch, place).unwrap_or_default());
                    let own = std::iter::once(row.text.clone()).chain(numbers(row).map(cell));
                    bytes.extend(delimited(kept.into_iter().chain(own).chain(error), *delimiter)?);
                }
            }
        }
        if let Out::Jsonl(out) | Out::Delimited(out, _) | Out::Foreign(out, ..) = &mut self.out {
            out.write_all(&bytes).and_then(|()| out.flush()).map_err(refused)?;
        }
        Ok(())
    }

    /// Ends the output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> Result<()> {
        match self.out {
            Out::Jsonl(mut out) | Out::Delimited(mut out, _) | Out::Foreign(mut out, ..) => {
                out.flush().map_err(refused)
            }
            Out::Npy(mut out, array) => {
                array.write(&mut out)?;
                out.flush().map_err(refused)
            }
            Out::Columns(columns) => columns.finish(),
        }
    }
}

/// The numbers of a row, none of a blank one: the utilities, and behind them the probabilities or not.
fn numbers(row: &ScoredText, probabilities: bool) -> impl Iterator<Item = Option<f32>> + use<'_> {
    let utilities = (0..Value::COUNT).map(|place| Some(row.profile?[place]));
    let shares = row.probabilities.as_ref().map(|shares| shares.as_flattened());
    let count = if probabilities { SHARES } else { 0 };
    utilities.chain((0..count).map(move |place| Some(shares?[place])))
}

/// What stands beside a text; nothing of a row that is wrong.
fn beside(batch: &TextBatch, row: usize) -> Vec<Json> {
    match &batch.kept {
        Kept::Cells(cells) => cells[row].clone(),
        Kept::Columns(columns) => cells::row(columns, row),
    }
}

/// What is wrong with a row.
fn wrong(batch: &TextBatch, row: usize) -> Option<String> {
    batch.texts[row].as_ref().err().map(ToString::to_string)
}

impl Columns {
    /// A line of JSON with what stands beside its text.
    fn around(&self, line: &str, batch: &TextBatch, row: usize) -> Result<String> {
        let pair = |(name, cell): (&str, &Json)| {
            let cell = serde_json::to_string(cell);
            Ok(format!("{}:{}", Json::from(name), cell?))
        };
        let cells = beside(batch, row);
        let cells = cells.iter().chain(std::iter::repeat(&Json::Null));
        let names = self.kept.iter().map(|field| field.name().as_str());
        let before = names.zip(cells).map(pair).collect::<serde_json::Result<Vec<_>>>();
        let error = wrong(batch, row).map_or(Json::Null, Json::from);
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

/// A line of cells with a delimiter between them, quoted where they must be.
pub(super) fn delimited(cells: impl Iterator<Item = String>, delimiter: u8) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    writer.write_record(cells).map_err(Error::failure_because("cannot write a row"))?;
    writer.into_inner().map_err(|error| Error::failure(error.to_string()))
}
