//! A folder with a cache in it, and what may not change around it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use valuenet::error::Result;
use valuenet::hub::{self, HubSettings, Timeouts, Transfer};
use valuenet::recipe::LAYOUT;

use super::server::Server;
use crate::support::{folder, write};

/// Fetches what a value model needs.
pub fn download(
    model: &str,
    revision: &str,
    settings: &HubSettings,
    progress: &mut dyn FnMut(Transfer<'_>),
) -> Result<PathBuf> {
    hub::download(model, revision, &LAYOUT, settings, progress)
}

/// Finds what a value model needs, and fetches it if it must.
pub fn locate(
    model: &str,
    revision: &str,
    settings: &HubSettings,
    progress: &mut dyn FnMut(Transfer<'_>),
) -> Result<PathBuf> {
    hub::locate(model, revision, &LAYOUT, settings, progress)
}

pub struct World {
    pub folder: tempfile::TempDir,
}

impl World {
    /// An empty cache some folders down, with something beside it that a server may aim at.
    pub fn new() -> Self {
        let folder = folder();
        write(folder.path(), "victim", "untouched");
        write(folder.path(), "a/b/victim", "untouched");
        std::fs::create_dir_all(folder.path().join("a/b/cache")).unwrap();
        Self { folder }
    }

    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("a/b/cache")
    }

    pub fn model(&self) -> PathBuf {
        self.cache().join("models--ann--tiny")
    }

    pub fn settings(&self, endpoint: &str) -> HubSettings {
        let (cache, endpoint) = (self.cache(), endpoint.to_string());
        HubSettings { cache, endpoint, ..HubSettings::from_lookup(|_| None) }
    }

    /// Everything below the folder but the cache.
    pub fn outside(&self) -> BTreeMap<PathBuf, String> {
        let cache = self.cache();
        listing(self.folder.path())
            .into_iter()
            .filter(|(path, _)| !path.starts_with(&cache))
            .collect()
    }

    /// The names below the model's folder, folders and locks aside.
    pub fn kept(&self) -> Vec<String> {
        let model = self.model();
        let below =
            |path: &PathBuf| path.strip_prefix(&model).ok().map(|path| path.display().to_string());
        listing(&self.cache()).keys().filter_map(below).collect()
    }

    /// Asserts that a download fails and says so, that nothing outside the cache has changed, and
    /// that in the cache there is at most the beginning of a file.
    pub fn refuses(&self, hub: &Server, says: &str) {
        self.refuses_in_time(hub, says, &Timeouts::default());
        let kept = self.kept();
        assert!(kept.is_empty(), "{says}: {kept:?}");
    }

    /// The same, but what has come so far may stay as `.incomplete`; within the time that is
    /// documented.
    pub fn refuses_in_time(&self, hub: &Server, says: &str, patience: &Timeouts) {
        let settings = HubSettings { patience: patience.clone(), ..self.settings(&hub.address) };
        let (before, begun) = (self.outside(), Instant::now());
        let error = download("ann/tiny", "main", &settings, &mut |_| {}).unwrap_err();
        let took = begun.elapsed();
        assert!(error.to_string().contains(says), "{says}: {error}");
        assert!(error.advice().is_some(), "{error}");
        assert!(!error.to_string().contains(char::is_control), "{error}");
        let slack = Duration::from_secs(3);
        let most = patience.metadata.max(patience.download) * 2 + patience.window + slack;
        assert!(took < most, "{says}: {took:?} of {most:?}");
        assert_eq!(self.outside(), before, "{says}");
        let kept = self.kept();
        assert!(kept.iter().all(|name| name.ends_with(".incomplete")), "{says}: {kept:?}");
    }
}

/// Files with their contents and links with their targets, below a folder.
pub fn listing(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            found.insert(path, format!("-> {}", target.display()));
        } else if path.is_dir() {
            found.extend(listing(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    found
}
