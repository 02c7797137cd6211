//! The texts in a file, one by one and in bounded memory: a line each, or a cell of a column each.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use super::delimited::{Delimited, QUOTES, without_mark};
use super::record::Record;
use super::records::text;
use crate::error::{Error, Result};

/// The longest line that is taken for a text, in bytes: no model reads as much, and a file without
/// line ends would fill the memory.
pub const LONGEST_LINE: usize = 1 << 20;

/// The lines of a text file, without their ends; one that is longer than [`LONGEST_LINE`] is an error,
/// and the last.
pub fn lines(path: &Path, mut reader: impl BufRead) -> impl Iterator<Item = Result<String>> {
    let path = PathBuf::from(path);
    let mut is_over = false;
    let next = move || -> Option<std::io::Result<Vec<u8>>> {
        let mut line = Vec::new();
        let most = LONGEST_LINE as u64 + 2; // a line end of two bytes
        match reader.by_ref().take(most).read_until(b'\n', &mut line) {
            _ if is_over => return None,
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        is_over = line.len() > LONGEST_LINE + 1;
        Some(Ok(line))
    };
    let numbered = std::iter::from_fn(next).zip(1..);
    numbered.map(move |(line, number)| {
        let mut line = line.map_err(|error| Error::io(&path, "read", error))?;
        if line.len() > LONGEST_LINE + 1 {
            let what = format!("the line is longer than {LONGEST_LINE} bytes");
            return Err(Error::row(&path, number, what)
                .help("is this a text file with a text in each line? --column reads tables"));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if number == 1 && line.starts_with(&[0xef, 0xbb, 0xbf]) {
            line.drain(..3);
        }
        String::from_utf8(line).map_err(|error| {
            let byte = error.as_bytes()[error.utf8_error().valid_up_to()];
            Error::row(&path, number, format!("the byte 0x{byte:02x} is not UTF-8"))
                .help("is the file Latin-1? save it as UTF-8")
        })
    })
}

/// The cells of one column of a CSV file with a header, which names it in whatever case. A row that
/// is wrong is an error, as it is where a dataset is read: what has a stray quote or a cell too
/// many has its texts in other columns.
///
/// # Errors
/// If the header cannot be read, or has no such column, or two.
pub fn column(
    path: &Path,
    reader: impl Read,
    name: &str,
) -> Result<impl Iterator<Item = Result<String>>> {
    let mut records = Delimited::of(path, without_mark(path, reader)?, b',', 1);
    let names = records.header("the first line names the columns")?;
    let mut places = (0..names.len()).filter(|&place| names[place].eq_ignore_ascii_case(name));
    let place = match (places.next(), places.next()) {
        (Some(place), None) => place,
        (Some(_), Some(_)) => {
            return Err(Error::row(path, 1, format!("two columns are named \"{name}\""))
                .help("rename one of them"));
        }
        (None, _) => {
            let found = names.join(", ");
            return Err(Error::row(
                path,
                1,
                format!("there is no column \"{name}\" (columns: {found})"),
            ));
        }
    };
    let (path, name) = (PathBuf::from(path), name.to_string());
    Ok(records.map(move |record| {
        let Record { line, cells } = record?;
        let bad = |what: String| Error::row(&path, line, what);
        let cells = cells.map_err(|what| bad(what).help(QUOTES))?;
        Ok(text(&cells, place, &name).map_err(bad)?.to_string())
    }))
}
