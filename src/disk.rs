//! Writing to disk whole or not at all.
//!
//! Whatever is written goes to a temporary name first and takes its own name only when it is complete, so a kill or a
//! full disk leaves what was there before.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Reads a JSON file.
///
/// # Errors
/// If the file cannot be read, or is no JSON.
pub fn read_json(path: &Path) -> Result<serde_json::Value> {
    let text = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
    serde_json::from_slice(&text).map_err(|error| Error::file(path, format!("not a JSON file: {error}")))
}

/// Writes a JSON file, indented, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json(path: &Path, json: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(json).map_err(Error::failure_because("cannot write JSON"))?;
    write_file(path, (text + "\n").as_bytes())
}

/// Whether there is something at `path` that is no file and no folder, such as /dev/stdout: it can be written to, but
/// never replaced.
pub fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Writes a file whole or not at all.
///
/// # Errors
/// If the file cannot be written; what was there before is still there.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if is_device(path) {
        return std::fs::write(path, bytes).map_err(|error| Error::io(path, "write", error));
    }
    let partial = with_suffix(path, ".partial");
    let write = || {
        use std::io::Write;
        let mut file = std::fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&partial);
        Error::io(path, "write", error)
    })
}

/// Makes a folder's contents what `fill` writes into an empty one, whole or not at all.
///
/// # Errors
/// If the folder cannot be written, or `fill` fails; what was there before is still there.
pub fn write_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let partial = with_suffix(path, ".partial");
    let refused = |error| Error::io(path, "write", error);
    remove_folder(&partial).map_err(refused)?;
    std::fs::create_dir_all(&partial).map_err(refused)?;
    let swapped = fill(&partial).and_then(|()| replace(&partial, path).map_err(refused));
    let _ = remove_folder(&partial);
    swapped
}

/// The folder that [`write_folder`] wrote last, mended if the process was killed between two renames.
pub fn existing_folder(path: &Path) -> Option<PathBuf> {
    let before = with_suffix(path, ".before");
    if !path.exists() && before.is_dir() {
        let _ = std::fs::rename(&before, path);
    }
    path.is_dir().then(|| path.into())
}

/// Puts the folder `new` in the place of `old`, which may not exist.
fn replace(new: &Path, old: &Path) -> std::io::Result<()> {
    let before = with_suffix(old, ".before");
    if !old.exists() {
        return std::fs::rename(new, old);
    }
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).is_ok() {
            return remove_folder(new);
        }
    }
    // Where two folders cannot change places in one step, `existing_folder` mends a kill between these two.
    remove_folder(&before)?;
    std::fs::rename(old, &before)?;
    std::fs::rename(new, old)?;
    remove_folder(&before)
}

fn remove_folder(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    path.with_file_name(name)
}
