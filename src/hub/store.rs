//! The cache on disk: `huggingface_hub`'s folders, filled with verified files only.
//!
//! ```text
//! models--ann--tiny/blobs/<digest>                        a file's bytes
//! models--ann--tiny/blobs/<digest>.incomplete             what has come of them so far
//! models--ann--tiny/snapshots/<commit>/<name>             -> ../../blobs/<digest>
//! models--ann--tiny/refs/<revision>                       <commit>
//! .locks/models--ann--tiny/<digest>.lock                  held by who writes the bytes
//! ```

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::claim::{Digest, is_commit};
use super::client::{Client, RemoteFile};
use super::transport::TransportError;
use super::{HubSettings, Transfer};
use crate::error::{Error, Result};

/// How often a download whose connection ends goes on by itself, as long as each time something
/// comes.
const RETRIES: usize = 2;

/// A model's place in the cache.
pub struct Store {
    repo: CacheRepo,
    /// The model's folder.
    pub root: PathBuf,
    locks: PathBuf,
    revision: String,
}

impl Store {
    /// The place of a model, whose name and revision have been checked.
    pub fn new(settings: &HubSettings, model: &str, revision: &str) -> Self {
        let repo = Repo::with_revision(model.into(), RepoType::Model, revision.into());
        let folder = repo.folder_name();
        Self {
            repo: Cache::new(settings.cache.clone()).repo(repo),
            root: settings.cache.join(&folder),
            locks: settings.cache.join(".locks").join(folder),
            revision: revision.into(),
        }
    }

    /// The commit that the revision stood for when it was downloaded last.
    pub fn commit(&self) -> Option<String> {
        let noted = std::fs::read_to_string(self.root.join("refs").join(&self.revision));
        let commit = noted.map_or_else(|_| self.revision.clone(), |text| text.trim().to_string());
        is_commit(&commit).then_some(commit)
    }

    /// The folder of a commit's files.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.repo.pointer_path(commit)
    }

    /// Notes what the revision stands for, once all files are there.
    pub fn note(&self, commit: &str) -> Result<()> {
        if self.revision == commit {
            return Ok(());
        }
        self.repo.create_ref(commit).map_err(|error| refused(&self.root.join("refs"), error))
    }

    /// Fetches and verifies a file that says what else is needed, and reads it before it gets its
    /// name. If what it says cannot be true, nothing of it stays.
    pub fn peek<T>(
        &self,
        client: &Client<'_>,
        file: &RemoteFile,
        progress: &mut dyn FnMut(Transfer<'_>),
        read: impl FnOnce(&[u8]) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        make_folder(&self.root.join("blobs"))?;
        let _lock = self.lock(&file.digest)?;
        let partial = self.partial(&file.digest);
        let (place, fetched) = if self.has(file)? {
            (self.blob(&file.digest), Ok(()))
        } else {
            (partial.clone(), fetch(client, file, partial.clone(), progress))
        };
        let told = fetched.and_then(|()| {
            let text = std::fs::read(&place).map_err(|error| Error::io(&place, "read", error))?;
            read(&text)
        });
        if let Err(TransportError::Untrue(_)) = told {
            remove(&partial)?;
        }
        told
    }

    /// Fetches files, verifies each, and gives them their names in the snapshot once all are right.
    /// If one is not, none stays; if only the connection ends, what has come stays as
    /// `.incomplete`.
    pub fn fill(
        &self,
        client: &Client<'_>,
        files: &[RemoteFile],
        commit: &str,
        progress: &mut dyn FnMut(Transfer<'_>),
    ) -> Result<(), TransportError> {
        let digests: BTreeSet<&Digest> = files.iter().map(|file| &file.digest).collect();
        let blobs = self.root.join("blobs");
        make_folder(&blobs)?;
        // In their order, so that two programs never wait for each other.
        let _locks: Vec<File> =
            digests.iter().map(|digest| self.lock(digest)).collect::<Result<_>>()?;
        let mut seen = BTreeSet::new();
        let fetched = files.iter().try_for_each(|file| {
            let partial = self.partial(&file.digest);
            if !seen.insert(&file.digest) {
                // Two files may be the same, but that is not for the server to say.
                remove(&partial)?;
            } else if self.has(file)? {
                return Ok(());
            }
            fetch(client, file, partial, progress)
        });
        if let Err(TransportError::Untrue(_)) = fetched {
            digests.iter().try_for_each(|digest| remove(&self.partial(digest)))?;
        }
        fetched?;
        for digest in digests {
            let partial = self.partial(digest);
            if partial.exists() {
                let blob = self.blob(digest);
                std::fs::rename(&partial, &blob).map_err(|error| refused(&blob, error))?;
            }
        }
        let snapshot = self.snapshot(commit);
        files.iter().try_for_each(|file| Ok(link(&blobs, &snapshot, file)?))
    }

    /// Whether the bytes are there already, and right.
    fn has(&self, file: &RemoteFile) -> Result<bool> {
        let blob = self.blob(&file.digest);
        Ok(blob.exists()
            && file
                .digest
                .fits(&blob, file.size)
                .map_err(|error| Error::io(&blob, "read", error))?)
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.as_str())
    }

    fn partial(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(format!("{}.incomplete", digest.as_str()))
    }

    /// Waits until no other program writes these bytes.
    fn lock(&self, digest: &Digest) -> Result<File> {
        make_folder(&self.locks)?;
        let path = self.locks.join(format!("{}.lock", digest.as_str()));
        let file = File::create(&path).map_err(|error| refused(&path, error))?;
        match file.lock() {
            // Some network disks have no locks; there the check of the bytes must do.
            Err(error) if error.kind() != std::io::ErrorKind::Unsupported => {
                Err(refused(&path, error))
            }
            _ => Ok(file),
        }
    }
}

