//! Requests to the hub: redirects followed by hand, the token kept at home, nobody waited for without end.
//!
//! Owns what goes over the network. What the server says is checked in [`super::claim`]; what is kept, in
//! [`super::store`].

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LOCATION, RANGE};
use ureq::http::{Method, Response, StatusCode, Uri};
use ureq::{Agent, Body, Proxy, Timeout};

use super::claim::{Digest, is_commit, quoted};
use super::redirect::{Origin, resolve};
use super::store::Partial;
use super::{HubSettings, Patience, Transfer};
use crate::error::{Error, Result};

/// A longer chain of redirects is a loop.
const MOST_REDIRECTS: usize = 5;

/// The largest list of files that is read, in bytes.
const LARGEST_OFFER: u64 = 8 << 20;

/// The largest file that is fetched, in bytes.
const LARGEST_FILE: u64 = 1 << 40;

/// Why a request came to nothing.
pub enum Trouble {
    /// The server refuses, with this status.
    Status(u16),
    /// There is no connection, or it has ended before its time.
    Cut(String),
    /// The server is too slow.
    Slow(String),
    /// What the server says or sends cannot be true.
    Untrue(String),
    /// The cache cannot be written.
    Disk(Error),
}

/// A model as the hub lists it.
#[derive(serde::Deserialize)]
pub struct Offer {
    /// The commit that the revision stands for, not yet checked.
    pub sha: String,
    /// All files.
    pub siblings: Vec<Sibling>,
}

/// A file as the hub lists it.
#[derive(serde::Deserialize)]
pub struct Sibling {
    /// Its name below the model's folder, not yet checked.
    pub rfilename: String,
}

/// A file that the hub has.
pub struct RemoteFile {
    /// Its name below the model's folder, one of ours.
    pub name: &'static str,
    /// What its bytes must come to.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// Where to get it.
    address: Uri,
}

/// Asks one hub.
pub struct Client<'a> {
    agent: Agent,
    settings: &'a HubSettings,
    home: Origin,
}

impl<'a> Client<'a> {
    /// A client for the hub that the settings name.
    ///
    /// # Errors
    /// If the endpoint or the proxy is no address.
    pub fn new(settings: &'a HubSettings) -> Result<Self> {
        let endpoint: Option<Uri> = settings.endpoint.parse().ok();
        let home = endpoint.as_ref().and_then(Origin::of).ok_or_else(|| {
            Error::usage(format!("{:?} is not the address of a hub", settings.endpoint))
                .help("HF_ENDPOINT is an address like https://huggingface.co")
        })?;
        let config = Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(proxy(settings)?)
            .accept_encoding("identity")
            .user_agent(concat!("valuenet/", env!("CARGO_PKG_VERSION")));
        Ok(Self { agent: config.build().into(), settings, home })
    }

    /// What the hub has of a model.
    pub fn offer(&self, model: &str, revision: &str) -> Result<Offer, Trouble> {
        let path = format!("api/models/{model}/revision/{}", escaped(revision));
        let wait = self.settings.patience.metadata;
        let ask = Ask { method: Method::GET, wait, from: 0, bytes: LARGEST_OFFER };
        let (_, answer) = self.ask(&ask, self.address(&path)?, |_| false)?;
        let mut text = Vec::new();
        self.pour(&ask, answer, "its list of files", |bytes| {
            text.extend_from_slice(bytes);
            Ok(())
        })?;
        serde_json::from_slice(&text)
            .map_err(|error| Trouble::Untrue(format!("its list of files cannot be read: {error}")))
    }

