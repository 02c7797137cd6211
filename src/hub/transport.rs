//! Requests: redirects followed by hand, the token kept at home, nobody waited for without end.
//!
//! Owns what goes over the network, whatever it is about. The hub's own language is
//! [`super::client`]'s.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use ureq::http::header::{AUTHORIZATION, HeaderValue, LOCATION, RANGE};
use ureq::http::{Method, Response, Uri};
use ureq::{Agent, Body, Proxy, Timeout};

use super::claim::quoted;
use super::redirect::{Origin, resolve};
use super::settings::{HubSettings, Timeouts};
use crate::error::{Error, Result};

/// A longer chain of redirects is a loop.
const MOST_REDIRECTS: usize = 5;

/// Why a request came to nothing.
pub enum TransportError {
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

impl From<Error> for TransportError {
    fn from(error: Error) -> Self {
        Self::Disk(error)
    }
}

/// A request, wherever it goes.
pub struct Request {
    /// HEAD or GET.
    pub method: Method,
    /// How long it waits for each thing.
    pub wait: Duration,
    /// The first byte that is wanted.
    pub from: u64,
    /// The most bytes that are wanted.
    pub bytes: u64,
}

/// The way to one hub and beyond.
pub struct Transport<'a> {
    agent: Agent,
    settings: &'a HubSettings,
    home: Origin,
    token: Option<HeaderValue>,
}

impl<'a> Transport<'a> {
    /// The way to the hub that the settings name.
    ///
    /// # Errors
    /// If the endpoint or the proxy is no address, or the token cannot be sent.
    pub fn new(settings: &'a HubSettings) -> Result<Self> {
        let endpoint: Option<Uri> = settings.endpoint.parse().ok();
        let home = endpoint.as_ref().and_then(Origin::of).ok_or_else(|| {
            Error::usage(format!("{:?} is not the address of a hub", settings.endpoint))
                .help("HF_ENDPOINT is an address like https://huggingface.co")
        })?;
        let token =
            settings.token.as_ref().map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
        let token = token.transpose().map_err(|_| {
            Error::usage("the access token has letters that no token has")
                .help("look at HF_TOKEN, or the file that HF_TOKEN_PATH names")
        })?;
        let config = Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(proxy(settings)?)
            .accept_encoding("identity")
            .user_agent(concat!("valuenet/", env!("CARGO_PKG_VERSION")));
        Ok(Self { agent: config.build().into(), settings, home, token })
    }

    /// Asks, and follows redirects until an answer is none or satisfies `enough`.
    pub fn ask(
        &self,
        ask: &Request,
        mut address: Uri,
        enough: impl Fn(&Response<Body>) -> bool,
    ) -> Result<(Uri, Response<Body>), TransportError> {
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.ask_once(ask, &address)?;
            let location =
                answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection());
            match location {
                Some(location) if !enough(&answer) => {
                    address = leads_to(&address, location.as_bytes())?
                }
                None if !answer.status().is_success() => {
                    return Err(TransportError::Status(answer.status().as_u16()));
                }
                _ => return Ok((address, answer)),
            }
        }
        Err(TransportError::Untrue(format!("it redirects more than {MOST_REDIRECTS} times")))
    }

    fn ask_once(&self, ask: &Request, address: &Uri) -> Result<Response<Body>, TransportError> {
        let patience = &self.settings.patience;
        let mut request = match ask.method {
            Method::HEAD => self.agent.head(address),
            _ => self.agent.get(address),
        };
        let is_home = Origin::of(address).is_some_and(|origin| origin == self.home);
        if let Some(token) = self.token.as_ref().filter(|_| is_home) {
            request = request.header(AUTHORIZATION, token);
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
        request
            .call()
            .map_err(|error| transport_error(error, address.host().unwrap_or_default(), ask.wait))
    }

    /// Reads the body, at most as long as was asked for, at a bearable rate, and returns its
    /// length.
    pub fn pour(
        &self,
        ask: &Request,
        answer: Response<Body>,
        what: &str,
        mut keep: impl FnMut(&[u8]) -> Result<(), TransportError>,
    ) -> Result<u64, TransportError> {
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
                Err(error) => return Err(transport_error(error.into(), what, ask.wait)),
            };
            waited += begun.elapsed();
            total += count as u64;
            in_window += count as u64;
            if total > ask.bytes {
                return Err(TransportError::Untrue(format!(
                    "it sends more than {} bytes of {what}",
                    ask.bytes
                )));
            }
            keep(&buffer[..count])?;
            if waited >= patience.window {
                if in_window < patience.least() {
                    let Timeouts { window, slowest, .. } = patience;
                    let told =
                        format!("{what} came at less than {slowest} bytes a second for {window:?}");
                    return Err(TransportError::Slow(told));
                }
                (waited, in_window) = (Duration::ZERO, 0);
            }
        }
    }
}

/// Where a redirect leads.
pub fn leads_to(base: &Uri, location: &[u8]) -> Result<Uri, TransportError> {
    let location = String::from_utf8_lossy(location);
    resolve(base, &location).ok_or_else(|| {
        TransportError::Untrue(format!("it redirects to {}, no web address", quoted(&location)))
    })
}

/// What a failed request for `what` means.
fn transport_error(error: ureq::Error, what: &str, wait: Duration) -> TransportError {
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            TransportError::Slow(format!("no connection to {what} within {wait:?}"))
        }
        ureq::Error::Timeout(Timeout::PerCall) => {
            TransportError::Slow(format!("{what} takes too long"))
        }
        ureq::Error::Timeout(_) => {
            TransportError::Slow(format!("{what} sent nothing for {wait:?}"))
        }
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            TransportError::Cut(format!("{what}: the connection ended too early"))
        }
        error => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            TransportError::Cut(format!("{what}: {}", text.trim_start_matches("io: ")))
        }
    }
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
