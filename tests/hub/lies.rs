//! Servers that lie: about paths, about sizes, about bytes, about where things are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::server::{
    Answer, COMMIT, FILES, Manner, Request, Server, etag, git_sha1, honest, sha256,
};
use super::world::{World, download};

type List = fn() -> String;
type Lie = fn(&mut Answer);

/// Paths that a server would like to write, each as it would spell it.
fn paths(world: &World) -> Vec<String> {
    let victim = world.folder.path().join("victim").display().to_string();
    let mut paths =
        vec![victim.clone(), format!("{COMMIT}/../../../../victim"), "..".into(), "".into()];
    paths.extend(
        ["../../../victim", "../../victim", "..\\..\\victim", "C:\\victim", "abc", "."]
            .map(String::from),
    );
    let padded = format!("{:/>40}", "../../../victim");
    paths.extend([
        padded,
        COMMIT.to_uppercase(),
        COMMIT[1..].into(),
        format!("{COMMIT}0"),
        format!(" {COMMIT}/"),
    ]);
    paths
}

#[test]
fn an_etag_that_is_no_digest_is_refused() {
    let world = World::new();
    for header in ["ETag", "X-Linked-ETag"] {
        for path in paths(&world) {
            for etag in [path.clone(), format!("\"{path}\""), format!("W/\"{path}\"")] {
                let hub = Server::lying(move |request, answer| {
                    if request.is_head() {
                        answer.set(header, etag.clone());
                    }
                });
                world.refuses(&hub, "no git or SHA-256 digest");
                assert!(!world.model().exists());
            }
        }
    }
}

#[test]
fn a_commit_that_is_none_is_refused() {
    let world = World::new();
    for path in paths(&world) {
        let sha = serde_json::to_string(&path).unwrap();
        let hub = Server::lying(move |request, answer| {
            if request.is_for_the_list() {
                *answer = Answer::new("200 OK", format!("{{\"sha\":{sha},\"siblings\":[]}}"));
            }
        });
        world.refuses(&hub, "is no commit");
        let commit = path.clone();
        let hub = Server::lying(move |request, answer| {
            if !request.is_for_the_list() {
                answer.set("X-Repo-Commit", commit.clone());
            }
        });
        world.refuses(&hub, "is no commit");
        assert!(!world.model().exists());
    }
    let hub = Server::lying(|_, answer| answer.set("X-Repo-Commit", "f".repeat(40)));
    world.refuses(&hub, "is another commit");
}

#[test]
fn a_file_that_would_not_stay_below_the_model_is_refused() {
    let world = World::new();
    for name in ["../../victim", "/victim", "a/../../victim", "..\\victim", "a//victim"] {
        let name = serde_json::to_string(name).unwrap();
        let hub = Server::lying(move |request, answer| {
            if request.is_for_the_list() {
                let list = String::from_utf8(answer.body.clone()).unwrap();
                *answer = Answer::new("200 OK", list.replace("\"README.md\"", &name));
            }
        });
        world.refuses(&hub, "would not stay below");
    }
}

#[test]
fn a_list_of_files_that_is_huge_or_none_is_refused() {
    let world = World::new();
    let endless =
        || format!("{{\"sha\":\"{COMMIT}\",\"siblings\":[],\"more\":\"{}", "x".repeat(9 << 20));
    let deep = || format!("{{\"sha\":{}", "[".repeat(100_000));
    let lists: [(List, &str); 4] = [
        (endless, "more than 8388608 bytes of its list of files"),
        (deep, "cannot be read"),
        (|| "<html>Sign in to the airport's network</html>".into(), "cannot be read"),
        (|| "{}".into(), "cannot be read"),
    ];
    for (list, says) in lists {
        let hub = Server::lying(move |_, answer| *answer = Answer::new("200 OK", list()));
        world.refuses(&hub, says);
    }
}

#[test]
fn a_size_that_is_none_is_refused() {
    let world = World::new();
    for size in ["-1", "", "x", "1e3", "99999999999999999999999", "18446744073709551615"] {
        let hub = Server::lying(move |request, answer| {
            if request.is_head() {
                answer.set("X-Linked-Size", size);
            }
        });
        world.refuses(&hub, "config.json's size is missing, or no file's size");
    }
}

