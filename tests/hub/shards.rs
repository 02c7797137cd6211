//! Models whose weights or tokenizers are in several files.

use valuenet::hub::{HubSettings, Timeouts, Transfer};

use super::server::{Answer, COMMIT, Files, Manner, Server, etag, honest};
use super::world::{World, download, locate};
use crate::support::write;

const INDEX: &str = "model.safetensors.index.json";
const FIRST: &str = "model-00001-of-00002.safetensors";
const SECOND: &str = "model-00002-of-00002.safetensors";

/// A model in two parts, one of which holds two tensors.
const SHARDED: Files = &[
    ("config.json", "{}"),
    ("vocab.json", "{\"a\":1}"),
    ("merges.txt", "#version: 0.2\n"),
    (
        INDEX,
        r#"{"metadata":{"total_size":3},"weight_map":{"a":"model-00001-of-00002.safetensors",
            "b":"model-00002-of-00002.safetensors","c":"model-00001-of-00002.safetensors"}}"#,
    ),
    (FIRST, "the first part of the weights"),
    (SECOND, "the second part"),
    ("model-00001-of-00001.safetensors", "not wanted"),
    ("pytorch_model.bin", "not wanted"),
    ("added_tokens.json", "{\"b\":2}"),
    ("generation_config.json", "{\"c\":3}"),
    ("chat_template.jinja", "{{ messages }}"),
];

/// What is taken of it.
const WANTED: [&str; 9] = [
    "config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "generation_config.json",
    "chat_template.jinja",
    INDEX,
    FIRST,
    SECOND,
];

