//! The hub: settings from the environment, the cache, downloads from a server, and silence offline.

mod lies;
mod patience;
mod server;
mod shards;
mod world;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use valuenet::error::Kind;
use valuenet::hub::{HubSettings, Timeouts, Transfer};

use self::server::{Answer, COMMIT, FILES, Manner, Server, etag};
use self::world::{World, download, listing, locate};
use crate::support::{assert_fails, folder, program, stderr, stdout, write};

fn settings(variables: &[(&str, &str)]) -> HubSettings {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    HubSettings::from_lookup(|name| variables.get(name).map(|value| value.to_string()))
}

#[test]
fn every_variable_of_the_hub_is_heard() {
    let plain = settings(&[("HOME", "/home/ann")]);
    assert_eq!(plain.cache, PathBuf::from("/home/ann/.cache/huggingface/hub"));
    assert_eq!(
        (plain.endpoint.as_str(), plain.token, plain.offline),
        ("https://huggingface.co", None, false)
    );
    assert_eq!(
        settings(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).cache,
        PathBuf::from("/x/huggingface/hub")
    );
    assert_eq!(settings(&[("HOME", "/h"), ("HF_HOME", "/f")]).cache, PathBuf::from("/f/hub"));
    assert_eq!(settings(&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")]).cache, PathBuf::from("/c"));
    assert_eq!(settings(&[("HF_ENDPOINT", "http://mirror")]).endpoint, "http://mirror");
    assert_eq!(settings(&[("HF_TOKEN", " t ")]).token.as_deref(), Some("t"));
    for (text, offline) in [("1", true), ("true", true), ("ON", true), ("0", false), ("", false)] {
        assert_eq!(settings(&[("HF_HUB_OFFLINE", text)]).offline, offline, "{text}");
    }
    let folder = folder();
    let home = folder.path().to_str().unwrap();
    let file = write(folder.path(), "token", "from home\n");
    assert_eq!(settings(&[("HF_HOME", home)]).token.as_deref(), Some("from home"));
    assert_eq!(
        settings(&[("HF_TOKEN_PATH", file.to_str().unwrap())]).token.as_deref(),
        Some("from home")
    );
}

#[test]
fn how_long_to_wait_and_through_whom_is_heard() {
    let patience =
        settings(&[("HF_HUB_ETAG_TIMEOUT", "3"), ("HF_HUB_DOWNLOAD_TIMEOUT", " 60 ")]).patience;
    assert_eq!(
        (patience.metadata, patience.download),
        (Duration::from_secs(3), Duration::from_secs(60))
    );
    assert_eq!(patience.window, Duration::from_secs(180), "who waits for a byte waits for a rate");
    for text in ["0", "-1", "soon", ""] {
        assert_eq!(
            settings(&[("HF_HUB_DOWNLOAD_TIMEOUT", text)]).patience,
            Timeouts::default(),
            "{text}"
        );
    }
    let through = |variables| settings(variables).proxy;
    assert_eq!(through(&[("HOME", "/h")]), None);
    assert_eq!(through(&[("https_proxy", "a"), ("HTTP_PROXY", "b")]).as_deref(), Some("a"));
    assert_eq!(through(&[("ALL_PROXY", "c"), ("HTTPS_PROXY", "a")]).as_deref(), Some("c"));
    assert_eq!(settings(&[("no_proxy", "a,b")]).no_proxy.as_deref(), Some("a,b"));
}

#[test]
fn a_proxy_is_asked_but_for_the_hosts_that_are_named() {
    let (world, hub, proxy) = (World::new(), Server::honest(FILES), Server::honest(&[]));
    let mut settings = world.settings(&hub.address);
    settings.proxy = Some(proxy.address.clone());
    assert!(download("ann/tiny", "main", &settings, &mut |_| {}).is_err());
    assert_eq!(proxy.requests()[0].method, "CONNECT");
    assert!(hub.requests().is_empty());
    settings.no_proxy = Some("hub.test, 127.0.0.1".into());
    download("ann/tiny", "main", &settings, &mut |_| {}).unwrap();
    settings.proxy = Some("gopher://x".into());
    let error = download("ann/tiny", "main", &settings, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage, "{error}");
}

#[test]
fn a_download_takes_what_a_model_needs_and_fills_the_cache() {
    let (world, hub) = (World::new(), Server::honest(FILES));
    let settings = HubSettings { token: Some("secret".into()), ..world.settings(&hub.address) };
    let mut begun = Vec::new();
    let mut tell = |transfer: Transfer<'_>| {
        if let Transfer::Begin(name, size) = transfer {
            begun.push((name.to_string(), size));
        }
    };
    let outside = world.outside();
    let folder = locate("ann/tiny", "main", &settings, &mut tell).unwrap();
    assert_eq!(folder, world.model().join("snapshots").join(COMMIT));
    assert!(begun.contains(&("model.safetensors".into(), 28)), "{begun:?}");

    // The very files and links of `huggingface_hub`, and nothing else.
    let wanted = ["config.json", "tokenizer.json", "model.safetensors", "special_tokens_map.json"];
    let mut expected = vec![("refs/main".to_string(), COMMIT.to_string())];
    for (name, body) in FILES.iter().filter(|(name, _)| wanted.contains(name)) {
        let digest = etag(name, body.as_bytes());
        expected.push((format!("snapshots/{COMMIT}/{name}"), format!("-> ../../blobs/{digest}")));
        expected.push((format!("blobs/{digest}"), body.to_string()));
    }
    expected.sort();
    expected.dedup();
    let found: Vec<(String, String)> = listing(&world.model())
        .into_iter()
        .map(|(path, text)| (path.strip_prefix(world.model()).unwrap().display().to_string(), text))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(world.outside(), outside);

    // What is in the cache is not asked for again, and offline it is enough.
    let before = hub.requests().len();
    assert_eq!(locate("ann/tiny", "main", &settings, &mut |_| {}).unwrap(), folder);
    let offline = HubSettings { offline: true, ..settings };
    for revision in ["main", COMMIT] {
        assert_eq!(locate("ann/tiny", revision, &offline, &mut |_| {}).unwrap(), folder);
    }
    assert_eq!(hub.requests().len(), before);
}

#[test]
fn another_name_of_the_same_commit_costs_one_request() {
    let (world, hub) = (World::new(), Server::honest(FILES));
    let settings = world.settings(&hub.address);
    let folder = download("ann/tiny", "main", &settings, &mut |_| {}).unwrap();
    let before = hub.requests().len();
    for revision in ["refs/pr/1", COMMIT] {
        assert_eq!(download("ann/tiny", revision, &settings, &mut |_| {}).unwrap(), folder);
    }
    assert_eq!(hub.requests().len(), before + 2);
    let refs: Vec<String> =
        world.kept().into_iter().filter(|name| name.starts_with("refs/")).collect();
    assert_eq!(refs, ["refs/main", "refs/refs/pr/1"]);
}

#[test]
fn a_revision_that_climbs_is_refused_unasked() {
    let (world, hub) = (World::new(), Server::honest(FILES));
    for revision in ["../../../victim", "/etc", "..", "", "a/../../b", "a\\b/..", "a\nb"] {
        for get in [locate, download] {
            let error =
                get("ann/tiny", revision, &world.settings(&hub.address), &mut |_| {}).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains("is not the name of a revision"), "{error}");
        }
    }
    assert!(hub.requests().is_empty());
    assert!(world.kept().is_empty());
}

