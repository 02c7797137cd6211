//! Line numbers of CSV records.

use csv::ByteRecord;

/// Counts lines. The reader's own count is one short after each CRLF, whose LF it takes for the next record's.
pub(super) struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    /// The lines of what the reader reads.
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line that a record begins on, counted from 1; records come in order.
    pub(super) fn line_of(&mut self, record: &ByteRecord) -> u64 {
        let start = record.position().map_or(self.at, |position| position.byte() as usize);
        let blank = self.text[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = &self.text[self.at..start + blank];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.at = start + blank;
        self.line
    }
}
