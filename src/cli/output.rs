//! Results to stdout or a file, remarks to stderr.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use valuenet::disk::{self, NewFile};

/// What is said on stderr beside errors.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    quiet: bool,
    verbose: bool,
}

impl Console {
    /// Says nothing if `quiet`, and more if `verbose`.
    pub fn new(quiet: bool, verbose: bool) -> Self {
        Self { quiet, verbose }
    }

    /// Whether nothing may be said.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Says something.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Says something that few want to know.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.note(text);
        }
    }
}

/// Writes a result to a file, whole or not at all, or to stdout.
pub fn write_result(text: &str, file: Option<&Path>) -> anyhow::Result<()> {
    match file {
        Some(path) => Ok(disk::write_file(path, text.as_bytes())?),
        None => {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(text.as_bytes())?;
            Ok(stdout.flush()?)
        }
    }
}

/// Hands `write` a file, or stdout, to write to as it goes. A file is written beside its place first, so that what stands there
/// is always whole.
pub fn write_rows(
    file: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Some(path) = file else {
        return write(&mut std::io::stdout().lock());
    };
    let mut file = NewFile::create(path)?;
    write(&mut file).with_context(|| format!("{} was not written", path.display()))?;
    Ok(file.keep()?)
}
