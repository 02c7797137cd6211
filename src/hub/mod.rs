//! Hub id or path to a model folder on this machine.
//!
//! Speaks to the Hugging Face hub and keeps its cache, shared with Python's `huggingface_hub`. All
//! `HF_*` variables are read in one place, [`HubSettings::from_lookup`]. Offline it never opens a
//! socket. No server is trusted: nothing that it says becomes a path before it is checked, no file
//! is kept that is not what its etag says, and nobody is waited for longer than [`Timeouts`]
//! allows.

mod claim;
mod client;
mod redirect;
mod settings;
mod store;
mod transport;

use std::path::{Path, PathBuf};

use claim::{is_commit, quoted, stays_below};
use client::{Client, Offer, RemoteFile};
use store::Store;
use transport::TransportError;

use crate::error::{Error, Result};

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

/// The kinds of files that a model needs, each by its acceptable names, the best first.
const NEEDED: [&[&str]; 3] = [
    &["config.json"],
    &["tokenizer.json", "vocab.txt", "spm.model"],
    &["model.safetensors", "pytorch_model.bin"],
];

/// Files that are taken along where they are.
const WELCOME: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];

/// The folder of a model: `model` itself if it is a folder, else its place in the cache, filled
/// from the hub if need be.
///
/// # Errors
/// If it is neither here nor to be had, or offline; the message names the missing file and where it
/// was looked for.
pub fn locate(
    model: &str,
    revision: &str,
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
    match cached(&Store::new(settings, model, revision)) {
        Ok(folder) => Ok(folder),
        Err(missing) if settings.offline => Err(Error::failure(format!(
            "{model} is not on this machine: no {} in {}, and HF_HUB_OFFLINE forbids asking the hub",
            missing.file,
            missing.looked_in.display()
        ))
        .help(format!(
            "run `valuenet download {model}` where there is a network, or set model.base to a folder"
        ))),
        Err(_) => download(model, revision, settings, progress),
    }
}

/// Fetches what is missing of a model from the hub, and returns its folder in the cache.
///
/// # Errors
/// If the hub cannot be reached in time, or has no such model, or not all its files, or says or
/// sends what cannot be true; then nothing of it is in the cache that was not there before.
pub fn download(
    model: &str,
    revision: &str,
    settings: &HubSettings,
    progress: &mut dyn FnMut(Transfer<'_>),
) -> Result<PathBuf> {
    if settings.offline {
        return Err(
            Error::failure("HF_HUB_OFFLINE forbids asking the hub").help("unset it to download")
        );
    }
    if !is_hub_id(model) {
        return Err(Error::usage(format!("\"{model}\" is not the name of a model on the hub"))
            .help("hub names look like bert-base-uncased or owner/name"));
    }
    let store = Store::new(settings, model, checked(revision)?);
    let client = Client::new(settings)?;
    let refused = |trouble: TransportError| refusal(model, settings, trouble);
    let offer = client.offer(model, revision).and_then(believed).map_err(refused)?;
    let snapshot = store.snapshot(&offer.sha);
    let wanted = wanted(&offer).map_err(|lacking| {
        Error::failure(format!("{model} has no {lacking} on {}", settings.endpoint))
            .help("a model needs config.json, tokenizer.json and model.safetensors")
    })?;
    let missing = wanted.into_iter().filter(|name| !snapshot.join(name).exists());
    let missing: Vec<RemoteFile> = missing
        .map(|name| client.describe(model, &offer.sha, name))
        .collect::<Result<_, TransportError>>()
        .map_err(refused)?;
    store.fill(&client, &missing, &offer.sha, progress).map_err(refused)?;
    store.note(&offer.sha)?;
    Ok(snapshot)
}

/// An offer whose commit and file names can become paths.
fn believed(offer: Offer) -> Result<Offer, TransportError> {
    if !is_commit(&offer.sha) {
        return Err(TransportError::Untrue(format!("its sha {} is no commit", quoted(&offer.sha))));
    }
    match offer.siblings.iter().find(|file| !stays_below(&file.rfilename)) {
        Some(file) => {
            let name = quoted(&file.rfilename);
            Err(TransportError::Untrue(format!(
                "its file {name} would not stay below the model's folder"
            )))
        }
        None => Ok(offer),
    }
}

/// The files to take, or what there must be and is not.
fn wanted(offer: &Offer) -> Result<Vec<&'static str>, String> {
    let has = |name: &&&str| offer.siblings.iter().any(|file| file.rfilename == **name);
    let needed =
        NEEDED.into_iter().map(|names| names.iter().find(has).copied().ok_or(names.join(" or ")));
    needed.chain(WELCOME.iter().filter(has).map(|name| Ok(*name))).collect()
}

/// A file that the cache lacks, and where it was looked for.
struct Missing {
    file: String,
    looked_in: PathBuf,
}

/// The model's folder in the cache, if all that is needed is there.
fn cached(store: &Store) -> Result<PathBuf, Missing> {
    let folder = store.commit().map(|commit| store.snapshot(&commit));
    let has = |name: &&str| folder.as_ref().is_some_and(|folder| folder.join(name).exists());
    match (NEEDED.into_iter().find(|names| !names.iter().any(&has)), &folder) {
        (None, Some(folder)) => Ok(folder.clone()),
        (names, _) => Err(Missing {
            file: names.unwrap_or(NEEDED[0]).join(" or "),
            looked_in: store.root.clone(),
        }),
    }
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
fn is_hub_id(model: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
    };
    let parts: Vec<&str> = model.split('/').collect();
    parts.len() <= 2 && parts.into_iter().all(is_name)
}

fn refusal(model: &str, settings: &HubSettings, trouble: TransportError) -> Error {
    let endpoint = &settings.endpoint;
    let (what, help) = match trouble {
        TransportError::Status(401 | 403) => (
            format!("{endpoint} does not give out {model}"),
            "check the name; a private or gated model needs an access token in HF_TOKEN",
        ),
        TransportError::Status(404) => {
            (format!("{endpoint} has no model {model}"), "check the name and the revision")
        }
        TransportError::Status(status) => (
            format!("cannot get {model} from {endpoint}: it answers {status}"),
            "try it again later",
        ),
        TransportError::Cut(why) => (
            format!("cannot get {model} from {endpoint}: {why}"),
            "check the network and run it again: what has come is kept; a folder on this machine can stand in model.base too",
        ),
        TransportError::Slow(why) => (
            format!("cannot get {model} from {endpoint}: {why}"),
            "run it again: what has come is kept; HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_ETAG_TIMEOUT wait longer",
        ),
        TransportError::Untrue(why) => (
            format!("cannot trust {endpoint} with {model}: {why}"),
            "nothing of it is kept; check HF_ENDPOINT and the network between",
        ),
        TransportError::Disk(error) => return error,
    };
    Error::failure(what).help(help)
}
