//! Servers that take their time, and connections that end: a download ends or goes on, and is right
//! in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use valuenet::hub::{HubSettings, Timeouts, Transfer};

use super::server::{Answer, COMMIT, FILES, Manner, Request, Server, etag};
use super::world::{World, download, locate};
use crate::support::write;

const NAME: &str = "model.safetensors";
const WEIGHTS: &str = FILES[3].1;

/// As little patience as a loaded machine can bear.
fn impatient() -> Timeouts {
    let wait = Duration::from_millis(400);
    Timeouts { metadata: wait, download: wait, window: Duration::from_millis(800), slowest: 1000 }
}

#[test]
fn a_hub_that_hangs_is_given_up() {
    let kinds: [fn(&Request) -> bool; 3] =
        [Request::is_for_the_list, Request::is_head, |request| request.gets(NAME)];
    for is_meant in kinds {
        let world = World::new();
        let hub = Server::lying(move |request, answer| {
            if is_meant(request) {
                answer.manner = Manner::Hang;
            }
        });
        world.refuses_in_time(&hub, "sent nothing for 400ms", &impatient());
    }
}

#[test]
fn a_download_that_stalls_is_given_up() {
    let world = World::new();
    let hub = Server::lying(|request, answer| {
        if request.gets(NAME) {
            answer.manner = Manner::Stall(10);
        }
    });
    world.refuses_in_time(&hub, "model.safetensors sent nothing for 400ms", &impatient());
    let stalled = Server::lying(|_, answer| answer.manner = Manner::Stall(10));
    world.refuses_in_time(&stalled, "its list of files sent nothing for 400ms", &impatient());
}

#[test]
fn a_byte_at_a_time_is_given_up() {
    let every = Duration::from_millis(100);
    let world = World::new();
    let hub = Server::lying(move |_, answer| answer.manner = Manner::DripHead(every));
    world.refuses_in_time(&hub, "sent nothing for 400ms", &impatient());
    let hub = Server::lying(move |_, answer| answer.manner = Manner::DripBody(every));
    let says = "its list of files came at less than 1000 bytes a second for 800ms";
    world.refuses_in_time(&hub, says, &impatient());
    let hub = Server::lying(move |request, answer| {
        if request.gets(NAME) {
            answer.manner = Manner::DripBody(every);
        }
    });
    let says = "model.safetensors came at less than 1000 bytes a second for 800ms";
    world.refuses_in_time(&hub, says, &impatient());
}

#[test]
fn a_body_that_hides_its_slowness_is_given_up() {
    // The length of a chunk, digit by digit: the body itself never comes, and yet there is always
    // another byte.
    let world = World::new();
    let hub = Server::lying(|request, answer| {
        if request.gets(NAME) {
            answer.unset("Content-Length");
            answer.set("Transfer-Encoding", "chunked");
            answer.body = [b"1c;", "x".repeat(200).as_bytes()].concat();
            answer.manner = Manner::DripBody(Duration::from_millis(100));
        }
    });
    world.refuses_in_time(&hub, "model.safetensors", &impatient());
}

#[test]
fn an_interrupted_download_goes_on_where_it_stopped() {
    let world = World::new();
    let cut = Server::lying(|request, answer| {
        if request.gets(NAME) {
            answer.manner = Manner::Cut(if request.from.is_some() { 0 } else { 10 });
        }
    });
    world.refuses_in_time(&cut, "model.safetensors", &Timeouts::default());
    let digest = etag(NAME, WEIGHTS.as_bytes());
    let partial = world.model().join("blobs").join(format!("{digest}.incomplete"));
    assert_eq!(std::fs::read_to_string(&partial).unwrap(), WEIGHTS[..10]);

    let hub = Server::honest(FILES);
    let mut events = Vec::new();
    let mut tell = |transfer: Transfer<'_>| events.push(format!("{transfer:?}"));
    let folder = download("ann/tiny", "main", &world.settings(&hub.address), &mut tell).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join(NAME)).unwrap(), WEIGHTS);
    assert!(!partial.exists());
    let got = hub.requests().into_iter().find(|request| request.gets(NAME)).unwrap();
    assert_eq!(got.from, Some(10));
    let of_weights: Vec<&str> = events
        .iter()
        .map(String::as_str)
        .skip_while(|event| !event.contains(NAME))
        .take(4)
        .collect();
    assert_eq!(of_weights, ["Begin(\"model.safetensors\", 28)", "Resumed(10)", "Bytes(18)", "End"]);
    assert!(
        !hub.requests().iter().any(|request| request.gets("config.json")),
        "what has come is not asked for again"
    );
}

