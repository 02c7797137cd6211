//! Checkpoints that PyTorch pickled into a zip file. They are looked over before candle reads them: what
//! they say of themselves must fit into the file, and nothing may be nested or repeated without end.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use candle_core::Tensor;
use candle_core::pickle::PthTensors;
use zip::ZipArchive;

/// The largest list of tensors, in bytes. That of a model of 1,000 tensors has 100 thousand.
const LARGEST_LIST: u64 = 64 << 20;
/// How deep objects may stand in one another. A tensor in a dictionary stands four deep.
const DEEPEST: u32 = 64;
/// How many objects there may be, each counted as often as it is named.
const MOST_OBJECTS: u64 = 16 << 20;
/// How much smaller than its contents a zip file can be: more than deflate reaches.
const PACKED: u64 = 1100;

/// Reads the tensors of a file.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read(path: &Path) -> Result<HashMap<String, Tensor>, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let file = File::open(path).map_err(|error| failed(&error))?;
    let length = file.metadata().map_err(|error| failed(&error))?.len();
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| failed(&error))?;
    let mut sizes = HashMap::new();
    for number in 0..zip.len() {
        let entry = zip.by_index(number).map_err(|error| failed(&error))?;
        let name = entry.name().map_err(|error| failed(&error))?.into_owned();
        if entry.size() > length.saturating_mul(PACKED) {
            return Err(format!("{name} is said to have {} bytes, more than fit", entry.size()));
        }
        sizes.insert(name.clone(), entry.size());
        if name.ends_with("data.pkl") {
            let mut list = Vec::new();
            let read = entry.take(LARGEST_LIST + 1).read_to_end(&mut list);
            read.map_err(|error| failed(&error))?;
            if list.len() as u64 > LARGEST_LIST {
                return Err(format!("its list of tensors has more than {LARGEST_LIST} bytes"));
            }
            check(&list)?;
        }
    }
    let tensors = PthTensors::new(path, None).map_err(|error| failed(&error))?;
    let mut read = HashMap::new();
    for (name, info) in tensors.tensor_infos() {
        let dims = info.layout.dims().iter();
        let bytes = dims
            .map(|&dim| dim as u64)
            .try_fold(info.dtype.size_in_bytes() as u64, u64::checked_mul);
        let end = bytes.and_then(|bytes| bytes.checked_add(info.layout.start_offset() as u64));
        let there = sizes.get(&info.path).copied().unwrap_or(0);
        if end.is_none_or(|end| end > there) {
            let shape = info.layout.dims();
            return Err(format!(
                "tensor {name} of the shape {shape:?} has {there} bytes in the file"
            ));
        }
        if let Some(tensor) = tensors.get(name).map_err(|error| failed(&error))? {
            read.insert(name.clone(), tensor);
        }
    }
    Ok(read)
}

/// How deep an object is, and of how many it consists.
#[derive(Debug, Clone, Copy)]
struct Extent {
    depth: u32,
    objects: u64,
}

const PLAIN: Extent = Extent { depth: 1, objects: 1 };

impl Extent {
    fn around(parts: &[Self]) -> Self {
        let depth = parts.iter().map(|part| part.depth).max().unwrap_or(0);
        let objects = parts.iter().map(|part| part.objects).fold(1, u64::saturating_add);
        Self { depth: depth + 1, objects }
    }
}

