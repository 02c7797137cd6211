//! One download: of what the hub offers, what the cache lacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::claim::{is_commit, quoted, stays_below};
use super::client::{Client, Offer, RemoteFile};
use super::layout::Layout;
use super::store::Store;
use super::transport::TransportError;
use super::{HubSettings, Transfer, checked, is_hub_id};
use crate::error::{Error, Result};

/// The largest index that is read, in bytes. Those of the largest models have some 10 MiB.
const LARGEST_INDEX: u64 = 64 << 20;

/// Fetches what is missing of a model from the hub, and returns its folder in the cache.
///
/// # Errors
/// If the hub cannot be reached in time, or has no such model, or not all its files, or says or
/// sends what cannot be true; then nothing of it is in the cache that was not there before.
pub fn download(
    model: &str,
    revision: &str,
    layout: &Layout,
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
    let refused = |error: TransportError| refusal(model, settings, error);
    let offer = client.offer(model, revision).and_then(believed).map_err(refused)?;
    let snapshot = store.snapshot(&offer.sha);
    let mut wanted = layout.choose(|name| offer.has(name)).map_err(|lacking| {
        Error::failure(format!("{model} has no {lacking} on {}", settings.endpoint))
            .help("a model needs config.json, tokenizer.json and model.safetensors")
    })?;
    wanted.extend(layout.welcome.iter().filter(|name| offer.has(name)));
    let download = Download { client, store: &store, model, offer: &offer, snapshot: &snapshot };
    download.run(&wanted, layout, progress).map_err(refused)?;
    store.note(&offer.sha)?;
    Ok(snapshot)
}

/// What is fetched, from where to where.
struct Download<'a> {
    client: Client<'a>,
    store: &'a Store,
    model: &'a str,
    offer: &'a Offer,
    /// The folder of the offered commit, which may have some of the files already.
    snapshot: &'a Path,
}

impl Download<'_> {
    /// Fetches those of the wanted files that are not here, and of the parts that an index among
    /// them names.
    fn run(
        &self,
        wanted: &[&'static str],
        layout: &Layout,
        progress: &mut dyn FnMut(Transfer<'_>),
    ) -> Result<(), TransportError> {
        let index = layout.index_among(wanted);
        let others = wanted.iter().copied().filter(|name| Some(*name) != index);
        let mut missing = self.describe_missing(others)?;
        if let Some(index) = index {
            let parts = match layout.parts_in(self.snapshot, index) {
                Some(parts) => self.describe_parts(index, &parts)?,
                // It is not here, or cannot be read.
                None => {
                    let file = self.describe(index)?;
                    if file.size > LARGEST_INDEX {
                        let what = format!("its {index} has more than {LARGEST_INDEX} bytes");
                        return Err(TransportError::Untrue(what));
                    }
                    let parts = self.store.peek(&self.client, &file, progress, |text| {
                        let parts = (layout.parts)(index, text);
                        let untrue = |what| TransportError::Untrue(format!("its {index}: {what}"));
                        self.describe_parts(index, &parts.map_err(untrue)?)
                    })?;
                    missing.push(file);
                    parts
                }
            };
            missing.extend(parts);
        }
        self.store.fill(&self.client, &missing, &self.offer.sha, progress)
    }

    /// What the hub knows of the missing ones of an index's parts, all of which it must have.
    fn describe_parts(
        &self,
        index: &str,
        parts: &BTreeSet<String>,
    ) -> Result<Vec<RemoteFile>, TransportError> {
        if let Some(part) = parts.iter().find(|part| !self.offer.has(part)) {
            let part = quoted(part);
            return Err(TransportError::Untrue(format!(
                "its {index} names {part}, which it does not have"
            )));
        }
        self.describe_missing(parts.iter().map(String::as_str))
    }

    /// What the hub knows of those files that are not here.
    fn describe_missing<'b>(
        &self,
        names: impl Iterator<Item = &'b str>,
    ) -> Result<Vec<RemoteFile>, TransportError> {
        let missing = names.filter(|name| !self.snapshot.join(name).exists());
        missing.map(|name| self.describe(name)).collect()
    }

    fn describe(&self, name: &str) -> Result<RemoteFile, TransportError> {
        self.client.describe(self.model, &self.offer.sha, name)
    }
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

fn refusal(model: &str, settings: &HubSettings, error: TransportError) -> Error {
    let endpoint = &settings.endpoint;
    let (what, help) = match error {
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
