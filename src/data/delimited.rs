//! Delimited text, CSV or with tabs, record by record in bounded memory. The one reader of such
//! files: what a CSV reader passes over in silence (a quote that is never closed, text after a
//! closing quote, too few cells or too many) is said of its record, with its line.

use std::collections::VecDeque;
use std::io::{Chain, Cursor, Read};
use std::path::{Path, PathBuf};

use csv::ByteRecord;

use super::quoting::{Fault, OPEN, Quotes};
use super::record::Record;
use crate::error::{Error, Result};

/// No record is longer than this; what is longer is a quote that was never closed, or no text.
pub(super) const LONGEST: usize = 16 << 20; // bytes

/// The records of a text, each with as many cells as the first.
pub(super) struct Delimited<R> {
    path: PathBuf,
    reader: csv::Reader<Watch<R>>,
    width: Option<usize>,
}

impl<R: Read> Delimited<R> {
    /// The records of a text whose first line is `first_line` of the file; the text has no byte
    /// order mark.
    pub(super) fn of(path: &Path, reader: R, delimiter: u8, first_line: u64) -> Self {
        let watch = Watch::new(reader, Quotes::new(delimiter, first_line));
        let mut builder = csv::ReaderBuilder::new();
        let reader =
            builder.delimiter(delimiter).has_headers(false).flexible(true).from_reader(watch);
        Self { path: path.into(), reader, width: None }
    }

    /// The same, every record of which must have `width` cells.
    pub(super) fn of_width(self, width: usize) -> Self {
        Self { width: Some(width), ..self }
    }

    /// The first record, which names the columns; names have no blanks around them.
    ///
    /// # Errors
    /// If there is none, it is wrong, or the file cannot be read. `help` says what such a file
    /// looks like.
    pub(super) fn header(&mut self, help: &str) -> Result<Vec<String>> {
        let first = self.next().transpose()?;
        let Record { line, cells } =
            first.ok_or_else(|| Error::data(&self.path, "the file is empty").help(help))?;
        let cells = cells.map_err(|what| Error::row(&self.path, line, what).help(QUOTES))?;
        Ok(cells.iter().map(|name| String::from_utf8_lossy(name).trim().into()).collect())
    }

    /// How many bytes the records so far are long.
    pub(super) fn position(&self) -> usize {
        self.reader.position().byte() as usize
    }

    fn read(&mut self) -> Result<Option<Record>> {
        let mut cells = ByteRecord::new();
        let read = self.reader.read_byte_record(&mut cells);
        let watch = self.reader.get_mut();
        let more = read.map_err(|error| match (watch.too_long, error.into_kind()) {
            (Some(line), _) => Error::row(&self.path, line, watch.what_is_long()).help(QUOTES),
            (None, csv::ErrorKind::Io(error)) => Error::io(&self.path, "read", error),
            (None, _) => Error::data(&self.path, "these are no rows of cells"),
        })?;
        let Some(begun) = watch.begun.pop_front().filter(|_| more) else {
            return Ok(None);
        };
        let width = *self.width.get_or_insert(cells.len());
        Ok(Some(match begun.fault {
            Some((line, what)) => Record { line, cells: Err(what.into()) },
            None if cells.len() != width => {
                let what = format!("{} cells, but the header has {width}", cells.len());
                Record { line: begun.line, cells: Err(what) }
            }
            None => Record { line: begun.line, cells: Ok(cells) },
        }))
    }
}

/// What is said beside a fault of quoting.
pub(super) const QUOTES: &str = "a cell with a delimiter, a quote or a line end in it stands in quotes, and quotes in it are doubled";

impl<R: Read> Iterator for Delimited<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// A file's bytes after UTF-8's mark, if it begins with one.
///
/// # Errors
/// If the file cannot be read, or its mark is that of UTF-16.
pub(super) fn without_mark<R: Read>(
    path: &Path,
    mut reader: R,
) -> Result<Chain<Cursor<Vec<u8>>, R>> {
    let mut first = Vec::new();
    reader
        .by_ref()
        .take(3)
        .read_to_end(&mut first)
        .map_err(|error| Error::io(path, "read", error))?;
    if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
        return Err(Error::data(path, "the file is UTF-16").help("save it as UTF-8"));
    }
    if first == [0xef, 0xbb, 0xbf] {
        first.clear();
    }
    Ok(Cursor::new(first).chain(reader))
}

/// Looks at the bytes on their way to the CSV reader, and notes where records begin and what is
/// wrong with them.
struct Watch<R> {
    reader: R,
    quotes: Quotes,
    /// Records that have begun, and that the CSV reader has not given out yet.
    begun: VecDeque<Begun>,
    /// Whether the last of them may go on.
    goes_on: bool,
    /// How many bytes that one has so far.
    length: usize,
    /// The line of a record that is longer than any may be.
    too_long: Option<u64>,
}

struct Begun {
    line: u64,
    fault: Option<Fault>,
}

impl<R> Watch<R> {
    fn new(reader: R, quotes: Quotes) -> Self {
        Self { reader, quotes, begun: VecDeque::new(), goes_on: false, length: 0, too_long: None }
    }

    fn pass(&mut self, byte: u8) {
        let is_end = matches!(byte, b'\n' | b'\r');
        if !self.goes_on && !is_end {
            self.begun.push_back(Begun { line: self.quotes.line(), fault: None });
            (self.goes_on, self.length) = (true, 0);
        }
        self.length += 1;
        let fault = self.quotes.step(byte);
        self.blame(fault);
        self.goes_on &= !is_end || self.quotes.open_since().is_some();
    }

    fn blame(&mut self, fault: Option<Fault>) {
        if let Some(record) = self.begun.back_mut() {
            record.fault = record.fault.or(fault);
        }
    }

    fn what_is_long(&self) -> &'static str {
        if self.quotes.open_since().is_some() { OPEN } else { "a line of more than 16 MiB" }
    }
}

impl<R: Read> Read for Watch<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        buffer[..count].iter().for_each(|&byte| self.pass(byte));
        if count == 0 {
            self.blame(self.quotes.open_since().map(|line| (line, OPEN)));
        }
        if self.goes_on && self.length > LONGEST {
            self.too_long = self.begun.back().map(|record| record.line);
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        Ok(count)
    }
}
