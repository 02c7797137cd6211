//! Files that are compressed with gzip.

use std::io::Read;
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// No file is larger than this once it is unpacked; what is larger was packed to fill the memory.
const LARGEST: u64 = 4 << 30; // bytes

/// The bytes of a file, unpacked if they are compressed with gzip.
///
/// # Errors
/// If they are cut off or damaged, or more than 4 GiB.
pub(super) fn unpacked(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
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
