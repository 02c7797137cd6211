//! The run directory: the name of every file in it, how it comes to be, and what it remembers of
//! its making.
//!
//! ```text
//! config.toml  run.json  train.log  metrics.jsonl  checkpoints/{best,last}/  eval/
//! ```
//! Nothing in it is ever deleted; a directory that is not empty is refused, or moved aside when
//! that is asked for.

mod info;

pub use info::{DataFile, Git, ModelInfo, RunInfo};

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::disk;
use crate::error::{Error, Result};
use crate::train::Checkpoint;

/// A run directory that this process writes to.
#[derive(Debug)]
pub struct Run {
    path: PathBuf,
    lock: File,
}

/// What a directory that is not empty means for a new run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfOccupied {
    /// It is refused.
    Refuse,
    /// It is moved aside, to the same name with a number.
    MoveAside,
}

impl Run {
    /// Creates a run directory. If one was moved aside for it, its new name is returned too.
    ///
    /// # Errors
    /// If the directory is not empty, or cannot be written, or another process is using it.
    pub fn create(path: &Path, if_occupied: IfOccupied) -> Result<(Self, Option<PathBuf>)> {
        let mut aside = None;
        if Self::check(path, if_occupied)? {
            drop(Self::lock(path)?);
            aside = Some(move_aside(path)?);
        }
        std::fs::create_dir_all(path).map_err(|error| Error::io(path, "create", error))?;
        let lock = Self::lock(path)?;
        Ok((Self { path: path.into(), lock }, aside))
    }

    /// Whether something is in the directory of a new run that is to be moved aside.
    ///
    /// # Errors
    /// If there is, and it is not to be, or it is a file.
    pub fn check(path: &Path, if_occupied: IfOccupied) -> Result<bool> {
        if path.is_file() {
            return Err(Error::usage(format!("{} is a file, not a directory", path.display())));
        }
        let occupied = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        if occupied && if_occupied == IfOccupied::Refuse {
            return Err(Error::usage(format!("{} is not empty", path.display())).help(
                "--resume goes on with the run in it, --overwrite begins anew (the old one is kept under \
                 another name), -o names another place",
            ));
        }
        Ok(occupied)
    }

    /// Takes up the run in a directory.
    ///
    /// # Errors
    /// If there is none, or another process is using it.
    pub fn resume(path: &Path) -> Result<Self> {
        let run = SavedRun::open(path)?;
        if run.checkpoint(Checkpoint::Last).is_none() {
            return Err(Error::file(path, "this run has no checkpoint to resume from")
                .help("--overwrite begins anew (the old directory is kept under another name)"));
        }
        let lock = Self::lock(path)?;
        disk::clear_leavings(&path.join(CHECKPOINTS))?;
        Ok(Self { path: path.into(), lock })
    }

    fn lock(path: &Path) -> Result<File> {
        let name = path.join(LOCK);
        let refused = |error| Error::io(path, "write to", error);
        let file = File::options().create(true).append(true).open(&name).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(Error::failure(format!("{} is in use by another process", path.display()))
                    .help("wait for it, or name another place with -o"))
            }
            Err(TryLockError::Error(error)) => Err(refused(error)),
        }
    }

    /// Whether the directory is still where it was: a training whose directory was moved must not go on
    /// in two.
    fn check_place(&self) -> Result<()> {
        let what = "the run directory is not there any more: it was moved or removed";
        let gone = || Error::file(&self.path, what);
        let there = self.path.join(LOCK).metadata().map_err(|_| gone())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let own = self.lock.metadata().map_err(|error| Error::io(&self.path, "read", error))?;
            if (own.dev(), own.ino()) != (there.dev(), there.ino()) {
                return Err(gone());
            }
        }
        #[cfg(not(unix))]
        drop(there);
        Ok(())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a checkpoint, if the run has it.
    pub fn checkpoint(&self, checkpoint: Checkpoint) -> Option<PathBuf> {
        disk::existing_folder(&folder(&self.path, checkpoint))
    }

    /// The rows of the training, one JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// Where event files for TensorBoard go, if they are asked for.
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join("tensorboard")
    }

    /// The same for people.
    pub fn log(&self) -> PathBuf {
        self.path.join("train.log")
    }

    /// Writes the complete configuration.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_config(&self, config: &Config) -> Result<()> {
        disk::write_file(&self.path.join(CONFIG), config.to_toml()?.as_bytes())
    }

    /// Writes what is known of the run.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_info(&self, info: &RunInfo) -> Result<()> {
        self.check_place()?;
        disk::write_json(&self.path.join(INFO), info)
    }

    /// Keeps a checkpoint, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written; the checkpoint before it is still there.
    pub fn save(&self, checkpoint: Checkpoint, fill: &dyn Fn(&Path) -> Result<()>) -> Result<()> {
        self.check_place()?;
        disk::write_folder(&folder(&self.path, checkpoint), fill)
            .or_else(|error| self.check_place().and(Err(error)))
    }
}