    /// What the hub knows of a file, without the file.
    pub fn describe(&self, model: &str, commit: &str, name: &'static str) -> Result<RemoteFile, Trouble> {
        let wait = self.settings.patience.metadata;
        let ask = Ask { method: Method::HEAD, wait, from: 0, bytes: 0 };
        // The hub's own answer says what the file is; where it leads to knows nothing of that.
        let says_all = |answer: &Response<Body>| answer.headers().contains_key("x-linked-etag");
        let address = self.address(&format!("{model}/resolve/{commit}/{name}"))?;
        let (address, answer) = self.ask(&ask, address, says_all)?;

        let header = |name: &str| {
            answer.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let untrue = |what: String| Trouble::Untrue(format!("{name}'s {what}"));
        if let Some(other) = header("x-repo-commit").filter(|other| other != commit) {
            let what = if is_commit(&other) { "is another commit" } else { "is no commit" };
            return Err(untrue(format!("x-repo-commit {} {what}", quoted(&other))));
        }
        let etag = header("x-linked-etag").or_else(|| header(ETAG.as_str())).unwrap_or_default();
        let digest = Digest::parse(&etag)
            .ok_or_else(|| untrue(format!("etag {} is no git or SHA-256 digest", quoted(&etag))))?;
        let length = || header(CONTENT_LENGTH.as_str()).filter(|_| answer.status().is_success());
        let size = header("x-linked-size").or_else(length).unwrap_or_default();
        let size = size.parse().ok().filter(|size| *size <= LARGEST_FILE);
        let size = size.ok_or_else(|| untrue("size is missing, or no file's size".into()))?;

        let address = match answer.headers().get(LOCATION) {
            Some(location) if answer.status().is_redirection() => leads_to(&address, location.as_bytes())?,
            _ => address,
        };
        Ok(RemoteFile { name, digest, size, address })
    }

    /// Fetches what is missing of a file, or all of it if the server will have it so.
    pub fn fetch(
        &self,
        remote: &RemoteFile,
        partial: &mut Partial,
        progress: &mut dyn FnMut(Transfer<'_>),
    ) -> Result<(), Trouble> {
        let here = partial.length()?;
        let wait = self.settings.patience.download;
        let mut ask = Ask { method: Method::GET, wait, from: here, bytes: remote.size };
        let (_, answer) = self.ask(&ask, remote.address.clone(), |_| false)?;
        let header = |name| {
            let value = answer.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        progress(Transfer::Begin(remote.name, remote.size));
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            let range = header(CONTENT_RANGE).unwrap_or_default();
            if range != format!("bytes {here}-{}/{}", remote.size.saturating_sub(1), remote.size) {
                let what = format!("it sends {} of {}, not the rest", quoted(&range), remote.name);
                return Err(Trouble::Untrue(what));
            }
            progress(Transfer::Resumed(here));
            ask.bytes -= here;
        } else {
            partial.clear()?;
        }
        let expected = ask.bytes;
        if let Some(length) = header(CONTENT_LENGTH).filter(|length| *length != expected.to_string()) {
            let what = format!("it sends {} bytes of {}, not {expected}", quoted(&length), remote.name);
            return Err(Trouble::Untrue(what));
        }
        let got = self.pour(&ask, answer, remote.name, |bytes| {
            progress(Transfer::Bytes(bytes.len() as u64));
            Ok(partial.append(bytes)?)
        })?;
        if got < expected {
            return Err(Trouble::Cut(format!("{} ended after {got} of {expected} bytes", remote.name)));
        }
        progress(Transfer::End);
        Ok(())
    }

    fn address(&self, path: &str) -> Result<Uri, Trouble> {
        let text = format!("{}/{path}", self.settings.endpoint.trim_end_matches('/'));
        text.parse().map_err(|error| Trouble::Cut(format!("{text} is no address: {error}")))
    }

    /// Asks, and follows redirects until an answer is none or satisfies `enough`.
    fn ask(
        &self,
        ask: &Ask,
        mut address: Uri,
        enough: impl Fn(&Response<Body>) -> bool,
    ) -> Result<(Uri, Response<Body>), Trouble> {
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.ask_once(ask, &address)?;
            let location = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection());
            match location {
                Some(location) if !enough(&answer) => address = leads_to(&address, location.as_bytes())?,
                None if !answer.status().is_success() => {
                    return Err(Trouble::Status(answer.status().as_u16()));
                }
                _ => return Ok((address, answer)),
            }
        }
        Err(Trouble::Untrue(format!("it redirects more than {MOST_REDIRECTS} times")))
    }

