//! Faults of CSV quoting (RFC 4180), which the CSV reader itself passes over in silence: an
//! unclosed quote makes the rest of the file one cell.

/// A fault: its line, counted from 1, and what it is.
pub(super) type Fault = (u64, &'static str);

/// What is said of a quote that is opened and never closed.
pub(super) const OPEN: &str =
    "a quote is opened here and never closed, so the rest of the file is one cell";

/// Where a reader stands among cells and quotes.
#[derive(Debug, Clone)]
pub(super) struct Quotes {
    delimiter: u8,
    at: At,
    line: u64,
    opened: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    CellStart,
    Plain,
    Quoted,
    Closed,
}

impl Quotes {
    /// The start of a text whose cells are parted by `delimiter`, and whose first line has this
    /// number.
    pub(super) fn new(delimiter: u8, first_line: u64) -> Self {
        Self { delimiter, at: At::CellStart, line: first_line, opened: first_line }
    }

    /// The line of the next byte.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Passes a byte, which may be a fault.
    pub(super) fn step(&mut self, byte: u8) -> Option<Fault> {
        let mut fault = None;
        self.at = match (self.at, byte) {
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) => At::Quoted,
            (At::CellStart, b'"') => {
                self.opened = self.line;
                At::Quoted
            }
            (At::Closed, b'"') => At::Quoted, // a doubled quote stands for one
            (_, b'\n' | b'\r') => At::CellStart,
            (_, byte) if byte == self.delimiter => At::CellStart,
            (At::Closed, _) => {
                let what =
                    "text after the closing quote of a cell (a quote inside a cell is doubled)";
                fault = Some((self.line, what));
                At::Plain
            }
            (_, _) => At::Plain,
        };
        self.line += u64::from(byte == b'\n');
        fault
    }

    /// The line of the quote that is open.
    pub(super) fn open_since(&self) -> Option<u64> {
        (self.at == At::Quoted).then_some(self.opened)
    }
}
