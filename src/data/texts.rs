//! The texts in a file, one by one and in bounded memory: a line each.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The longest line that is taken for a text, in bytes: no model reads as much, and a file without
/// line ends would fill the memory.
pub const LONGEST_LINE: usize = 1 << 20;

/// The lines of a text file, without their ends. One that is longer than [`LONGEST_LINE`], or no UTF-8, is
/// an error, and the next follow.
pub fn lines<R: BufRead>(path: &Path, reader: R) -> impl Iterator<Item = Result<String>> + use<R> {
    let owned = PathBuf::from(path);
    byte_lines(path, reader).map(move |line| {
        let (number, mut line) = line?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if number == 1 && line.starts_with(&[0xef, 0xbb, 0xbf]) {
            line.drain(..3);
        }
        String::from_utf8(line).map_err(|error| {
            let byte = error.as_bytes()[error.utf8_error().valid_up_to()];
            Error::row(&owned, number, format!("the byte 0x{byte:02x} is not UTF-8"))
                .help("is the file Latin-1? save it as UTF-8")
        })
    })
}

/// The lines of a file with their numbers, from 1, without the byte that ends them.
pub(super) fn byte_lines<R: Read>(
    path: &Path,
    reader: R,
) -> impl Iterator<Item = Result<(u64, Vec<u8>)>> + use<R> {
    let path = PathBuf::from(path);
    let mut reader = BufReader::new(reader);
    let (mut number, mut is_over, mut is_within) = (0, false, false);
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        // The rest of a line that was too long is passed over when more is asked for: it may never end.
        if std::mem::take(&mut is_within)
            && let Err(error) = skip_line(&mut reader)
        {
            is_over = true;
            return Some(Err(Error::io(&path, "read", error)));
        }
        number += 1;
        let mut line = Vec::new();
        let most = LONGEST_LINE as u64 + 2; // a line end of two bytes
        let read = reader.by_ref().take(most).read_until(b'\n', &mut line);
        let is_ended = line.last() == Some(&b'\n');
        is_within = !is_ended && line.len() as u64 == most;
        match read {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => {
                is_over = true;
                return Some(Err(Error::io(&path, "read", error)));
            }
        }
        if is_ended {
            line.pop();
        }
        if is_within {
            let what = format!("the line is longer than {LONGEST_LINE} bytes");
            return Some(Err(Error::row(&path, number, what).help(
                "is this a text file with a text in each line? --from and --column read tables",
            )));
        }
        Some(Ok((number, line)))
    })
}

/// Reads what is left of a line, and forgets it.
fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let part = reader.fill_buf()?;
        let end = part.iter().position(|&byte| byte == b'\n');
        let (count, is_over) =
            (end.map_or(part.len(), |end| end + 1), end.is_some() || part.is_empty());
        reader.consume(count);
        if is_over {
            return Ok(());
        }
    }
}
