//! Files that are compressed with gzip.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// What a file compressed with gzip begins with.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What a file's name ends in, without `.gz`, in lower case.
pub(super) fn extension(path: &Path) -> String {
    let is_packed = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("gz"));
    let path = if is_packed { &path.with_extension("") } else { path };
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// What a reader reads, unpacked as it goes if it is compressed with gzip.
///
/// # Errors
/// If it cannot be read.
pub(super) fn unpacking<'a>(
    mut reader: Box<dyn BufRead + 'a>,
) -> std::io::Result<Box<dyn BufRead + 'a>> {
    Ok(match reader.fill_buf()?.starts_with(&MAGIC) {
        true => Box::new(BufReader::new(MultiGzDecoder::new(reader))),
        false => reader,
    })
}

/// No file is larger than this once it is unpacked; what is larger was packed to fill the memory.
const LARGEST: u64 = 4 << 30; // bytes

/// The bytes of a file, unpacked if they are compressed with gzip.
///
/// # Errors
/// If they are cut off or damaged, or more than 4 GiB.
pub(super) fn unpacked(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !bytes.starts_with(&MAGIC) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let read = MultiGzDecoder::new(bytes.as_slice()).take(LARGEST).read_to_end(&mut unpacked);
    match read {
        Err(error) => Err(Error::data(path, "the file is compressed with gzip, and damaged")
            .because(error)
            .help("it may be cut off: copy or download it again")),
        Ok(length) if length as u64 == LARGEST => {
            Err(Error::data(path, "the file is compressed with gzip, and too large unpacked"))
        }
        Ok(_) => Ok(unpacked),
    }
}
