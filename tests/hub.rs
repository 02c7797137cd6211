//! The hub: settings from the environment, the cache, downloads from a server, and silence offline.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use valuenet::hub::{HubSettings, Transfer, download, locate};

use crate::support::{folder, program, stderr, stdout, write};

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
    assert_eq!(settings(&[("HF_TOKEN_PATH", file.to_str().unwrap())]).token.as_deref(), Some("from home"));
}

/// A hub with one model, `ann/tiny`, that counts the requests for each path.
struct Hub {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn open(files: &'static [(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, files, &seen);
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, files: &[(&str, &str)], seen: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let path = request.split(' ').nth(1).unwrap_or_default().to_string();
    let range = lines
        .take_while(|line| !line.is_empty())
        .find_map(|line| Some(line.to_lowercase().strip_prefix("range: bytes=")?.to_string()));
    seen.lock().unwrap().push(path.clone());
    let mut stream = stream;
    let mut reply = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        let _ = stream.write_all(text.as_bytes());
    };
    if path == "/api/models/ann/tiny/revision/main" {
        let names: Vec<String> =
            files.iter().map(|(name, _)| format!("{{\"rfilename\":\"{name}\"}}")).collect();
        return reply("200 OK", "", &format!("{{\"sha\":\"abc\",\"siblings\":[{}]}}", names.join(",")));
    }
    let name = path.strip_prefix("/ann/tiny/resolve/main/").unwrap_or_default();
    match files.iter().find(|(file, _)| *file == name) {
        Some((_, body)) => {
            let range = range.unwrap_or("0-".into());
            let (start, end) = range.split_once('-').unwrap();
            let start: usize = start.parse().unwrap();
            let end = end.parse().map_or(body.len(), |end: usize| end + 1);
            let headers = format!(
                "x-repo-commit: abc\r\netag: \"{name}\"\r\nContent-Range: bytes {start}-{}/{}\r\n",
                end - 1,
                body.len()
            );
            reply("206 Partial Content", &headers, &body[start..end]);
        }
        None => reply("404 Not Found", "", ""),
    }
}

const FILES: &[(&str, &str)] = &[
    ("config.json", "{}"),
    ("tokenizer.json", "{\"a\":1}"),
    ("vocab.txt", "not wanted"),
    ("model.safetensors", "weights"),
    ("pytorch_model.bin", "not wanted"),
    ("special_tokens_map.json", "{}"),
    ("README.md", "not wanted"),
];

#[test]
fn a_download_takes_what_a_model_needs_and_fills_the_cache() {
    let (hub, cache) = (Hub::open(FILES), folder());
    let settings = HubSettings {
        cache: cache.path().into(),
        endpoint: hub.address.clone(),
        token: Some("secret".into()),
        offline: false,
    };
    let mut begun = Vec::new();
    let mut tell = |transfer: Transfer<'_>| {
        if let Transfer::Begin(name, size) = transfer {
            begun.push((name.to_string(), size));
        }
    };
    let folder = locate("ann/tiny", "main", &settings, &mut tell).unwrap();
    assert_eq!(folder, cache.path().join("models--ann--tiny/snapshots/abc"));
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json"]);
    assert_eq!(std::fs::read_to_string(folder.join("model.safetensors")).unwrap(), "weights");
    assert!(begun.contains(&("model.safetensors".into(), 7)), "{begun:?}");

    // What is in the cache is not asked for again, and offline it is enough.
    let before = hub.requests().len();
    assert_eq!(locate("ann/tiny", "main", &settings, &mut |_| {}).unwrap(), folder);
    let offline = HubSettings { offline: true, ..settings };
    for revision in ["main", "abc"] {
        assert_eq!(locate("ann/tiny", revision, &offline, &mut |_| {}).unwrap(), folder);
    }
    assert_eq!(hub.requests().len(), before);
}

#[test]
fn offline_no_socket_is_opened_and_the_missing_file_is_named() {
    let (hub, cache) = (Hub::open(FILES), folder());
    let settings =
        HubSettings { cache: cache.path().into(), endpoint: hub.address.clone(), token: None, offline: true };
    let error = locate("ann/tiny", "main", &settings, &mut |_| {}).unwrap_err();
    let looked_in = cache.path().join("models--ann--tiny");
    assert!(error.to_string().contains(&format!("no config.json in {}", looked_in.display())), "{error}");
    assert!(error.advice().unwrap().contains("valuenet download ann/tiny"));
    assert!(download("ann/tiny", "main", &settings, &mut |_| {}).is_err());
    assert!(hub.requests().is_empty());
}

#[test]
fn refusals_say_what_to_do() {
    let cache = folder();
    let settings = |endpoint: &str| HubSettings {
        cache: cache.path().into(),
        endpoint: endpoint.into(),
        token: None,
        offline: false,
    };
    let hub = Hub::open(&FILES[..2]);
    let told = |model: &str, endpoint: &str| {
        let error = locate(model, "main", &settings(endpoint), &mut |_| {}).unwrap_err();
        format!("{error} / {}", error.advice().unwrap_or_default())
    };
    assert!(
        told("ann/tiny", &hub.address).contains("ann/tiny has no model.safetensors or pytorch_model.bin")
    );
    assert!(told("ann/other", &hub.address).contains("has no model ann/other / check the name"));
    assert!(told("ann/tiny", "http://127.0.0.1:9").contains("cannot get ann/tiny"));
    for path in ["./no/such/folder", "no/such/folder", "/no/such", "../x"] {
        assert!(told(path, &hub.address).contains("no such folder"), "{path}");
    }
    assert!(hub.requests().len() == 2, "a path is no hub name");
}

#[test]
fn the_program_downloads_into_the_users_cache() {
    let (hub, cache) = (Hub::open(FILES), folder());
    let run = |offline: &str| {
        program()
            .args(["download", "ann/tiny"])
            .env("HF_HUB_CACHE", cache.path())
            .env("HF_ENDPOINT", &hub.address)
            .env("HF_HUB_OFFLINE", offline)
            .output()
            .unwrap()
    };
    let refused = run("1");
    assert_eq!(refused.status.code(), Some(1));
    assert!(hub.requests().is_empty());
    let output = run("0");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(PathBuf::from(stdout(&output).trim()).join("model.safetensors").is_file());
    assert!(stderr(&output).contains("downloading model.safetensors"));
}
