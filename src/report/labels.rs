//! The labels that a classifier gives texts as JSON lines, CSV or a NumPy array, row by row.

use std::io::Write;

use serde::{Serialize, Serializer};

use super::array::ArraySpool;
use super::profiles::{ProfileFormat, delimited};
use crate::error::{Error, Result};

/// Writes labels and probabilities to `out`, which is flushed after each chunk.
#[derive(Debug)]
pub struct LabelWriter<W: Write> {
    shape: Shape,
    out: W,
    labels: Vec<String>,
    most: usize,
}

#[derive(Debug)]
enum Shape {
    Jsonl,
    /// With this between cells.
    Delimited(u8),
    Npy(ArraySpool),
}

impl<W: Write> LabelWriter<W> {
    /// A writer in the given format, which names the `most` probable labels of each text; an array
    /// has all of them, (texts, labels), NaN for blank texts.
    ///
    /// # Errors
    /// If the header cannot be written, or labels cannot be written so.
    pub fn new(format: ProfileFormat, mut out: W, labels: &[String], most: usize) -> Result<Self> {
        let most = most.min(labels.len());
        let shape = match format {
            ProfileFormat::Jsonl => Shape::Jsonl,
            ProfileFormat::Csv => Shape::Delimited(b','),
            ProfileFormat::Tsv => Shape::Delimited(b'\t'),
            ProfileFormat::Npy => Shape::Npy(ArraySpool::new(labels.len())?),
            _ => {
                let what = "labels are written as jsonl, csv, tsv or npy";
                return Err(Error::usage(what));
            }
        };
        if let Shape::Delimited(delimiter) = shape {
            let column = |place: usize| {
                ["label", "probability"].map(|name| match place {
                    1 => name.to_string(),
                    _ => format!("{name}_{place}"),
                })
            };
            let columns = std::iter::once("text".to_string()).chain((1..=most).flat_map(column));
            out.write_all(&delimited(columns, delimiter)?).map_err(refused)?;
        }
        Ok(Self { shape, out, labels: labels.to_vec(), most })
    }

    /// Writes texts with the probabilities of their labels; a blank text has none.
    ///
    /// # Errors
    /// If they cannot be written; the source is the operating system's error.
    pub fn write(&mut self, rows: &[(String, Option<Vec<f32>>)]) -> Result<()> {
        for (text, shares) in rows {
            if let Shape::Npy(array) = &mut self.shape {
                match shares {
                    Some(shares) => array.push(shares)?,
                    None => array.push(&vec![f32::NAN; self.labels.len()])?,
                }
                continue;
            }
            let best = self.best(shares.as_deref());
            let line = match self.shape {
                Shape::Delimited(delimiter) => {
                    let blank = 2 * (self.most - best.len());
                    let cells = best
                        .into_iter()
                        .flat_map(|(label, share)| [label.to_string(), share.to_string()]);
                    let cells = std::iter::once(text.clone())
                        .chain(cells)
                        .chain(std::iter::repeat_n(String::new(), blank));
                    delimited(cells, delimiter)?
                }
                _ => {
                    let label = best.first().map(|(label, _)| *label);
                    let line = serde_json::to_string(&Line { text, label, probabilities: best })
                        .map_err(Error::failure_because("cannot write JSON"))?;
                    format!("{line}\n").into_bytes()
                }
            };
            self.out.write_all(&line).map_err(refused)?;
        }
        self.out.flush().map_err(refused)
    }

    /// The most probable labels, the most probable first; of equally probable ones the first comes
    /// first.
    fn best(&self, shares: Option<&[f32]>) -> Vec<(&str, f32)> {
        let named = self.labels.iter().map(String::as_str).zip(shares.unwrap_or_default());
        let mut named: Vec<(&str, f32)> = named.map(|(label, share)| (label, *share)).collect();
        named.sort_by(|a, b| b.1.total_cmp(&a.1));
        named.truncate(self.most);
        named
    }

    /// Ends the output.
    ///
    /// # Errors
    /// If an array cannot be written.
    pub fn finish(mut self) -> Result<W> {
        if let Shape::Npy(array) = self.shape {
            array.write(&mut self.out)?;
        }
        self.out.flush().map_err(refused)?;
        Ok(self.out)
    }
}

/// One line of JSON; numbers are written with as many digits as an f32 has.
#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    label: Option<&'a str>,
    #[serde(serialize_with = "by_name")]
    probabilities: Vec<(&'a str, f32)>,
}

fn by_name<S: Serializer>(
    shares: &[(&str, f32)],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(shares.iter().copied())
}

fn refused(error: std::io::Error) -> Error {
    Error::failure("cannot write the labels").because(error)
}