const LOCK: &str = ".lock";
const CONFIG: &str = "config.toml";
const INFO: &str = "run.json";
const METRICS: &str = "metrics.jsonl";
const CHECKPOINTS: &str = "checkpoints";

fn folder(run: &Path, checkpoint: Checkpoint) -> PathBuf {
    run.join(CHECKPOINTS).join(match checkpoint {
        Checkpoint::Best => "best",
        Checkpoint::Last => "last",
    })
}

/// Renames a directory to the same name with the lowest free number.
fn move_aside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let free = (1u32..)
        .map(|number| path.with_file_name(format!("{name}.{number}")))
        .find(|path| !path.exists());
    let aside = free.unwrap_or_else(|| path.with_file_name(format!("{name}.old")));
    std::fs::rename(path, &aside).map_err(|error| Error::io(path, "move aside", error))?;
    Ok(aside)
}

/// A run directory that is only read.
#[derive(Debug)]
pub struct SavedRun {
    path: PathBuf,
    /// What is known of the run.
    pub info: RunInfo,
}

impl SavedRun {
    /// Whether a directory looks like a run.
    pub fn is_run(path: &Path) -> bool {
        path.join(INFO).is_file()
    }

    /// Opens the run in a directory.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(path: &Path) -> Result<Self> {
        if !Self::is_run(path) {
            return Err(Error::file(path, format!("there is no run here ({INFO} is missing)"))
                .help("`valuenet train CONFIG -o DIR` makes one"));
        }
        let info = path.join(INFO);
        let parsed = serde_json::from_value(disk::read_json(&info)?);
        let info = parsed
            .map_err(|error| Error::file(&info, format!("not a run's description: {error}")))?;
        Ok(Self { path: path.into(), info })
    }

    /// The runs under several seeds in a folder as one: their data, and reports of its own.
    ///
    /// # Errors
    /// If there is none, or two differ in their data, or in their configuration beside seed and
    /// device.
    pub fn of_seeds(folder: &Path) -> Result<Self> {
        let mut runs = seeds(folder).into_iter().map(|(_, path)| Self::open(&path));
        let Some(first) = runs.next().transpose()? else {
            return Err(Error::file(folder, "there are no runs seed-1, seed-2 and so on here"));
        };
        let data = |run: &Self| -> Vec<(String, String, usize)> {
            let files = run.info.data.iter();
            files.map(|file| (file.role.clone(), file.sha256.clone(), file.rows)).collect()
        };
        let recipe = |run: &Self| -> Config {
            let mut config = run.info.config.clone();
            (config.train.seed, config.train.device) = (0, String::new());
            config.data.dir = PathBuf::new(); // its files are compared
            config
        };
        for run in runs {
            let run = run?;
            let what = match (data(&run) == data(&first), recipe(&run) == recipe(&first)) {
                (true, true) => continue,
                (false, _) => "data",
                (true, false) => "settings",
            };
            let what = format!("this run has other {what} than {}", first.path.display());
            return Err(Error::file(&run.path, what).help("an ensemble is of runs of one recipe"));
        }
        Ok(Self { path: folder.into(), info: first.info })
    }

    /// The folder of a checkpoint, if the run has it.
    pub fn checkpoint(&self, checkpoint: Checkpoint) -> Option<PathBuf> {
        disk::existing_folder(&folder(&self.path, checkpoint))
    }

    /// Where a report on a split goes: `eval/<name>.json`.
    pub fn report(&self, name: &str) -> PathBuf {
        self.path.join("eval").join(format!("{name}.json"))
    }

    /// The rows of the training, one JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// Where the replies to a split's dialogues go: `eval/<name>.replies.jsonl`.
    pub fn replies(&self, name: &str) -> PathBuf {
        self.path.join("eval").join(format!("{name}.replies.jsonl"))
    }

    /// Where the labels that a classifier gives a split's texts go:
    /// `eval/<name>.predictions.jsonl`.
    pub fn classified(&self, name: &str) -> PathBuf {
        self.path.join("eval").join(format!("{name}.predictions.jsonl"))
    }

    /// Where the predictions of a split go: `eval/<name>.predictions.csv`.
    pub fn predictions(&self, name: &str) -> PathBuf {
        self.path.join("eval").join(format!("{name}.predictions.csv"))
    }
}