#[test]
fn another_number_of_bytes_than_announced_is_refused() {
    const NAME: &str = "model.safetensors";
    let lies: [(Lie, &str); 4] = [
        // As long as it says now, but not as it said before.
        (
            |answer| *answer = Answer::new("200 OK", [&answer.body, &b"more"[..]].concat()),
            "it sends \"32\" bytes",
        ),
        (|answer| *answer = Answer::new("200 OK", &answer.body[..20]), "it sends \"20\" bytes"),
        // Without a word about its length.
        (
            |answer| {
                answer.unset("Content-Length");
                answer.body.extend(b"more");
            },
            "it sends more than 28 bytes of model.safetensors",
        ),
        // As a range that nobody asked for.
        (
            |answer| {
                answer.status = "206 Partial Content";
                answer.set("Content-Range", "bytes 3-27/28");
            },
            "not the rest",
        ),
    ];
    for (lie, says) in lies {
        let world = World::new();
        let hub = Server::lying(move |request, answer| {
            if request.gets(NAME) {
                lie(answer);
            }
        });
        world.refuses(&hub, says);
    }
    // A size that differs for both: then the digest speaks.
    for (name, cut) in [(NAME, 20), ("config.json", 1)] {
        let world = World::new();
        let hub = Server::lying(move |request, answer| {
            if request.is_head() && request.path.ends_with(name) {
                answer.set("X-Linked-Size", cut.to_string());
            } else if request.gets(name) {
                *answer = Answer::new("200 OK", &answer.body[..cut]);
            }
        });
        world.refuses(&hub, &format!("the bytes of {name} do not come to its etag"));
    }
}

#[test]
fn foreign_bytes_under_the_right_etag_are_refused() {
    for name in ["config.json", "tokenizer.json", "model.safetensors", "special_tokens_map.json"] {
        let world = World::new();
        let hub = Server::lying(move |request, answer| {
            if request.gets(name) {
                answer.body[0] ^= 1;
            }
        });
        world.refuses(&hub, &format!("the bytes of {name} do not come to its etag"));
    }
}

#[test]
fn one_etag_for_all_files_is_refused() {
    // Whatever the etag is of, and even if all files are of one length.
    const SAME_LENGTH: &[(&str, &str)] =
        &[("config.json", "{}"), ("tokenizer.json", "[]"), ("model.safetensors", "()")];
    for files in [FILES, SAME_LENGTH] {
        for digest in
            [sha256(b"{}"), git_sha1(b"{}"), git_sha1(b"()"), "0".repeat(40), "0".repeat(64)]
        {
            let world = World::new();
            let hub = Server::open(move |request| {
                let mut answer = honest(request, files);
                answer.set("ETag", format!("\"{digest}\""));
                answer
            });
            world.refuses(&hub, "do not come to its etag");
        }
    }
}

#[test]
fn redirects_that_go_round_or_nowhere_are_refused() {
    let world = World::new();
    let hub = Server::open(|request| Answer::redirect(&request.path));
    world.refuses(&hub, "it redirects more than 5 times");
    assert_eq!(hub.requests().len(), 6);
    for location in
        ["file:///etc/passwd", "file:/etc/passwd", "ftp://127.0.0.1/x", "data:,x", "http://"]
    {
        let lies: [fn(&Request) -> bool; 3] =
            [Request::is_for_the_list, Request::is_head, |request| request.gets("config.json")];
        for is_meant in lies {
            let hub = Server::lying(move |request, answer| {
                if is_meant(request) {
                    *answer = Answer::redirect(location);
                }
            });
            world.refuses(&hub, "no web address");
        }
    }
}

