//! Hub id or path to a model folder on this machine.
//!
//! Speaks to the Hugging Face hub and keeps its cache, shared with Python's `huggingface_hub`. All `HF_*` variables are
//! read in one place, [`HubSettings::from_lookup`]. Offline it never opens a socket.

use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

use crate::error::{Error, Result};

/// Where the hub is, where its files are kept, and whether it may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// The folder of cached models.
    pub cache: PathBuf,
    /// The hub's address.
    pub endpoint: String,
    /// The user's access token.
    pub token: Option<String>,
    /// Whether no socket may be opened.
    pub offline: bool,
}

impl HubSettings {
    /// Reads `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH` and
    /// `HF_HUB_OFFLINE` through `lookup`, with the meaning they have for `huggingface_hub`.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|text| !text.trim().is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        let user = path("XDG_CACHE_HOME")
            .or_else(|| path("HOME").or_else(|| path("USERPROFILE")).map(|home| home.join(".cache")));
        let home = path("HF_HOME").unwrap_or_else(|| user.unwrap_or_default().join("huggingface"));
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = set("HF_TOKEN").or_else(|| std::fs::read_to_string(token_file).ok());
        let yes = |text: String| matches!(text.to_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE");
        Self {
            cache: path("HF_HUB_CACHE").unwrap_or_else(|| home.join("hub")),
            endpoint: set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into()),
            token: token.map(|token| token.trim().to_string()).filter(|token| !token.is_empty()),
            offline: set("HF_HUB_OFFLINE").is_some_and(yes),
        }
    }
}

/// A file on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transfer<'a> {
    /// A file of this many bytes begins.
    Begin(&'a str, u64),
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

/// The folder of a model: `model` itself if it is a folder, else its place in the cache, filled from the hub if need be.
///
/// # Errors
/// If it is neither here nor to be had, or offline; the message names the missing file and where it was looked for.
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
    match cached(model, revision, settings) {
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
/// If the hub cannot be reached, or has no such model, or not all its files.
pub fn download(
    model: &str,
    revision: &str,
    settings: &HubSettings,
    progress: &mut dyn FnMut(Transfer<'_>),
) -> Result<PathBuf> {
    if settings.offline {
        return Err(Error::failure("HF_HUB_OFFLINE forbids asking the hub").help("unset it to download"));
    }
    if !is_hub_id(model) {
        return Err(Error::usage(format!("\"{model}\" is not the name of a model on the hub"))
            .help("hub names look like bert-base-uncased or owner/name"));
    }
    let refused = |error: ApiError| refusal(model, settings, error);
    let api = ApiBuilder::from_cache(Cache::new(settings.cache.clone()))
        .with_endpoint(settings.endpoint.trim_end_matches('/').into())
        .with_token(settings.token.clone())
        .with_retries(2)
        .with_progress(false)
        .with_user_agent("valuenet", env!("CARGO_PKG_VERSION"))
        .build()
        .map_err(refused)?;
    let repo = api.repo(description(model, revision));
    let offered = repo.info().map_err(refused)?;
    let has = |name: &str| offered.siblings.iter().any(|file| file.rfilename == name);
    let mut wanted = Vec::new();
    for names in NEEDED {
        let found = names.iter().find(|name| has(name)).ok_or_else(|| {
            Error::failure(format!("{model} has no {} on {}", names.join(" or "), settings.endpoint))
        })?;
        wanted.push(*found);
    }
    wanted.extend(WELCOME.iter().filter(|name| has(name)));
    let snapshot = description(model, revision).folder_name();
    let snapshot = settings.cache.join(snapshot).join("snapshots").join(&offered.sha);
    for name in wanted {
        if !snapshot.join(name).exists() {
            repo.download_with_progress(name, Relay(&mut *progress)).map_err(refused)?;
        }
    }
    Ok(snapshot)
}

/// Passes the library's progress on.
struct Relay<'a>(&'a mut dyn FnMut(Transfer<'_>));

impl hf_hub::api::Progress for Relay<'_> {
    fn init(&mut self, size: usize, filename: &str) {
        (self.0)(Transfer::Begin(filename, size as u64));
    }
    fn update(&mut self, size: usize) {
        (self.0)(Transfer::Bytes(size as u64));
    }
    fn finish(&mut self) {
        (self.0)(Transfer::End);
    }
}

/// A file that the cache lacks, and where it was looked for.
struct Missing {
    file: String,
    looked_in: PathBuf,
}

/// The model's folder in the cache, if all that is needed is there.
fn cached(model: &str, revision: &str, settings: &HubSettings) -> Result<PathBuf, Missing> {
    let root = settings.cache.join(description(model, revision).folder_name());
    let commit =
        std::fs::read_to_string(root.join("refs").join(revision)).unwrap_or_else(|_| revision.into());
    let folder = root.join("snapshots").join(commit.trim());
    match NEEDED.into_iter().find(|names| !names.iter().any(|name| folder.join(name).exists())) {
        Some(names) => Err(Missing { file: names.join(" or "), looked_in: root }),
        None => Ok(folder),
    }
}

fn description(model: &str, revision: &str) -> Repo {
    Repo::with_revision(model.into(), RepoType::Model, revision.into())
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

fn refusal(model: &str, settings: &HubSettings, error: ApiError) -> Error {
    let text = error.to_string();
    let endpoint = &settings.endpoint;
    let (what, help) = if text.contains("401") || text.contains("403") {
        let what = format!("{endpoint} does not give out {model}");
        (what, "check the name; a private or gated model needs an access token in HF_TOKEN")
    } else if text.contains("404") {
        (format!("{endpoint} has no model {model}"), "check the name and the revision")
    } else {
        let what = format!("cannot get {model} from {endpoint}");
        (what, "check the network; a folder on this machine can stand in model.base too")
    };
    Error::failure(what).because(error).help(help)
}
