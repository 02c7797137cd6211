//! What a run remembers of its making: `run.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::train::Stop;

/// What a run remembers of its making.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The version of this program.
    pub version: String,
    /// The state of the git repository that it was started in.
    pub git: Option<Git>,
    /// When it was started, in UTC.
    pub started: String,
    /// When it was resumed, each time.
    pub resumed: Vec<String>,
    /// When it ended.
    pub finished: Option<String>,
    /// Why it ended.
    pub outcome: Option<Stop>,
    /// Its complete configuration.
    pub config: Config,
    /// Where it was computed.
    pub device: String,
    /// In which precision.
    pub dtype: String,
    /// With how many threads.
    pub threads: usize,
    /// How many rows of each split were taken, if not all.
    pub limit: Option<usize>,
    /// What it started from, and how large that is.
    pub model: ModelInfo,
    /// What it learned from.
    pub data: Vec<DataFile>,
    /// The seconds that training took.
    pub seconds: f64,
}

/// The state of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Git {
    /// The commit that is checked out.
    pub commit: String,
    /// Whether files differ from it.
    pub dirty: bool,
}

/// What a run started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The base as the configuration names it.
    pub base: String,
    /// The number of trained parameters.
    pub parameters: usize,
    /// The tensors that the base did not bring.
    pub fresh: Vec<String>,
}

/// A data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// What it is to the run: `train`, `eval`, `test`; or, without rows, a model that it reads again
    /// when it goes on.
    #[serde(alias = "split")]
    pub role: String,
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256.
    pub sha256: String,
    /// The number of rows that were taken.
    pub rows: usize,
}

impl DataFile {
    /// Describes a file of which so many rows were taken.
    ///
    /// # Errors
    /// If the file cannot be read again.
    pub fn of(role: &str, path: &Path, rows: usize) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
        Ok(Self { role: role.into(), path, sha256, rows })
    }
}
