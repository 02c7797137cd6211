//! Files that are compressed with gzip or Zstandard.

use std::io::{BufRead, BufReader, Error as IoError, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::error::{Error, Result};
use crate::guard::caught;

/// What a file compressed with gzip begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a frame of Zstandard begins with.
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The largest window of Zstandard, in bytes: that of `zstd --long=31`, with which archives of posts are packed.
const WINDOW: u64 = 1 << 31;

/// What a file's name ends in, without `.gz` or `.zst`, in lower case.
pub(super) fn extension(path: &Path) -> String {
    let is_packed = path
        .extension()
        .is_some_and(|it| ["gz", "zst"].iter().any(|packed| it.eq_ignore_ascii_case(packed)));
    let path = if is_packed { &path.with_extension("") } else { path };
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// What a reader reads, unpacked as it goes if it is compressed.
///
/// # Errors
/// If it cannot be read.
pub(super) fn unpacking<'a>(
    mut reader: Box<dyn BufRead + 'a>,
) -> std::io::Result<Box<dyn BufRead + 'a>> {
    Ok(match Packing::of(reader.fill_buf()?) {
        Some(Packing::Gzip) => Box::new(BufReader::new(MultiGzDecoder::new(reader))),
        Some(Packing::Zstandard) => Box::new(BufReader::new(Frames::of(reader))),
        None => reader,
    })
}

/// How bytes are packed.
enum Packing {
    Gzip,
    Zstandard,
}

impl Packing {
    /// What the first bytes say; none if they are not packed.
    fn of(first: &[u8]) -> Option<Self> {
        match first {
            _ if first.starts_with(&GZIP) => Some(Self::Gzip),
            _ if first.starts_with(&ZSTANDARD) || skipped(first).is_some() => Some(Self::Zstandard),
            _ => None,
        }
    }
}

/// The frames of Zstandard in a stream, one behind the other.
struct Frames<R: BufRead> {
    state: Option<State<R>>,
}

enum State<R: BufRead> {
    Between(R),
    Within(Box<StreamingDecoder<R, FrameDecoder>>),
}

impl<R: BufRead> Frames<R> {
    fn of(reader: R) -> Self {
        Self { state: Some(State::Between(reader)) }
    }
}

/// How many bytes a frame has that is to be skipped, if one begins here.
fn skipped(bytes: &[u8]) -> Option<u64> {
    let (magic, length) = (bytes.get(..4)?, bytes.get(4..8)?);
    let is_one = magic[0] & 0xf0 == 0x50 && magic[1..] == [0x2a, 0x4d, 0x18];
    is_one.then(|| 8 + u64::from(u32::from_le_bytes([length[0], length[1], length[2], length[3]])))
}

fn damaged(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> IoError {
    IoError::new(ErrorKind::InvalidData, what)
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.state.take() {
                None => return Ok(0),
                Some(State::Between(mut reader)) => {
                    let first = reader.fill_buf()?;
                    if first.is_empty() {
                        return Ok(0);
                    }
                    if let Some(length) = skipped(first) {
                        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
                        self.state = Some(State::Between(reader));
                        continue;
                    }
                    let open = || StreamingDecoder::new_with_max_window_size(reader, WINDOW);
                    let decoder = caught(open).map_err(damaged)?.map_err(damaged)?;
                    self.state = Some(State::Within(Box::new(decoder)));
                }
                Some(State::Within(mut decoder)) => {
                    match caught(|| decoder.read(buffer)).map_err(damaged)?? {
                        0 if !buffer.is_empty() => {
                            self.state = Some(State::Between(decoder.into_inner()));
                        }
                        read => {
                            self.state = Some(State::Within(decoder));
                            return Ok(read);
                        }
                    }
                }
            }
        }
    }
}

/// No file is larger than this once it is unpacked; what is larger was packed to fill the memory.
const LARGEST: u64 = 4 << 30; // bytes

/// The bytes of a file, unpacked if they are compressed.
///
/// # Errors
/// If they are cut off or damaged, or more than 4 GiB.
pub(super) fn unpacked(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if Packing::of(&bytes).is_none() {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let read = unpacking(Box::new(bytes.as_slice()))
        .and_then(|reader| reader.take(LARGEST).read_to_end(&mut unpacked));
    match read {
        Err(error) => Err(Error::data(path, "the file is compressed, and damaged")
            .because(error)
            .help("it may be cut off: copy or download it again")),
        Ok(length) if length as u64 == LARGEST => {
            Err(Error::data(path, "the file is compressed, and too large unpacked"))
        }
        Ok(_) => Ok(unpacked),
    }
}
