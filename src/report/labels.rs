//! The labels that a classifier gives texts as JSON lines, CSV or a NumPy array, row by row.

use std::io::Write;

use serde::{Serialize, Serializer};

use super::array::ArraySpool;
use super::profiles::{ProfileFormat, write_csv};
use crate::error::{Error, Result};

/// Writes labels and probabilities to `out`, which is flushed after each chunk.
#[derive(Debug)]
pub struct LabelWriter<W: Write> {
    format: ProfileFormat,
    out: W,
    labels: Vec<String>,
    most: usize,
    array: Option<ArraySpool>,
}

impl<W: Write> LabelWriter<W> {
    /// A writer in the given format, which names the `most` probable labels of each text; an array
    /// has all of them, (texts, labels), NaN for blank texts.
    ///
    /// # Errors
    /// If the header cannot be written.
    pub fn new(format: ProfileFormat, mut out: W, labels: &[String], most: usize) -> Result<Self> {
        let most = most.min(labels.len());
        let mut array = None;
        match format {
            ProfileFormat::Jsonl => {}
            ProfileFormat::Csv => {
                let column = |place: usize| {
                    ["label", "probability"].map(|name| match place {
                        1 => name.to_string(),
                        _ => format!("{name}_{place}"),
                    })
                };
                let columns = (1..=most).flat_map(column);
                write_csv(&mut out, std::iter::once("text".to_string()).chain(columns))?;
            }
            ProfileFormat::Npy => array = Some(ArraySpool::new(labels.len())?),
        }
        Ok(Self { format, out, labels: labels.to_vec(), most, array })
    }

    /// Writes texts with the probabilities of their labels; a blank text has none.
    ///
    /// # Errors
    /// If they cannot be written; the source is the operating system's error.
    pub fn write(&mut self, rows: &[(String, Option<Vec<f32>>)]) -> Result<()> {
        for (text, shares) in rows {
            match (self.format, &mut self.array) {
                (ProfileFormat::Npy, Some(array)) => match shares {
                    Some(shares) => array.push(shares)?,
                    None => array.push(&vec![f32::NAN; self.labels.len()])?,
                },
                (ProfileFormat::Csv, _) => {
                    let best = self.best(shares.as_deref());
                    let blank = 2 * (self.most - best.len());
                    let cells = best
                        .into_iter()
                        .flat_map(|(label, share)| [label.to_string(), share.to_string()]);
                    let cells: Vec<String> = std::iter::once(text.clone())
                        .chain(cells)
                        .chain(std::iter::repeat_n(String::new(), blank))
                        .collect();
                    write_csv(&mut self.out, cells.into_iter())?;
                }
                _ => {
                    let best = self.best(shares.as_deref());
                    let label = best.first().map(|(label, _)| *label);
                    let line = serde_json::to_string(&Line { text, label, probabilities: best })
                        .map_err(Error::failure_because("cannot write JSON"))?;
                    writeln!(self.out, "{line}").map_err(refused)?;
                }
            }
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
        if let Some(array) = self.array.take() {
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