/// Goes through a pickle as candle does, and refuses objects that are too deep or too many.
fn check(pickle: &[u8]) -> Result<(), String> {
    let cut = || "its list of tensors is cut off".to_string();
    let mut machine = Machine { stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    let mut rest = pickle;
    loop {
        let (&code, behind) = rest.split_first().ok_or_else(cut)?;
        let argument = match code {
            b'c' => {
                let mut ends = (0..behind.len()).filter(|&at| behind[at] == b'\n');
                ends.nth(1).ok_or_else(cut)? + 1
            }
            b'q' | b'K' | b'h' | 0x80 => 1,
            b'M' => 2,
            b'J' | b'r' | b'j' => 4,
            b'G' => 8,
            b'X' => 4 + number(behind.get(..4).ok_or_else(cut)?) as usize,
            0x8a => 1 + usize::from(*behind.first().ok_or_else(cut)?),
            _ => 0,
        };
        let argument = behind.get(..argument).ok_or_else(cut)?;
        rest = &behind[argument.len()..];
        if code == b'.' {
            return Ok(());
        }
        machine.step(code, argument).ok_or_else(|| {
            format!(
                "its list of tensors is no pickle that is read here (at byte {})",
                pickle.len() - rest.len()
            )
        })?;
        let held: u64 = machine.stack.last().map_or(0, |top| top.objects);
        let deepest = machine.stack.last().map_or(0, |top| top.depth);
        if deepest > DEEPEST || held > MOST_OBJECTS || machine.memo.len() as u64 > MOST_OBJECTS {
            return Err("its list of tensors is nested or repeated without end".into());
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// The stack of a pickle, with extents in the place of objects.
struct Machine {
    stack: Vec<Extent>,
    /// How many objects lay under each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Extent>,
}

impl Machine {
    /// One instruction; none if it cannot be followed.
    fn step(&mut self, code: u8, argument: &[u8]) -> Option<()> {
        match code {
            0x80 => {}
            b'(' => self.marks.push(self.stack.len()),
            b'q' | b'r' => {
                self.memo.insert(number(argument), *self.stack.last()?);
            }
            b'h' | b'j' => self.stack.push(*self.memo.get(&number(argument))?),
            b't' => {
                let parts = self.marked()?;
                self.stack.push(Extent::around(&parts));
            }
            0x85 | b'Q' => self.gather(1)?,
            0x86 | b'R' | b'b' | 0x81 => self.gather(2)?,
            0x87 => self.gather(3)?,
            b'a' => self.add(1)?,
            b's' => self.add(2)?,
            b'e' | b'u' => {
                let parts = self.marked()?;
                self.put(&parts)?;
            }
            b'c' | b'K' | b'M' | b'J' | b'G' | b'X' | 0x8a | b'N' | 0x88 | 0x89 | b')' | b']'
            | b'}' | b'd' => {
                self.stack.push(PLAIN);
            }
            _ => return None,
        }
        Some(())
    }

    /// What was put there since the last mark.
    fn marked(&mut self) -> Option<Vec<Extent>> {
        let mark = self.marks.pop()?;
        (mark <= self.stack.len()).then(|| self.stack.split_off(mark))
    }

    /// The last objects become one.
    fn gather(&mut self, count: usize) -> Option<()> {
        let parts = self.stack.split_off(self.stack.len().checked_sub(count)?);
        self.stack.push(Extent::around(&parts));
        Some(())
    }

    /// The last objects go into the one under them.
    fn add(&mut self, count: usize) -> Option<()> {
        let parts = self.stack.split_off(self.stack.len().checked_sub(count)?);
        self.put(&parts)
    }

    fn put(&mut self, parts: &[Extent]) -> Option<()> {
        let within = Extent::around(parts);
        let container = self.stack.last_mut()?;
        container.depth = container.depth.max(within.depth);
        container.objects = container.objects.saturating_add(within.objects);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pickle: &[u8], says: &str) -> bool {
        check(pickle).is_err_and(|what| what.contains(says))
    }

    #[test]
    fn a_pickle_without_end_is_refused() {
        let deep = [&b"\x80\x02N"[..], &[0x85; 1_000_000], b"."].concat();
        assert!(refused(&deep, "without end"));
        let twice = [&b"h\x00h\x00\x86q\x00"[..]; 60].concat();
        let laughs = [&b"\x80\x02Nq\x00"[..], &twice, b"."].concat();
        assert!(refused(&laughs, "without end"), "each names the one before twice");
        let lists = [&b"\x80\x02"[..], &[b']'; 100], &[b'a'; 99], b"."].concat();
        assert!(refused(&lists, "without end"));
    }

    #[test]
    fn a_pickle_that_breaks_off_or_cannot_be_followed_is_refused() {
        assert!(refused(b"", "cut off"));
        assert!(refused(b"\x80\x02X\xff\xff\xff\xffabc", "cut off"));
        assert!(refused(b"\x80\x02cos\n", "cut off"));
        for odd in [&b"\x80\x02t."[..], b"\x80\x02\x86.", b"\x80\x02h\x05.", b"\x80\x02i.", b"a."] {
            assert!(refused(odd, "no pickle that is read here"), "{odd:?}");
        }
        let plain = b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00b(K\x02K\x03tu.";
        assert_eq!(check(plain), Ok(()));
    }
}
