//! Where a redirect leads, and which addresses may see the token.

use ureq::http::Uri;

/// Scheme, host and port of an address: two addresses of one origin are served by the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an `http` or `https` address.
    pub fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        Some(Self { scheme, host, port: uri.port_u16().unwrap_or(usual) })
    }
}

/// The address that a `Location` header names, seen from `base`. None unless it is `http` or
/// `https`.
pub fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let first = location.split(['/', '?', '#']).next().unwrap_or_default();
    let text = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if first.contains(':') {
        location.to_string()
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let uri: Uri = text.parse().ok()?;
    Origin::of(&uri).map(|_| uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_hub(location: &str) -> Option<String> {
        let base = Uri::from_static("https://hub.test:444/ann/tiny/resolve/main/config.json?x=1");
        resolve(&base, location).map(|uri| uri.to_string())
    }

    #[test]
    fn a_location_is_read_as_a_browser_reads_it() {
        for (location, address) in [
            ("/api/cache?a=b", "https://hub.test:444/api/cache?a=b"),
            ("other.json", "https://hub.test:444/ann/tiny/resolve/main/other.json"),
            ("//cdn.test/x", "https://cdn.test/x"),
            ("http://cdn.test/x:y", "http://cdn.test/x:y"),
        ] {
            assert_eq!(from_hub(location).as_deref(), Some(address), "{location}");
        }
        for location in [
            "file:///etc/passwd",
            "file:/etc/passwd",
            "ftp://x/y",
            "javascript:1",
            "http://",
            "a b",
        ] {
            assert_eq!(from_hub(location), None, "{location}");
        }
    }

    #[test]
    fn another_host_port_or_scheme_is_another_origin() {
        let origin = |text: &'static str| Origin::of(&Uri::from_static(text));
        assert!(origin("https://hub.test").is_some());
        assert_eq!(origin("https://hub.test/a"), origin("https://HUB.test:443/b?c"));
        for other in [
            "http://hub.test",
            "https://hub.test:444",
            "https://cdn.test",
            "https://hub.test@cdn.test",
        ] {
            assert_ne!(origin("https://hub.test"), origin(other), "{other}");
        }
    }
}