    fn ask_once(&self, ask: &Ask, address: &Uri) -> Result<Response<Body>, Trouble> {
        let patience = &self.settings.patience;
        let mut request = match ask.method {
            Method::HEAD => self.agent.head(address),
            _ => self.agent.get(address),
        };
        let is_home = Origin::of(address).is_some_and(|origin| origin == self.home);
        if let Some(token) = self.settings.token.as_ref().filter(|_| is_home) {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if ask.from > 0 {
            request = request.header(RANGE, format!("bytes={}-", ask.from));
        }
        let request = request
            .config()
            .timeout_resolve(Some(ask.wait))
            .timeout_connect(Some(ask.wait))
            .timeout_recv_response(Some(ask.wait))
            .timeout_per_read(Some(ask.wait))
            .timeout_per_call(Some(patience.whole(ask.wait, ask.bytes)))
            .build();
        request.call().map_err(|error| trouble(error, address.host().unwrap_or_default(), ask.wait))
    }

    /// Reads the body, at most as long as was asked for, at a bearable rate, and returns its length.
    fn pour(
        &self,
        ask: &Ask,
        answer: Response<Body>,
        what: &str,
        mut keep: impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<u64, Trouble> {
        let patience = &self.settings.patience;
        let mut body = answer.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        let mut total = 0;
        let mut waited = Duration::ZERO;
        let mut in_window = 0;
        loop {
            let begun = Instant::now();
            let count = match body.read(&mut buffer) {
                Ok(0) => return Ok(total),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(trouble(error.into(), what, ask.wait)),
            };
            waited += begun.elapsed();
            total += count as u64;
            in_window += count as u64;
            if total > ask.bytes {
                return Err(Trouble::Untrue(format!("it sends more than {} bytes of {what}", ask.bytes)));
            }
            keep(&buffer[..count])?;
            if waited >= patience.window {
                if in_window < patience.least() {
                    let Patience { window, slowest, .. } = patience;
                    let told = format!("{what} came at less than {slowest} bytes a second for {window:?}");
                    return Err(Trouble::Slow(told));
                }
                (waited, in_window) = (Duration::ZERO, 0);
            }
        }
    }
}

/// A request, wherever it goes.
struct Ask {
    method: Method,
    /// How long it waits for each thing.
    wait: Duration,
    /// The first byte that is wanted.
    from: u64,
    /// The most bytes that are wanted.
    bytes: u64,
}

fn leads_to(base: &Uri, location: &[u8]) -> Result<Uri, Trouble> {
    let location = String::from_utf8_lossy(location);
    resolve(base, &location)
        .ok_or_else(|| Trouble::Untrue(format!("it redirects to {}, no web address", quoted(&location))))
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Disk(error)
    }
}

/// What a failed request for `what` means.
fn trouble(error: ureq::Error, what: &str, wait: Duration) -> Trouble {
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            Trouble::Slow(format!("no connection to {what} within {wait:?}"))
        }
        ureq::Error::Timeout(Timeout::PerCall) => Trouble::Slow(format!("{what} takes too long")),
        ureq::Error::Timeout(_) => Trouble::Slow(format!("{what} sent nothing for {wait:?}")),
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Trouble::Cut(format!("{what}: the connection ended too early"))
        }
        error => Trouble::Cut(format!("{what}: {error}")),
    }
}

/// A part of a path as an address has it.
fn escaped(part: &str) -> String {
    let as_is = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let escape = |byte| if as_is(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    part.bytes().map(escape).collect()
}

fn proxy(settings: &HubSettings) -> Result<Option<Proxy>> {
    let Some(address) = &settings.proxy else { return Ok(None) };
    let build = || {
        let plain = Proxy::new(address)?;
        let mut proxy = Proxy::builder(plain.protocol()).host(plain.host()).port(plain.port());
        if let Some(name) = plain.username() {
            proxy = proxy.username(name);
        }
        if let Some(word) = plain.password() {
            proxy = proxy.password(word);
        }
        for host in settings.no_proxy.iter().flat_map(|hosts| hosts.split(',').map(str::trim)) {
            proxy = proxy.no_proxy(host);
        }
        proxy.build()
    };
    build().map(Some).map_err(|_| {
        Error::usage("the proxy's address cannot be read")
            .help("HTTPS_PROXY is an address like http://proxy:3128 or socks5://proxy")
    })
}
