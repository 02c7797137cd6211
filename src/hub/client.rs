//! The hub's language: what a model has, what is known of a file, the file.
//!
//! How requests travel is [`super::transport`]'s; what may become a path, [`super::claim`]'s; what
//! is kept, [`super::store`]'s.

use ureq::Body;
use ureq::http::header::LOCATION;
use ureq::http::{Method, Response, StatusCode, Uri};

use super::Transfer;
use super::claim::{Digest, is_commit, quoted};
use super::settings::HubSettings;
use super::store::Partial;
use super::transport::{Request, Transport, TransportError, leads_to};
use crate::error::Result;

/// The largest list of files that is read, in bytes.
const LARGEST_OFFER: u64 = 8 << 20;

/// The largest file that is fetched, in bytes.
const LARGEST_FILE: u64 = 1 << 40;

/// A model as the hub lists it.
#[derive(serde::Deserialize)]
pub struct Offer {
    /// The commit that the revision stands for, not yet checked.
    pub sha: String,
    /// All files.
    pub siblings: Vec<Sibling>,
}

impl Offer {
    /// Whether it has a file of this name.
    pub fn has(&self, name: &str) -> bool {
        self.siblings.iter().any(|file| file.rfilename == name)
    }
}

/// A file as the hub lists it.
#[derive(serde::Deserialize)]
pub struct Sibling {
    /// Its name below the model's folder, not yet checked.
    pub rfilename: String,
}

/// A file that the hub has.
pub struct RemoteFile {
    /// Its name below the model's folder, which stays there.
    pub name: String,
    /// What its bytes must come to.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// Where to get it.
    address: Uri,
}

/// Asks one hub.
pub struct Client<'a> {
    transport: Transport<'a>,
    settings: &'a HubSettings,
}

impl<'a> Client<'a> {
    /// A client for the hub that the settings name.
    ///
    /// # Errors
    /// If the endpoint or the proxy is no address, or the token cannot be sent.
    pub fn new(settings: &'a HubSettings) -> Result<Self> {
        Ok(Self { transport: Transport::new(settings)?, settings })
    }

    /// What the hub has of a model.
    pub fn offer(&self, model: &str, revision: &str) -> Result<Offer, TransportError> {
        let path = format!("api/models/{model}/revision/{}", escaped(revision));
        let wait = self.settings.patience.metadata;
        let ask = Request { method: Method::GET, wait, from: 0, bytes: LARGEST_OFFER };
        let (_, answer) = self.transport.ask(&ask, self.address(&path)?, |_| false)?;
        let mut text = Vec::new();
        self.transport.pour(&ask, answer, "its list of files", |bytes| {
            text.extend_from_slice(bytes);
            Ok(())
        })?;
        serde_json::from_slice(&text).map_err(|error| {
            TransportError::Untrue(format!("its list of files cannot be read: {error}"))
        })
    }

    /// What the hub knows of a file, without the file.
    pub fn describe(
        &self,
        model: &str,
        commit: &str,
        name: &str,
    ) -> Result<RemoteFile, TransportError> {
        let wait = self.settings.patience.metadata;
        let ask = Request { method: Method::HEAD, wait, from: 0, bytes: 0 };
        // The hub's own answer says what the file is; where it leads to knows nothing of that.
        let says_all = |answer: &Response<Body>| answer.headers().contains_key("x-linked-etag");
        let address = self.address(&format!("{model}/resolve/{commit}/{name}"))?;
        let (address, answer) =
            self.transport.ask(&ask, address, says_all).map_err(|error| match error {
                TransportError::Status(404) => {
                    TransportError::Untrue(format!("it lists {name} and does not have it"))
                }
                error => error,
            })?;

        let header = |name| header(&answer, name);
        let untrue = |what: String| TransportError::Untrue(format!("{name}'s {what}"));
        if let Some(other) = header("x-repo-commit").filter(|other| other != commit) {
            let what = if is_commit(&other) { "is another commit" } else { "is no commit" };
            return Err(untrue(format!("x-repo-commit {} {what}", quoted(&other))));
        }
        let etag = header("x-linked-etag").or_else(|| header("etag")).unwrap_or_default();
        let digest = Digest::parse(&etag).ok_or_else(|| {
            untrue(format!("etag {} is no git or SHA-256 digest", quoted(etag.trim_matches('"'))))
        })?;
        let length = || header("content-length").filter(|_| answer.status().is_success());
        let size = header("x-linked-size").or_else(length).unwrap_or_default();
        let size = size.parse().ok().filter(|size| *size <= LARGEST_FILE);
        let size = size.ok_or_else(|| untrue("size is missing, or no file's size".into()))?;

        let address = match answer.headers().get(LOCATION) {
            Some(location) if answer.status().is_redirection() => {
                leads_to(&address, location.as_bytes())?
            }
            _ => address,
        };
        Ok(RemoteFile { name: name.into(), digest, size, address })
    }

    /// Fetches what is missing of a file, or all of it if the server will have it so.
    pub fn fetch(
        &self,
        remote: &RemoteFile,
        partial: &mut Partial,
        progress: &mut dyn FnMut(Transfer<'_>),
    ) -> Result<(), TransportError> {
        let here = partial.length()?;
        let wait = self.settings.patience.download;
        let mut ask = Request { method: Method::GET, wait, from: here, bytes: remote.size };
        let (_, answer) = self.transport.ask(&ask, remote.address.clone(), |_| false)?;
        let header = |name| header(&answer, name);
        progress(Transfer::Begin(&remote.name, remote.size));
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            let range = header("content-range").unwrap_or_default();
            if range != format!("bytes {here}-{}/{}", remote.size.saturating_sub(1), remote.size) {
                let what = format!("it sends {} of {}, not the rest", quoted(&range), remote.name);
                return Err(TransportError::Untrue(what));
            }
            if here > 0 {
                progress(Transfer::Resumed(here));
            }
            ask.bytes -= here;
        } else {
            partial.clear()?;
        }
        let expected = ask.bytes;
        if let Some(length) =
            header("content-length").filter(|length| *length != expected.to_string())
        {
            let what =
                format!("it sends {} bytes of {}, not {expected}", quoted(&length), remote.name);
            return Err(TransportError::Untrue(what));
        }
        let got = self.transport.pour(&ask, answer, &remote.name, |bytes| {
            progress(Transfer::Bytes(bytes.len() as u64));
            Ok(partial.append(bytes)?)
        })?;
        if got < expected {
            return Err(TransportError::Cut(format!(
                "{} ended after {got} of {expected} bytes",
                remote.name
            )));
        }
        progress(Transfer::End);
        Ok(())
    }

    fn address(&self, path: &str) -> Result<Uri, TransportError> {
        let text = format!("{}/{path}", self.settings.endpoint.trim_end_matches('/'));
        text.parse().map_err(|error| TransportError::Cut(format!("{text} is no address: {error}")))
    }
}

/// A header's value; bytes that are no text come as marks.
fn header(answer: &Response<Body>, name: &str) -> Option<String> {
    answer.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// A part of a path as an address has it.
fn escaped(part: &str) -> String {
    let as_is = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let escape =
        |byte| if as_is(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    part.bytes().map(escape).collect()
}