/// The runs of one recipe in a folder, `seed-1`, `seed-2` and so on, in the order of their seeds.
pub fn seeds(folder: &Path) -> Vec<(u64, PathBuf)> {
    let entries =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let seed_of = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("seed-")?.parse().ok();
    let mut found: Vec<(u64, PathBuf)> = entries
        .filter(|path| SavedRun::is_run(path))
        .filter_map(|path| Some((seed_of(&path)?, path)))
        .collect();
    found.sort();
    found
}

/// The folder of the run with this seed among others of its recipe.
pub fn seed_folder(folder: &Path, seed: u64) -> PathBuf {
    folder.join(format!("seed-{seed}"))
}

/// What differs between a run and what it would be resumed with, in words; empty if nothing does.
pub fn differences(
    run: &SavedRun,
    config: &Config,
    data: &[DataFile],
    limit: Option<usize>,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let (before, now) = (flat(&run.info.config)?, flat(config)?);
    for (key, value) in &now {
        match before.iter().find(|(other, _)| other == key) {
            Some((_, old)) if old == value => {}
            Some((_, old)) => found.push(format!("{key} was {old} and is {value}")),
            None => found.push(format!("{key} is new")),
        }
    }
    let gone = before.iter().filter(|(key, _)| now.iter().all(|(other, _)| other != key));
    found.extend(gone.map(|(key, _)| format!("{key} is gone")));
    for (place, source) in data.iter().enumerate() {
        // There may be several files of one role.
        let before = data[..place].iter().filter(|other| other.role == source.role).count();
        let old = run.info.data.iter().filter(|old| old.role == source.role).nth(before);
        if old.is_none_or(|old| old.sha256 != source.sha256) {
            found.push(format!("{} is not the file it was", source.path.display()));
        }
    }
    if run.info.limit != limit {
        let show = |limit: Option<usize>| limit.map_or("none".into(), |limit| limit.to_string());
        found.push(format!("--limit was {} and is {}", show(run.info.limit), show(limit)));
    }
    Ok(found)
}

/// The keys and values of a configuration in order, without sections.
fn flat(config: &Config) -> Result<Vec<(String, String)>> {
    fn walk(prefix: &str, table: &toml::Table, rows: &mut Vec<(String, String)>) {
        for (key, value) in table {
            let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                toml::Value::Table(inner) => walk(&key, inner, rows),
                other => rows.push((key, other.to_string())),
            }
        }
    }
    let table = toml::Table::try_from(config)
        .map_err(Error::failure_because("cannot read the configuration"))?;
    let mut rows = Vec::new();
    walk("", &table, &mut rows);
    rows.retain(|(key, _)| key != "data.dir"); // its files are compared, wherever they are
    Ok(rows)
}
