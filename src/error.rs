//! One error type for the whole library.
//!
//! It says what went wrong, where (a file, a line, a key), what the user can do about it, and which
//! exit code the program ends with. It owns no printing: [`crate::error`] only builds the sentence,
//! the binary shows it.

use std::fmt;
use std::path::{Path, PathBuf};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of fault it is; each kind has its own exit code, documented in `docs/commands.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something failed while running: a disk, a network, a model file. Exit code 1.
    Failure,
    /// The command line or the configuration is invalid. Exit code 2.
    Usage,
    /// A data file does not say what a ValueNet file must say. Exit code 3.
    Data,
}

impl Kind {
    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failure => 1,
            Kind::Usage => 2,
            Kind::Data => 3,
        }
    }
}

/// An error with its place and its remedy.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    place: Location,
    what: String,
    help: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Where the fault lies.
#[derive(Debug)]
enum Location {
    Nowhere,
    File(PathBuf),
    Line(PathBuf, u64),
    Key(String),
}

impl Error {
    fn new(kind: Kind, place: Location, what: impl Into<String>) -> Self {
        let what = without_backtrace(&what.into()).into();
        Self { kind, place, what, help: None, source: None }
    }

    /// A failure without a place.
    pub fn failure(what: impl Into<String>) -> Self {
        Self::new(Kind::Failure, Location::Nowhere, what)
    }

    /// For `map_err`: a failure with the cause that it is given.
    pub fn failure_because<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        what: &str,
    ) -> impl FnOnce(E) -> Self {
        let what = what.to_string();
        |cause| Self::failure(what).because(cause)
    }

    /// A file that could not be read, written or understood.
    pub fn file(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Self::new(Kind::Failure, Location::File(path.as_ref().into()), what)
    }

    /// A file operation that the operating system refused; `action` is an infinitive such as
    /// "read".
    pub fn io(path: impl AsRef<Path>, action: &str, source: std::io::Error) -> Self {
        let help = match source.kind() {
            std::io::ErrorKind::StorageFull => Some("free some space, or write elsewhere with -o"),
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Some("check the permissions, or name another place")
            }
            _ => None,
        };
        let mut error = Self::file(path, format!("cannot {action} it: {}", plain(&source)));
        error.help = help.map(String::from);
        error.source = Some(Box::new(source));
        error
    }

    /// A fault in a data file as a whole.
    pub fn data(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Self::new(Kind::Data, Location::File(path.as_ref().into()), what)
    }

    /// A fault in one line of a data file (lines are counted from 1).
    pub fn row(path: impl AsRef<Path>, line: u64, what: impl Into<String>) -> Self {
        Self::new(Kind::Data, Location::Line(path.as_ref().into(), line), what)
    }

    /// An invalid value on the command line or in a request.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, Location::Nowhere, what)
    }

    /// A fault at a key of the configuration, such as `train.epochs`.
    pub fn key(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, Location::Key(key.into()), what)
    }

    /// A fault at a line of a configuration file (lines are counted from 1).
    pub fn config_line(path: impl AsRef<Path>, line: u64, what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, Location::Line(path.as_ref().into(), line), what)
    }

    /// Adds what the user can do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what caused it.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same fault as the cause of a wider one, such as a run that has stopped.
    pub fn within(self, what: impl Into<String>) -> Self {
        Self::new(self.kind, Location::Nowhere, what).because(self)
    }

    /// The kind of fault, and with it the exit code.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the user can do about it, or about its cause, if we know.
    pub fn advice(&self) -> Option<&str> {
        let of_cause = || self.source.as_ref()?.downcast_ref::<Error>()?.advice();
        self.help.as_deref().or_else(of_cause)
    }
}

/// A message without the backtrace that candle puts behind its own where `RUST_BACKTRACE` is set.
pub fn without_backtrace(text: &str) -> &str {
    text.find("\n   0: ").map_or(text, |end| &text[..end])
}

/// An operating system's message without Rust's ` (os error 28)`.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Location::Nowhere => {}
            Location::File(path) => write!(f, "{}: ", path.display())?,
            Location::Line(path, line) => write!(f, "{}:{line}: ", path.display())?,
            Location::Key(key) => write!(f, "{key}: ")?,
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The line, from 1, at which a TOML text is wrong.
pub fn toml_line(text: &str, error: &toml::de::Error) -> u64 {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() as u64 + 1
}
