//! Rows of numbers as a NumPy array.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use crate::error::{Error, Result};

/// The rows of a float32 array, whose header can be written only when their number is known.
#[derive(Debug)]
pub(super) struct ArraySpool {
    file: File,
    rows: u64,
    columns: usize,
}

impl ArraySpool {
    /// An array without rows.
    pub(super) fn new(columns: usize) -> Result<Self> {
        let file =
            tempfile::tempfile().map_err(Error::failure_because("cannot make a temporary file"))?;
        Ok(Self { file, rows: 0, columns })
    }

    /// Adds a row of as many numbers as there are columns.
    pub(super) fn push(&mut self, row: &[f32]) -> Result<()> {
        debug_assert_eq!(row.len(), self.columns);
        let bytes: Vec<u8> = row.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.file.write_all(&bytes).map_err(refused)?;
        self.rows += 1;
        Ok(())
    }

    /// Writes the array.
    pub(super) fn write(mut self, out: &mut impl Write) -> Result<()> {
        out.write_all(&header(self.rows, self.columns)).map_err(refused)?;
        self.file.seek(SeekFrom::Start(0)).map_err(refused)?;
        std::io::copy(&mut self.file, out).map_err(refused)?;
        Ok(())
    }
}

fn refused(error: std::io::Error) -> Error {
    Error::failure("cannot write the array").because(error)
}

/// The header of NumPy's format 1.0 for a little-endian float32 array of shape (rows, columns): a
/// multiple of 64 bytes.
fn header(rows: u64, columns: usize) -> Vec<u8> {
    let description =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let length = (10 + description.len() + 1).next_multiple_of(64) - 10;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((length as u16).to_le_bytes());
    header.extend(format!("{description:<width$}\n", width = length - 1).bytes());
    header
}
