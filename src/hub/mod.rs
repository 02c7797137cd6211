//! Hub id or path to a model folder on this machine.
//!
//! Speaks to the Hugging Face hub and keeps its cache, shared with Python's `huggingface_hub`. All
//! `HF_*` variables are read in one place, [`HubSettings::from_lookup`]. Offline it never opens a
//! socket. No server is trusted: nothing that it says becomes a path before it is checked, no file
//! is kept that is not what its etag says, and nobody is waited for longer than [`Timeouts`]
//! allows.

mod claim;
mod client;
mod download;
mod layout;
mod redirect;
mod settings;
mod store;
mod transport;

use std::path::{Path, PathBuf};

use claim::{quoted, stays_below};
use store::Store;

use crate::error::{Error, Result};

pub use download::download;
pub use layout::Layout;
pub use settings::{HubSettings, Timeouts};

/// A file on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transfer<'a> {
    /// A file of this many bytes begins, perhaps anew.
    Begin(&'a str, u64),
    /// So many of its bytes were here before.
    Resumed(u64),
    /// So many more bytes have come.
    Bytes(u64),
    /// The file is here.
    End,
}

/// The folder of a model: `model` itself if it is a folder, else its place in the cache, filled
/// from the hub if need be.
///
/// # Errors
/// If it is neither here nor to be had, or offline; the message names the missing file and where it
/// was looked for.
pub fn locate(
    model: &str,
    revision: &str,
    layout: &Layout,
    settings: &HubSettings,
    progress: &mut dyn FnMut(Transfer<'_>),
) -> Result<PathBuf> {
    if Path::new(model).is_dir() {
        return Ok(model.into());
    }
    if !is_hub_id(model) {
        return Err(Error::file(model, "no such folder, and not the name of a model on the hub").help(
            "name a folder with config.json, tokenizer.json and model.safetensors, or an id like owner/name",
        ));
    }
    let revision = checked(revision)?;
    let store = Store::new(settings, model, revision);
    match cached(&store, layout) {
        Ok(folder) => Ok(folder),
        Err(lacking) if settings.offline => Err(Error::failure(format!(
            "{model} is not on this machine: no {lacking} in {}, and HF_HUB_OFFLINE forbids asking the hub",
            store.root.display()
        ))
        .help(format!(
            "run `valuenet download {model}` where there is a network, or set model.base to a folder"
        ))),
        Err(_) => download(model, revision, layout, settings, progress),
    }
}

/// The model's folder in the cache if all that is needed is there, else what is lacking, in words.
fn cached(store: &Store, layout: &Layout) -> Result<PathBuf, String> {
    // A commit that is not known has no folder, and so no file.
    let folder = store.snapshot(&store.commit().unwrap_or_default());
    let has = |name: &str| folder.join(name).exists();
    if let Some(index) = layout.index_among(&layout.choose(has)?) {
        let parts = layout.parts_in(&folder, index).ok_or(index)?;
        parts.into_iter().find(|part| !has(part)).map_or(Ok(()), Err)?;
    }
    Ok(folder)
}

/// A revision that stays below the folder of revisions.
fn checked(revision: &str) -> Result<&str> {
    if stays_below(revision) {
        return Ok(revision);
    }
    Err(Error::usage(format!("{} is not the name of a revision", quoted(revision)))
        .help("a revision is a branch, a tag or a commit, such as main"))
}

/// `name` or `owner/name`, of letters, digits, `-`, `_` and `.`.
pub fn is_hub_id(model: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
    };
    let parts: Vec<&str> = model.split('/').collect();
    parts.len() <= 2 && parts.into_iter().all(is_name)
}