#[test]
fn a_connection_that_ends_is_tried_again_while_something_comes() {
    let world = World::new();
    let hub = Server::lying(|request, answer| {
        if request.gets(NAME) && request.from.unwrap_or(0) < 20 {
            answer.manner = Manner::Cut(10);
        }
    });
    download("ann/tiny", "main", &world.settings(&hub.address), &mut |_| {}).unwrap();
    let from: Vec<Option<usize>> = hub
        .requests()
        .iter()
        .filter(|request| request.gets(NAME))
        .map(|request| request.from)
        .collect();
    assert_eq!(from, [None, Some(10), Some(20)]);

    let world = World::new();
    let gone = Arc::new(AtomicUsize::new(0));
    let count = gone.clone();
    let hub = Server::lying(move |request, answer| {
        if request.gets(NAME) {
            count.fetch_add(1, Ordering::Relaxed);
            answer.manner = Manner::Cut(0);
        }
    });
    world.refuses_in_time(&hub, "model.safetensors", &Timeouts::default());
    assert_eq!(gone.load(Ordering::Relaxed), 1, "where nothing comes, nothing is asked again");
}

#[test]
fn a_hub_without_ranges_begins_again() {
    let world = World::new();
    let digest = etag(NAME, WEIGHTS.as_bytes());
    write(&world.model(), &format!("blobs/{digest}.incomplete"), &WEIGHTS[..10]);
    let hub = Server::lying(|request, answer| {
        if request.gets(NAME) {
            *answer = Answer::new("200 OK", WEIGHTS);
        }
    });
    let folder = download("ann/tiny", "main", &world.settings(&hub.address), &mut |_| {}).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join(NAME)).unwrap(), WEIGHTS);
}

#[test]
fn what_was_there_before_is_verified_with_the_rest() {
    let digest = etag(NAME, WEIGHTS.as_bytes());
    let incomplete = format!("blobs/{digest}.incomplete");
    let hub = Server::honest(FILES);
    for before in ["not these", "not these and as many as it has", "as many bytes as it has ...."] {
        let world = World::new();
        write(&world.model(), &incomplete, before);
        if before.len() <= WEIGHTS.len() {
            world.refuses(&hub, "the bytes of model.safetensors do not come to its etag");
        }
        download("ann/tiny", "main", &world.settings(&hub.address), &mut |_| {}).unwrap();
        let weights = world.model().join("snapshots").join(COMMIT).join(NAME);
        assert_eq!(std::fs::read_to_string(weights).unwrap(), WEIGHTS, "{before}");
    }
    // Bytes that another program left under the right name, too.
    let world = World::new();
    let blob = write(&world.model(), &format!("blobs/{digest}"), "whatever");
    download("ann/tiny", "main", &world.settings(&hub.address), &mut |_| {}).unwrap();
    assert_eq!(std::fs::read_to_string(blob).unwrap(), WEIGHTS);
}

#[test]
fn a_note_of_an_older_program_that_climbs_is_not_followed() {
    let world = World::new();
    for name in ["config.json", "vocab.txt", NAME] {
        write(world.folder.path(), &format!("trap/{name}"), "{}");
    }
    let trap = world.folder.path().join("trap").display().to_string();
    let offline = HubSettings { offline: true, ..world.settings("http://127.0.0.1:9") };
    for commit in ["../../../../../trap", &trap, ""] {
        write(&world.model(), "refs/main", commit);
        let error = locate("ann/tiny", "main", &offline, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("no config.json in"), "{error}");
    }
}
