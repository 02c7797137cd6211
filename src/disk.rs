//! Writing to disk whole or not at all.
//!
//! Whatever is written goes to a temporary name first and takes its own name only when it is
//! complete, so a kill or a full disk leaves what was there before.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// Reads a JSON file.
///
/// # Errors
/// If the file cannot be read, or is no JSON.
pub fn read_json(path: &Path) -> Result<serde_json::Value> {
    let text = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::file(path, format!("not a JSON file: {error}")))
}

/// Writes a JSON file, indented, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json(path: &Path, json: &impl serde::Serialize) -> Result<()> {
    let text =
        serde_json::to_string_pretty(json).map_err(Error::failure_because("cannot write JSON"))?;
    write_file(path, (text + "\n").as_bytes())
}

/// Whether there is something at `path` that is no file and no folder, such as /dev/stdout: it can
/// be written to, but never replaced.
fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Writes a file whole or not at all.
///
/// # Errors
/// If the file cannot be written; what was there before is still there.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(bytes).map_err(|error| Error::io(path, "write", error))?;
    file.keep()
}

/// A file that is being written. It has a name that nobody can guess beside its place until
/// [`NewFile::keep`] gives it its own; if that never comes, what stood in its place still does.
#[derive(Debug)]
pub struct NewFile {
    place: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    /// To be renamed.
    Beside(NamedTempFile),
    /// Something like /dev/stdout, which is written to as it is.
    Device(File),
}

impl NewFile {
    /// Begins a file that will stand at `place`.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub fn create(place: &Path) -> Result<Self> {
        let begin = || {
            may_fail()?;
            if is_device(place) {
                return Ok(Target::Device(File::options().write(true).open(place)?));
            }
            if place.is_dir() {
                return Err(std::io::ErrorKind::IsADirectory.into());
            }
            let mut name = Name::of(place);
            Ok(Target::Beside(name.builder(0o666).tempfile_in(folder_of(place))?))
        };
        let target = begin().map_err(|error| Error::io(place, "write", error))?;
        Ok(Self { place: place.into(), target })
    }

    /// Gives the file its name, once its bytes are safe on disk.
    ///
    /// # Errors
    /// If it cannot be written; what was there before is still there.
    pub fn keep(self) -> Result<()> {
        let keep = || match self.target {
            Target::Device(mut device) => device.flush(),
            Target::Beside(file) => {
                may_fail()?;
                file.as_file().sync_all()?;
                may_fail()?;
                file.persist(&self.place)?;
                sync_folder(folder_of(&self.place));
                Ok(())
            }
        };
        keep().map_err(|error| Error::io(&self.place, "write", error))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        may_fail()?;
        match &mut self.target {
            Target::Beside(file) => file.write(bytes),
            Target::Device(device) => device.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.target {
            Target::Beside(file) => file.flush(),
            Target::Device(device) => device.flush(),
        }
    }
}

/// How many operations on files are left until one fails, for tests; with none left, none fails.
#[cfg(debug_assertions)]
static UNTIL_FAILURE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Makes the operation on files with this number, counted from 1, fail as on a full disk. Programs
/// that are built to be used have nothing of this.
#[cfg(debug_assertions)]
pub fn fail_at(number: u64) {
    UNTIL_FAILURE.store(number, std::sync::atomic::Ordering::Relaxed);
}

/// Fails where a test wants it to.
///
/// # Errors
/// There and then.
pub fn may_fail() -> std::io::Result<()> {
    #[cfg(debug_assertions)]
    {
        use std::sync::atomic::Ordering::Relaxed;
        let less = |left: u64| left.checked_sub(1);
        if UNTIL_FAILURE.fetch_update(Relaxed, Relaxed, less) == Ok(1) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
    }
    Ok(())
}

/// How the temporary name of a file or a folder begins; it ends with letters by chance and
/// [`LEFT`].
struct Name(OsString);

/// The end of a temporary name.
const LEFT: &str = ".partial";

impl Name {
    fn of(place: &Path) -> Self {
        let mut name = OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(".");
        Self(name)
    }

    /// Makes it with the permissions that the process's umask leaves of these.
    fn builder(&mut self, permissions: u32) -> tempfile::Builder<'_, 'static> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(&self.0).suffix(LEFT);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(permissions));
        #[cfg(not(unix))]
        let _ = permissions;
        builder
    }
}

/// The folder that a place is in.
fn folder_of(place: &Path) -> &Path {
    place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a rename in a folder last through a loss of power, on disks that can sync a folder. Those
/// that cannot, as some network disks, have the file all the same, so that is no error.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

/// Makes a folder's contents what `fill` writes into an empty one, whole or not at all.
///
/// # Errors
/// If the folder cannot be written, or `fill` fails; what was there before is still there.
pub fn write_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let refused = |error| Error::io(path, "write", error);
    may_fail().and_then(|()| std::fs::create_dir_all(folder_of(path))).map_err(refused)?;
    let mut name = Name::of(path);
    let partial = name.builder(0o777).tempdir_in(folder_of(path)).map_err(refused)?;
    fill(partial.path())?;
    may_fail().map_err(refused)?;
    replace(partial.path(), path).map_err(refused)?;
    sync_folder(folder_of(path));
    Ok(())
}

/// Removes from a folder, which no other process writes to, what a killed one was writing there.
///
/// # Errors
/// If something cannot be removed.
pub fn clear_leavings(folder: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_leaving(path)) {
        let removed =
            if path.is_dir() { remove_folder(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(|error| Error::io(&path, "remove", error))?;
    }
    Ok(())
}

/// Whether this is what a process is writing, or was when it was killed.
pub fn is_leaving(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && name.ends_with(LEFT)
}

/// The folder that [`write_folder`] wrote last, mended if the process was killed between two
/// renames.
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
    // Where two folders cannot change places in one step, `existing_folder` mends a kill between
    // these two.
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