#[test]
fn offline_no_socket_is_opened_and_the_missing_file_is_named() {
    let (world, hub) = (World::new(), Server::honest(FILES));
    let settings = HubSettings { offline: true, ..world.settings(&hub.address) };
    let error = locate("ann/tiny", "main", &settings, &mut |_| {}).unwrap_err();
    let looked_in = world.model();
    assert!(
        error.to_string().contains(&format!("no config.json in {}", looked_in.display())),
        "{error}"
    );
    assert!(error.advice().unwrap().contains("valuenet download ann/tiny"));
    assert!(download("ann/tiny", "main", &settings, &mut |_| {}).is_err());
    assert!(hub.requests().is_empty());
}

#[test]
fn refusals_say_what_to_do() {
    let world = World::new();
    let hub = Server::honest(&FILES[..2]);
    let told = |model: &str, endpoint: &str| {
        let error = locate(model, "main", &world.settings(endpoint), &mut |_| {}).unwrap_err();
        format!("{error} / {}", error.advice().unwrap_or_default())
    };
    assert!(told("ann/tiny", &hub.address).contains(
        "ann/tiny has no model.safetensors or model.safetensors.index.json or pytorch_model.bin or"
    ));
    assert!(told("ann/other", &hub.address).contains("has no model ann/other / check the name"));
    assert!(told("ann/tiny", "http://127.0.0.1:9").contains("cannot get ann/tiny"));
    for endpoint in ["mirror", "ftp://mirror", "http://"] {
        assert!(
            told("ann/tiny", endpoint).contains("is not the address of a hub / HF_ENDPOINT"),
            "{endpoint}"
        );
    }
    for (status, says) in
        [("401 Unauthorized", "HF_TOKEN"), ("503 Service Unavailable", "it answers 503")]
    {
        let hub = Server::open(move |_| Answer::new(status, ""));
        assert!(told("ann/tiny", &hub.address).contains(says), "{status}");
    }
    let unlisted = Server::lying(|request, answer| {
        if request.is_head() {
            *answer = Answer::new("404 Not Found", "");
        }
    });
    assert!(
        told("ann/tiny", &unlisted.address).contains("it lists config.json and does not have it")
    );
    let odd = HubSettings { token: Some("a\nb".into()), ..world.settings(&hub.address) };
    let error = download("ann/tiny", "main", &odd, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("the access token"), "{error}");
    for path in ["./no/such/folder", "no/such/folder", "/no/such", "../x"] {
        assert!(told(path, &hub.address).contains("no such folder"), "{path}");
    }
    assert!(hub.requests().len() == 2, "a path is no hub name");
}

#[test]
fn the_program_downloads_into_the_users_cache() {
    let (hub, cache) = (Server::honest(FILES), folder());
    let run = |offline: &str, endpoint: &str| {
        program()
            .args(["download", "ann/tiny"])
            .env("HF_HUB_CACHE", cache.path())
            .env("HF_ENDPOINT", endpoint)
            .env("HF_HUB_OFFLINE", offline)
            .env("NO_PROXY", "127.0.0.1")
            .output()
            .unwrap()
    };
    let refused = run("1", &hub.address);
    assert_eq!(refused.status.code(), Some(1));
    assert!(hub.requests().is_empty());
    let target = cache.path().join("target").display().to_string();
    let liar = Server::lying(move |_, answer| answer.set("ETag", format!("\"{target}\"")));
    let says =
        ["cannot trust http://127.0.0.1", "config.json's etag", "help: nothing of it is kept"];
    assert_fails(&run("0", &liar.address), 1, &says);
    assert!(listing(cache.path()).is_empty());
    let cut = Server::lying(|request, answer| {
        if request.gets("model.safetensors") && request.from.is_none() {
            answer.manner = Manner::Cut(10);
        }
    });
    let output = run("0", &cut.address);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(PathBuf::from(stdout(&output).trim()).join("model.safetensors").is_file());
    assert!(stderr(&output).contains("downloading model.safetensors"));
}
