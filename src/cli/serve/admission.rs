//! Who is let in: on this machine no page of a browser, and beyond it those who have the token.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, StatusCode, Uri, header};
use sha2::{Digest, Sha256};

use super::body::Refusal;

/// What a request must show.
pub struct Admission {
    /// The digest of the token, if one is asked for.
    token: Option<[u8; 32]>,
    /// Whether a request must be meant for a name of this machine alone: a page whose name leads here
    /// could read answers otherwise (DNS rebinding).
    is_local: bool,
}

impl Admission {
    /// Those with this token, if there is one; of a service that listens to this machine only, or to
    /// others too.
    pub fn new(token: Option<&str>, is_local: bool) -> Self {
        Self { token: token.map(digest), is_local }
    }

    /// Refuses a request whose headers do not show what is needed.
    pub fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let forbidden = |what: &str| Err(Refusal::new(StatusCode::FORBIDDEN, what));
        let host = text(header::HOST).or(uri.authority().map(|authority| authority.as_str()));
        if self.is_local && host.is_some_and(|host| !is_this_machine(host)) {
            return forbidden("the service is for this machine: ask for 127.0.0.1 or localhost");
        }
        let own = |origin: &str| host.is_some_and(|host| origin.split("://").nth(1) == Some(host));
        if text(header::ORIGIN).is_some_and(|origin| !own(origin)) {
            return forbidden("pages of other origins get no answer");
        }
        let Some(token) = &self.token else { return Ok(()) };
        if uri.path() == "/health" {
            return Ok(()); // whether it lives, those may know who watch over it
        }
        let given = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        // Digests are compared, so that how long it takes tells nothing of the token.
        match given.is_some_and(|given| digest(given.trim()) == *token) {
            true => Ok(()),
            false => Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "a token is needed: Authorization: Bearer …",
            )),
        }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Whether the host of a request, with or without a port, is a name of the machine itself.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

/// How many connections each client has.
#[derive(Clone, Default)]
pub struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Clients {
    /// One more connection of a client, unless it has `most`. It counts until what is returned is
    /// dropped.
    pub fn enter(&self, client: IpAddr, most: usize) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let count = counts.entry(client).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { clients: self.clone(), client })
    }
}

/// A connection that counts.
pub struct Place {
    clients: Clients,
    client: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.clients.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_known() {
        for host in
            ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "127.3.2.1", "[::1]:8080", "[::1]"]
        {
            assert!(is_this_machine(host), "{host}");
        }
        for host in
            ["localhost.example.org", "example.org:80", "10.0.0.1", "", "[::2]", "127.0.0.1.nip.io"]
        {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn a_client_has_so_many_places_and_gets_them_back() {
        let clients = Clients::default();
        let [one, other] = [[127, 0, 0, 1], [127, 0, 0, 2]].map(IpAddr::from);
        let first = clients.enter(one, 2);
        let second = clients.enter(one, 2);
        assert!(first.is_some() && second.is_some() && clients.enter(one, 2).is_none());
        assert!(clients.enter(other, 2).is_some());
        drop(first);
        assert!(clients.enter(one, 2).is_some());
    }
}