/// What has come of a file's bytes.
pub struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    fn open(path: PathBuf) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        Ok(Self { file: file.map_err(|error| refused(&path, error))?, path })
    }

    /// How many bytes there are.
    pub fn length(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|error| refused(&self.path, error))?.len())
    }

    /// Begins anew.
    pub fn clear(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(|error| refused(&self.path, error))
    }

    /// Adds bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| refused(&self.path, error))
    }

    /// Waits until the bytes are on the disk, and says whether they are those of the file.
    fn fits(&self, remote: &RemoteFile) -> Result<bool> {
        let fits = self.file.sync_all().and_then(|()| remote.digest.fits(&self.path, remote.size));
        fits.map_err(|error| refused(&self.path, error))
    }
}

/// Fetches what is missing of a file, and verifies the whole.
fn fetch(
    client: &Client<'_>,
    remote: &RemoteFile,
    path: PathBuf,
    progress: &mut dyn FnMut(Transfer<'_>),
) -> Result<(), TransportError> {
    let mut partial = Partial::open(path)?;
    if partial.length()? > remote.size {
        partial.clear()?;
    }
    let mut retries = 0;
    loop {
        let before = partial.length()?;
        if before == remote.size {
            break;
        }
        match client.fetch(remote, &mut partial, progress) {
            Err(TransportError::Cut(_)) if retries < RETRIES && partial.length()? > before => {
                retries += 1
            }
            other => break other?,
        }
    }
    if partial.fits(remote)? {
        return Ok(());
    }
    let RemoteFile { name, digest, .. } = remote;
    Err(TransportError::Untrue(format!(
        "the bytes of {name} do not come to its etag {}",
        digest.as_str()
    )))
}

/// Gives verified bytes their name in a snapshot.
fn link(blobs: &Path, snapshot: &Path, file: &RemoteFile) -> Result<()> {
    make_folder(snapshot)?;
    let name = snapshot.join(&file.name);
    remove(&name)?;
    let target: PathBuf = ["..", "..", "blobs", file.digest.as_str()].iter().collect();
    let made = symlink(target, &name)
        // Not all systems and disks let everybody make links.
        .or_else(|_| std::fs::copy(blobs.join(file.digest.as_str()), &name).map(|_| ()));
    made.map_err(|error| refused(&name, error))
}

#[cfg(unix)]
use std::os::unix::fs::symlink;
#[cfg(windows)]
use std::os::windows::fs::symlink_file as symlink;

fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| refused(path, error))
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(refused(path, error)),
        _ => Ok(()),
    }
}

fn refused(path: &Path, error: std::io::Error) -> Error {
    Error::io(path, "write", error)
        .help("free some space, or name another place for the cache in HF_HUB_CACHE")
}
