//! The rooms of the house and the arrows between them: which module may use which.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each room, and the rooms and crates of ours that it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("value", &[]),
    ("seed", &[]),
    ("disk", &["error"]),
    ("guard", &["error"]),
    ("hub", &["error"]),
    ("data", &["disk", "error", "guard", "seed", "value"]),
    ("eval", &["data", "error", "seed", "value"]),
    ("reward", &["eval", "seed", "value"]),
    ("text", &["error", "guard", "seed", "value"]),
    ("nn", &["candle", "error", "seed"]),
    ("model", &["candle", "disk", "error", "guard", "nn", "seed", "text", "value"]),
    ("generate", &["error", "model", "nn", "seed", "text"]),
    ("infer", &["error", "model", "value"]),
    (
        "train",
        &[
            "candle", "data", "disk", "error", "eval", "generate", "model", "nn", "reward", "seed",
            "text", "value",
        ],
    ),
    ("report", &["data", "error", "eval", "reward", "value"]),
    ("config", &["error", "model", "text", "train"]),
    ("run", &["config", "data", "disk", "error", "train"]),
    (
        "recipe",
        &[
            "candle", "config", "data", "disk", "error", "eval", "generate", "hub", "infer",
            "model", "nn", "report", "reward", "run", "seed", "text", "train", "value",
        ],
    ),
];

/// The files that may hold `unsafe` code, which the documentation of `nn` names.
const UNSAFE: [&str; 9] = [
    "cpu/amx.rs",
    "cpu/emulated_amx.rs",
    "cpu/buffer.rs",
    "cpu/pair_product.rs",
    "cpu/product.rs",
    "cpu/tile.rs",
    "gpu/cuda.rs",
    "gpu/emulated.rs",
    "gpu/products.rs",
];

/// What several verbs of the command line share; every other file there is a verb, which no other
/// verb uses.
const SHARED_BY_VERBS: [&str; 7] =
    ["annotations", "error", "model", "output", "progress", "site", "texts"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false => found.push(path),
        }
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found.sort();
    found
}

/// The first part of a path below `src`: `nn` of `src/nn/tape.rs`, `seed` of `src/seed.rs`.
fn room(path: &Path) -> String {
    let below = path.strip_prefix("src").unwrap();
    Path::new(below.iter().next().unwrap()).file_stem().unwrap().to_string_lossy().into()
}

/// The rooms that a source file names after `crate::`, and `candle` if it uses candle.
fn used(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let named = code.split("crate::").skip(1).map(|rest| {
        rest.chars()
            .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
            .collect::<String>()
    });
    let mut rooms: BTreeSet<String> = named.filter(|name| !name.is_empty()).collect();
    if code.contains("candle_core") || code.contains("candle_nn") {
        rooms.insert("candle".into());
    }
    rooms
}

#[test]
fn no_room_uses_another_that_it_may_not() {
    for path in sources(Path::new("src")) {
        let room = room(&path);
        if ["main", "lib", "cli"].contains(&room.as_str()) {
            continue;
        }
        let allowed = ALLOWED.iter().find(|(name, _)| *name == room);
        let (_, allowed) =
            allowed.unwrap_or_else(|| panic!("{room} has no place among the arrows"));
        for other in used(&std::fs::read_to_string(&path).unwrap()) {
            assert!(
                other == room || allowed.contains(&other.as_str()),
                "{} uses {other}",
                path.display()
            );
        }
    }
}

#[test]
fn no_verb_of_the_command_line_uses_another() {
    for path in sources(Path::new("src/cli")) {
        let below = path.strip_prefix("src/cli").unwrap();
        if below == Path::new("mod.rs") || below.components().count() > 1 {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for used in text.lines().filter_map(|line| line.strip_prefix("use super::")) {
            let used = used.split([':', ';', '{']).next().unwrap();
            let is_type = used.is_empty() || used.starts_with(char::is_uppercase);
            assert!(is_type || SHARED_BY_VERBS.contains(&used), "{} uses {used}", path.display());
        }
    }
}

#[test]
fn only_the_progress_file_uses_indicatif() {
    for path in sources(Path::new("src")) {
        let uses = std::fs::read_to_string(&path).unwrap().contains("use indicatif");
        assert_eq!(uses, path.ends_with("cli/progress.rs"), "{}", path.display());
    }
}

#[test]
fn every_file_fits_in_the_head() {
    for path in sources(Path::new("src")).into_iter().chain([PathBuf::from("src/main.rs")]) {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        let limit = if path.ends_with("main.rs") { 80 } else { 400 };
        assert!(lines <= limit, "{} has {lines} lines", path.display());
    }
}

/// Whether the line's code has this word, beside its comment and the strings in it.
fn has_word(line: &str, word: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.split('"')
        .step_by(2)
        .any(|code| code.split(|letter| !is_part(letter)).any(|found| found == word))
}

/// The comments and attributes right above a line, which may begin in the middle of a statement.
fn above<'a>(lines: &[&'a str], number: usize) -> Vec<&'a str> {
    let is_note = |line: &&&str| line.starts_with("//") || line.starts_with("#[");
    lines[..number].iter().rev().take_while(is_note).copied().collect()
}

#[test]
fn unsafe_code_stands_only_where_nn_says_and_says_why_it_is_sound() {
    let manifest = std::fs::read_to_string("Cargo.toml").unwrap();
    assert!(manifest.contains("\nunsafe_code = \"deny\"\n"));
    let documentation = std::fs::read_to_string("src/nn/mod.rs").unwrap();
    let mut found = BTreeSet::new();
    for path in sources(Path::new("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| has_word(line, "unsafe"))
        {
            let place = format!("{}:{}: {line}", path.display(), number + 1);
            found.insert(path.strip_prefix("src/nn").expect(&place).to_path_buf());
            let why = if line.contains("unsafe fn") { "/// # Safety" } else { "// SAFETY: " };
            let notes = above(&lines, number);
            assert!(notes.iter().any(|note| note.starts_with(why)), "{place}: without {why}");
        }
        let is_allowed = lines.contains(&"#![allow(unsafe_code)]");
        let is_named = UNSAFE.iter().any(|name| path == Path::new("src/nn").join(name));
        assert_eq!(is_allowed, is_named, "{}", path.display());
    }
    assert_eq!(found, UNSAFE.iter().map(PathBuf::from).collect());
    for name in UNSAFE {
        assert!(documentation.contains(&format!("`{name}`")), "nn does not name {name}");
    }
}