/// The sharded model with other files in the place of some, or without them.
fn sharded(changes: &[(&'static str, Option<&str>)]) -> Files {
    let changed = |name: &str| changes.iter().find(|(other, _)| *other == name);
    let mut files: Vec<(&str, &str)> =
        SHARDED.iter().copied().filter(|(name, _)| changed(name).is_none()).collect();
    for (name, text) in changes {
        files.extend(text.map(|text| (*name, &*text.to_string().leak())));
    }
    files.leak()
}

/// The sharded model with an index that maps its tensors so.
fn with_index(map: &str) -> Files {
    sharded(&[(INDEX, Some(&format!("{{\"weight_map\":{map}}}")))])
}

/// The names in the snapshot.
fn snapshot(world: &World) -> Vec<String> {
    let prefix = format!("snapshots/{COMMIT}/");
    world.kept().iter().filter_map(|name| name.strip_prefix(&prefix)).map(String::from).collect()
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_model_in_several_files_is_fetched_whole() {
    let (world, hub) = (World::new(), Server::honest(SHARDED));
    let settings = world.settings(&hub.address);
    let mut begun = Vec::new();
    let mut tell = |transfer: Transfer<'_>| {
        if let Transfer::Begin(name, _) = transfer {
            begun.push(name.to_string());
        }
    };
    let folder = locate("ann/tiny", "main", &settings, &mut tell).unwrap();
    assert_eq!(snapshot(&world), sorted(&WANTED));
    for (name, body) in SHARDED.iter().filter(|(name, _)| WANTED.contains(name)) {
        assert_eq!(std::fs::read_to_string(folder.join(name)).unwrap(), *body, "{name}");
    }
    assert_eq!(begun[0], INDEX, "it says what else is needed");
    begun.sort();
    assert_eq!(begun, sorted(&WANTED), "each once");
    assert!(!world.kept().iter().any(|name| name.ends_with(".incomplete")));

    let before = hub.requests().len();
    let offline = HubSettings { offline: true, ..settings.clone() };
    for settings in [&settings, &offline] {
        assert_eq!(locate("ann/tiny", "main", settings, &mut |_| {}).unwrap(), folder);
    }
    assert_eq!(hub.requests().len(), before);
    download("ann/tiny", "main", &settings, &mut |_| {}).unwrap();
    assert_eq!(hub.requests().len(), before + 1, "the list alone");
}

#[test]
fn pickled_weights_in_several_files_are_fetched_whole() {
    const PICKLED: Files = &[
        ("config.json", "{}"),
        ("tokenizer.json", "{\"a\":1}"),
        ("pytorch_model.bin.index.json", r#"{"weight_map":{"a":"1.bin","b":"2.bin"}}"#),
        ("1.bin", "one"),
        ("2.bin", "two"),
        ("3.bin", "not wanted"),
    ];
    let (world, hub) = (World::new(), Server::honest(PICKLED));
    download("ann/tiny", "main", &world.settings(&hub.address), &mut |_| {}).unwrap();
    let names: Vec<&str> = PICKLED[..5].iter().map(|(name, _)| *name).collect();
    assert_eq!(snapshot(&world), sorted(&names));
}

#[test]
fn weights_in_one_file_are_taken_before_those_in_several() {
    let files = sharded(&[("model.safetensors", Some("all")), ("tokenizer.json", Some("{}"))]);
    let (world, hub) = (World::new(), Server::honest(files));
    download("ann/tiny", "main", &world.settings(&hub.address), &mut |_| {}).unwrap();
    let names = snapshot(&world);
    assert!(
        names.contains(&"model.safetensors".into()) && names.contains(&"tokenizer.json".into())
    );
    for name in [INDEX, FIRST, "vocab.json", "merges.txt"] {
        assert!(!names.contains(&name.into()), "{name}");
    }
}

#[test]
fn an_index_that_names_a_file_elsewhere_or_one_that_is_not_there_is_refused() {
    let world = World::new();
    for (map, says) in [
        (r#"{"a":"../../../victim.safetensors"}"#, "is not the name of a file of weights beside"),
        (r#"{"a":"/victim.safetensors"}"#, "is not the name of a file of weights beside it"),
        (r#"{"a":"b/c.safetensors"}"#, "is not the name of a file of weights beside it"),
        (r#"{"a":"..\\victim.safetensors"}"#, "which it does not have"),
        (r#"{"a":"config.json"}"#, "\"config.json\" is not the name of a file of weights beside"),
        (r#"{"a":"pytorch_model.bin"}"#, "is not the name of a file of weights beside it"),
        (r#"{"a":7}"#, "7 is not the name of a file of weights beside it"),
        ("{}", "its model.safetensors.index.json: there is no \"weight_map\" in it"),
        ("[", "its model.safetensors.index.json: not a JSON file"),
        (
            r#"{"a":"model-00001-of-00002.safetensors","b":"model-00003-of-00002.safetensors"}"#,
            "index.json names \"model-00003-of-00002.safetensors\", which it does not have",
        ),
    ] {
        let hub = Server::honest(with_index(map));
        world.refuses(&hub, says);
        let parts =
            [FIRST, SECOND].map(|name| hub.requests().iter().any(|request| request.gets(name)));
        assert_eq!(parts, [false, false], "{map}: no part is fetched for nothing");
    }
}

#[test]
fn a_huge_index_is_refused_unread() {
    let world = World::new();
    let hub = Server::open(|request| {
        let mut answer = honest(request, SHARDED);
        if request.is_head() && request.path.ends_with(INDEX) {
            answer.set("X-Linked-Size", (65 << 20).to_string());
        }
        answer
    });
    world.refuses(&hub, "its model.safetensors.index.json has more than 67108864 bytes");
    assert!(!hub.requests().iter().any(|request| request.gets(INDEX)));
}

#[test]
fn a_lie_about_a_part_keeps_the_index_out_too() {
    for name in [INDEX, FIRST, SECOND] {
        let world = World::new();
        let hub = Server::open(move |request| {
            let mut answer = honest(request, SHARDED);
            if request.gets(name) {
                answer.body[0] ^= 1;
            }
            answer
        });
        world.refuses(&hub, &format!("the bytes of {name} do not come to its etag"));
        let hub = Server::open(move |request| match request.path.ends_with(name) {
            true => Answer::new("404 Not Found", ""),
            false => honest(request, SHARDED),
        });
        world.refuses(&hub, &format!("it lists {name} and does not have it"));
    }
}

#[test]
fn an_interrupted_part_goes_on_where_it_stopped() {
    let world = World::new();
    let cut = Server::open(|request| {
        let mut answer = honest(request, SHARDED);
        if request.gets(SECOND) {
            answer.manner = Manner::Cut(if request.from.is_some() { 0 } else { 10 });
        }
        answer
    });
    world.refuses_in_time(&cut, SECOND, &Timeouts::default());
    let hub = Server::honest(SHARDED);
    let folder = download("ann/tiny", "main", &world.settings(&hub.address), &mut |_| {}).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join(SECOND)).unwrap(), "the second part");
    let got: Vec<_> =
        hub.requests().into_iter().filter(|request| !request.is_head()).skip(1).collect();
    assert_eq!(got.len(), 1, "what has come is not asked for again: {got:?}");
    assert!(got[0].gets(SECOND) && got[0].from == Some(10));
}

/// A cache with the whole model, whose folder in the cache is returned too.
fn filled() -> (World, std::path::PathBuf) {
    let (world, hub) = (World::new(), Server::honest(SHARDED));
    let folder = download("ann/tiny", "main", &world.settings(&hub.address), &mut |_| {}).unwrap();
    (world, folder)
}

#[test]
fn a_snapshot_without_one_part_is_completed() {
    let (world, folder) = filled();
    std::fs::remove_file(folder.join(SECOND)).unwrap();
    let blob = format!("blobs/{}", etag(SECOND, b"the second part"));
    std::fs::remove_file(world.model().join(blob)).unwrap();
    let hub = Server::honest(SHARDED);
    let settings = world.settings(&hub.address);
    assert_eq!(locate("ann/tiny", "main", &settings, &mut |_| {}).unwrap(), folder);
    assert_eq!(std::fs::read_to_string(folder.join(SECOND)).unwrap(), "the second part");
    let asked = hub.requests();
    assert_eq!(asked.len(), 3, "the list, and twice for the part: {asked:?}");
    assert!(asked[1..].iter().all(|request| request.path.ends_with(SECOND)));
}

#[test]
fn an_index_in_the_cache_that_cannot_be_read_is_fetched_again() {
    for text in ["", "{}", r#"{"weight_map":{"a":"../victim.safetensors"}}"#] {
        let (world, folder) = filled();
        let path = folder.join(INDEX);
        std::fs::remove_file(&path).unwrap();
        write(&folder, INDEX, text);
        let hub = Server::honest(SHARDED);
        locate("ann/tiny", "main", &world.settings(&hub.address), &mut |_| {}).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), SHARDED[3].1);
        assert!(!hub.requests().iter().any(|request| request.gets(FIRST)));
    }
}

#[test]
fn offline_the_missing_file_of_several_is_named() {
    for name in [SECOND, INDEX, "merges.txt"] {
        let (world, folder) = filled();
        std::fs::remove_file(folder.join(name)).unwrap();
        let settings = HubSettings { offline: true, ..world.settings("http://127.0.0.1:9") };
        let error = locate("ann/tiny", "main", &settings, &mut |_| {}).unwrap_err().to_string();
        let of_one = format!("no {name} in {}", world.model().display());
        let expected = match name {
            SECOND => &of_one,
            INDEX => "no model.safetensors or model.safetensors.index.json or pytorch_model.bin or",
            _ => "no tokenizer.json or vocab.json with merges.txt or vocab.txt or spm.model in",
        };
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_vocabulary_without_its_merges_is_no_tokenizer() {
    let world = World::new();
    let hub = Server::honest(sharded(&[("merges.txt", None)]));
    world
        .refuses(&hub, "ann/tiny has no tokenizer.json or vocab.json with merges.txt or vocab.txt");
}
