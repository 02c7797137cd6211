//! Where the hub is and how long it is waited for. The one place that reads `HF_*` and proxy
//! variables.

use std::path::PathBuf;
use std::time::Duration;

/// Where the hub is, where its files are kept, and whether it may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// The folder of cached models.
    pub cache: PathBuf,
    /// The hub's address.
    pub endpoint: String,
    /// The user's access token. It is sent to the endpoint's host and port only.
    pub token: Option<String>,
    /// Whether no socket may be opened.
    pub offline: bool,
    /// How long the hub is waited for.
    pub patience: Timeouts,
    /// The proxy's address, such as `http://proxy:3128` or `socks5://proxy`.
    pub proxy: Option<String>,
    /// The hosts that are asked without the proxy, separated by commas.
    pub no_proxy: Option<String>,
}

/// How long the hub is waited for. Each request has a wait: for a connection, for the head of the
/// answer, and for each next byte. One that brings `n` bytes has ended, well or not, after `2 *
/// wait + window + n / slowest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// The wait of a request for the list of files, or for what is known of a file: 10 s.
    pub metadata: Duration,
    /// The wait of a request for a file: 10 s.
    pub download: Duration,
    /// The time over which the rate is taken: 30 s.
    pub window: Duration,
    /// The rate that each window must reach, in bytes a second: 10,000.
    pub slowest: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            metadata: Duration::from_secs(10),
            download: Duration::from_secs(10),
            window: Duration::from_secs(30),
            slowest: 10_000,
        }
    }
}

impl Timeouts {
    /// The longest that a request may take which waits so long and brings so many bytes.
    pub(super) fn whole(&self, wait: Duration, bytes: u64) -> Duration {
        wait * 2 + self.window + Duration::from_secs(bytes / u64::from(self.slowest.max(1)))
    }

    /// The bytes that a window must bring.
    pub(super) fn least(&self) -> u64 {
        (f64::from(self.slowest) * self.window.as_secs_f64()) as u64
    }
}

impl HubSettings {
    /// Reads `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HOME`, `HF_ENDPOINT`, `HF_TOKEN`,
    /// `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`, `HF_HUB_ETAG_TIMEOUT` (seconds for `metadata`) and
    /// `HF_HUB_DOWNLOAD_TIMEOUT` (seconds for `download`, and three times as many for `window`)
    /// through `lookup`, with the meaning they have for `huggingface_hub`; and `ALL_PROXY`,
    /// `HTTPS_PROXY`, `HTTP_PROXY` (the first that is set) and `NO_PROXY`, in capitals or not.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|text| !text.trim().is_empty());
        let either = |name: &str| set(name).or_else(|| set(&name.to_lowercase()));
        let path = |name: &str| set(name).map(PathBuf::from);
        let seconds = |name: &str| {
            let count: Option<u32> = set(name).and_then(|text| text.trim().parse().ok());
            count.filter(|count| *count > 0).map(|count| Duration::from_secs(count.into()))
        };
        let user = path("XDG_CACHE_HOME").or_else(|| {
            path("HOME").or_else(|| path("USERPROFILE")).map(|home| home.join(".cache"))
        });
        let home = path("HF_HOME").unwrap_or_else(|| user.unwrap_or_default().join("huggingface"));
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = set("HF_TOKEN").or_else(|| std::fs::read_to_string(token_file).ok());
        let yes =
            |text: String| matches!(text.to_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE");
        let mut patience = Timeouts::default();
        if let Some(wait) = seconds("HF_HUB_ETAG_TIMEOUT") {
            patience.metadata = wait;
        }
        if let Some(wait) = seconds("HF_HUB_DOWNLOAD_TIMEOUT") {
            patience.download = wait;
            patience.window = wait * 3;
        }
        Self {
            cache: path("HF_HUB_CACHE").unwrap_or_else(|| home.join("hub")),
            endpoint: set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into()),
            token: token.map(|token| token.trim().to_string()).filter(|token| !token.is_empty()),
            offline: set("HF_HUB_OFFLINE").is_some_and(yes),
            patience,
            proxy: ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"].into_iter().find_map(either),
            no_proxy: either("NO_PROXY"),
        }
    }
}
