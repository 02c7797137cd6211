//! Results to stdout or a file, remarks to stderr.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use valuenet::disk::NewFile;
use valuenet::error::Result;

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

/// Where a result goes: stdout, or a file, which appears when it is whole. It is opened before the
/// work begins, so that no work is lost to a place that cannot be written.
pub struct Output(Option<(PathBuf, NewFile)>);

impl Output {
    /// Opens a file, or stdout.
    pub fn open(file: Option<&Path>) -> Result<Self> {
        Ok(Self(match file {
            Some(path) => Some((path.into(), NewFile::create(path)?)),
            None => None,
        }))
    }

    /// Writes a result.
    pub fn write(self, text: &str) -> anyhow::Result<()> {
        self.write_rows(|out| Ok(out.write_all(text.as_bytes())?))
    }

    /// Hands `write` something to write to as it goes.
    pub fn write_rows(
        self,
        write: impl FnOnce(&mut (dyn Write + Send)) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self.0 {
            Some((path, mut file)) => {
                write(&mut file).with_context(|| format!("{} was not written", path.display()))?;
                Ok(file.keep()?)
            }
            None => {
                let mut stdout = std::io::stdout();
                write(&mut stdout)?;
                Ok(stdout.flush()?)
            }
        }
    }
}

/// Writes a result to stdout.
pub fn print(text: &str) -> anyhow::Result<()> {
    Output(None).write(text)
}