#[test]
fn the_token_stays_at_the_endpoint() {
    let world = World::new();
    let cdn = Server::open(|request| {
        let name = request.path.strip_prefix("/signed/").unwrap();
        honest(
            &Request { path: format!("/ann/tiny/resolve/{COMMIT}/{name}"), ..request.clone() },
            FILES,
        )
    });
    let cdn_address = cdn.address.clone();
    let hub = Server::open(move |request| {
        // As the real hub: a renamed model on the same host, then small files there and large ones
        // elsewhere.
        let path = request.path.replace("/bob/old/", "/ann/tiny/").replace("/moved/", "/resolve/");
        let name = path.rsplit('/').next().unwrap().to_string();
        if request.path.contains("/bob/old/") {
            return Answer::redirect(&path);
        }
        let mut there = honest(&Request { path, ..request.clone() }, FILES);
        if request.path.contains("/resolve/") {
            let mut answer = match name.as_str() {
                "model.safetensors" => Answer::redirect(&format!("{cdn_address}/signed/{name}")),
                _ => Answer::redirect(&request.path.replace("/resolve/", "/moved/")),
            };
            if name == "model.safetensors" {
                answer.set("X-Linked-ETag", etag(&name, &there.body));
                answer.set("X-Linked-Size", there.body.len().to_string());
            }
            answer.set("X-Repo-Commit", COMMIT);
            answer.set("ETag", "W/\"2-of-the-redirect\"");
            there = answer;
        }
        there
    });
    let mut settings = world.settings(&hub.address);
    settings.token = Some("secret".into());
    let folder = download("bob/old", "main", &settings, &mut |_| {}).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("model.safetensors")).unwrap(), FILES[3].1);
    assert!(folder.join("config.json").is_file());
    assert_eq!(cdn.requests().len(), 1, "{:?}", cdn.requests());
    assert!(cdn.requests().iter().all(|request| request.token.is_none()));
    assert!(hub.requests().iter().all(|request| request.token.as_deref() == Some("Bearer secret")));

    // A whole hub that has moved gets no token either: it may be anybody's.
    let elsewhere = Server::honest(FILES);
    let there = elsewhere.address.clone();
    let moved = Server::open(move |request| Answer::redirect(&format!("{there}{}", request.path)));
    let world = World::new();
    let mut settings = world.settings(&moved.address);
    settings.token = Some("secret".into());
    download("ann/tiny", "main", &settings, &mut |_| {}).unwrap();
    assert!(elsewhere.requests().iter().all(|request| request.token.is_none()));
}

#[test]
fn a_file_that_is_right_at_last_is_not_refused_for_bytes_that_came_after_it() {
    let world = World::new();
    let hub = Server::lying(|request, answer| {
        if request.method == "GET" {
            answer.body.extend(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    download("ann/tiny", "main", &world.settings(&hub.address), &mut |_| {}).unwrap();
    let weights = world.model().join("snapshots").join(COMMIT).join("model.safetensors");
    assert_eq!(std::fs::read_to_string(weights).unwrap(), FILES[3].1);
}

#[test]
fn a_lie_about_the_last_file_keeps_the_first_out_too() {
    let world = World::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let hub = Server::lying(move |request, answer| {
        if request.gets("special_tokens_map.json") {
            count.fetch_add(1, Ordering::Relaxed);
            answer.manner = Manner::Cut(1);
            answer.set("Content-Length", "1");
        }
    });
    world.refuses(&hub, "it sends \"1\" bytes of special_tokens_map.json");
    assert_eq!(asked.load(Ordering::Relaxed), 1, "a lie is not asked for again");
}

/// A header's value or a name: often nearly right, always without line ends.
fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("..".to_string()),
        Just("/".to_string()),
        Just("\\".to_string()),
        Just("\"".to_string()),
        Just("victim".to_string()),
        Just("%2e%2e%2f".to_string()),
        Just(COMMIT.to_string()),
        Just("http://".to_string()),
        "[0-9a-f]{0,40}",
        "[^\r\n]{0,8}",
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_words_of_a_server_make_a_path_outside(
        which in 0..6usize,
        words in hostile(),
    ) {
        let world = World::new();
        let before = world.outside();
        let victim = world.folder.path().join("victim").display().to_string();
        let hub = Server::lying(move |request, answer| {
            let words = words.replace("victim", &victim);
            let header = ["ETag", "X-Linked-ETag", "X-Repo-Commit", "Location", "X-Linked-Size"].get(which);
            match header {
                Some(name) if !request.is_for_the_list() => {
                    answer.set(name, words);
                    if *name == "Location" {
                        answer.status = "302 Found";
                    }
                }
                None if request.is_for_the_list() => {
                    let list = String::from_utf8(answer.body.clone()).unwrap();
                    let words = serde_json::to_string(&words).unwrap();
                    let list = list.replace(&format!("\"{COMMIT}\""), &words).replace("\"README.md\"", &words);
                    *answer = Answer::new("200 OK", list);
                }
                _ => {}
            }
        });
        let _ = download("ann/tiny", "main", &world.settings(&hub.address), &mut |_| {});
        prop_assert_eq!(world.outside(), before);
        for (path, contents) in super::world::listing(&world.cache()) {
            let below = path.strip_prefix(world.cache()).unwrap().display().to_string();
            prop_assert!(below.starts_with("models--ann--tiny/") || below.starts_with(".locks/models--ann--tiny/"));
            prop_assert!(!contents.contains("victim"), "{}: {}", below, contents);
        }
    }
}
