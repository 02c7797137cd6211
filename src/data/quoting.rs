//! Faults of CSV quoting (RFC 4180), which the CSV reader itself passes over in silence: an unclosed quote makes the
//! rest of the file one cell.

/// A fault: its line, counted from 1, and what it is.
pub type Fault = (u64, &'static str);

/// The faults of a CSV text, in order.
pub fn faults(text: &[u8]) -> Vec<Fault> {
    #[derive(Clone, Copy, PartialEq)]
    enum At {
        CellStart,
        Plain,
        Quoted,
        Closed,
    }
    let mut faults = Vec::new();
    let (mut at, mut line, mut opened) = (At::CellStart, 1, 1);
    for &byte in text {
        at = match (at, byte) {
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) => At::Quoted,
            (At::CellStart, b'"') => {
                opened = line;
                At::Quoted
            }
            (At::Closed, b'"') => At::Quoted, // a doubled quote stands for one
            (_, b',' | b'\n' | b'\r') => At::CellStart,
            (At::Closed, _) => {
                faults.push((
                    line,
                    "text after the closing quote of a cell (a quote inside a cell is doubled)",
                ));
                At::Plain
            }
            (_, _) => At::Plain,
        };
        if byte == b'\n' {
            line += 1;
        }
    }
    if at == At::Quoted {
        faults.push((opened, "a quote is opened here and never closed, so the rest of the file is one cell"));
    }
    faults
}
