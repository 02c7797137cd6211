//! A file as blocks of whole records, so that the records of several blocks can be read side by
//! side.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::data::delimited::LONGEST;
use crate::data::quoting::{self, Quotes};
use crate::error::{Error, Result};

/// Some records, whole ones.
#[derive(Debug)]
pub(super) struct Block {
    /// The line that the first begins on, counted from 1.
    pub(super) first_line: u64,
    /// The records with their line ends.
    pub(super) bytes: Vec<u8>,
}

/// The blocks of a file, in order.
pub(super) struct Blocks<R> {
    path: PathBuf,
    reader: R,
    size: usize,
    /// Where cells may hold line ends: the state among quotes.
    quotes: Option<Quotes>,
    line: u64,
    /// What was read after the last whole record.
    rest: Vec<u8>,
    done: bool,
}

impl<R: Read> Blocks<R> {
    /// Blocks of about `size` bytes; cells are parted by `delimiter`, or a record is a line if
    /// there is none.
    pub(super) fn new(path: &Path, reader: R, size: usize, delimiter: Option<u8>) -> Self {
        let quotes = delimiter.map(|delimiter| Quotes::new(delimiter, 1));
        Self {
            path: path.into(),
            reader,
            size: size.max(1),
            quotes,
            line: 1,
            rest: Vec::new(),
            done: false,
        }
    }

    fn read(&mut self) -> Result<Option<Block>> {
        let mut bytes = std::mem::take(&mut self.rest);
        while !self.done {
            let from = bytes.len();
            let read = self.reader.by_ref().take(self.size as u64).read_to_end(&mut bytes);
            self.done = read.map_err(|error| Error::io(&self.path, "read", error))? < self.size;
            if let Some(end) = self.last_end(&bytes, from).filter(|_| !self.done) {
                self.rest = bytes.split_off(end);
                break;
            }
            if bytes.len() > LONGEST && !self.done {
                return Err(self.too_long());
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let first_line = self.line;
        self.line += bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        if first_line == 1 {
            without_mark(&self.path, &mut bytes)?;
        }
        Ok(Some(Block { first_line, bytes }))
    }

    /// The end of the last whole record, past its line end, seen in what was read `from` here on.
    fn last_end(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let Some(quotes) = &mut self.quotes else {
            return bytes[from..].iter().rposition(|&byte| byte == b'\n').map(|at| from + at + 1);
        };
        let mut end = None;
        for (at, &byte) in bytes.iter().enumerate().skip(from) {
            quotes.step(byte);
            if byte == b'\n' && quotes.open_since().is_none() {
                end = Some(at + 1);
            }
        }
        end
    }

    fn too_long(&self) -> Error {
        match self.quotes.as_ref().and_then(Quotes::open_since) {
            Some(line) => Error::row(&self.path, line, quoting::OPEN)
                .help("close it, or double it if it is meant"),
            None => Error::row(&self.path, self.line, "a line of more than 16 MiB")
                .help("is this a text file?"),
        }
    }
}

impl<R: Read> Iterator for Blocks<R> {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.read();
        self.done |= block.is_err();
        block.transpose()
    }
}

/// Takes UTF-8's mark from the beginning of a file; other encodings are refused.
fn without_mark(path: &Path, bytes: &mut Vec<u8>) -> Result<()> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Error::data(path, "the file is UTF-16").help("save it as UTF-8"));
    }
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        bytes.drain(..3);
    }
    Ok(())
}
