//! What the pages say of files, flags and commands is true.

#[cfg(unix)]
mod commands;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::{stdout, valuenet};

/// All pages, each with where it stands.
fn pages() -> Vec<(PathBuf, String)> {
    let of_folder =
        |folder: &str| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = of_folder(".").chain(of_folder("docs")).chain(of_folder("benches"));
    let pages = all.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_link_leads_to_a_file() {
    let mut found = 0;
    for (page, text) in pages() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.starts_with("http") && !link.starts_with('#') {
                let target = page.parent().unwrap().join(link.split('#').next().unwrap());
                assert!(target.exists(), "{}: {link}", page.display());
                found += 1;
            }
        }
    }
    assert!(found > 10, "{found} links");
}

#[test]
fn the_readme_asks_for_the_rust_that_the_manifest_declares() {
    let manifest = std::fs::read_to_string("Cargo.toml").unwrap();
    let declared = manifest.split("\nrust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    let readme = std::fs::read_to_string("README.md").unwrap();
    assert!(readme.contains(&format!("a Rust toolchain ({declared} or newer)")), "{declared}");
}

#[test]
fn every_file_of_the_repository_that_a_page_names_is_there() {
    let roots = ["src/", "configs/", "scripts/", "tests/", "benches/", "data/sample"];
    let mut found = BTreeSet::new();
    for (page, text) in pages() {
        for name in text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| roots.iter().any(|root| name.starts_with(root)))
        {
            let name = name.split(' ').next().unwrap();
            if !name.contains(['*', '{', '…']) {
                assert!(Path::new(name).exists(), "{}: {name}", page.display());
                found.insert(name.to_string());
            }
        }
    }
    assert!(found.len() > 20, "{found:?}");
}

#[test]
fn every_flag_in_the_table_of_commands_is_a_flag() {
    let text = std::fs::read_to_string("docs/commands.md").unwrap();
    let mut checked = 0;
    for row in text.lines().filter_map(|line| line.strip_prefix("| `valuenet ")) {
        let is_verb = |word: &&str| {
            !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase())
        };
        let verb: Vec<&str> = row.split([' ', '`']).take_while(is_verb).collect();
        if verb == ["serve"] && !cfg!(feature = "serve") {
            continue;
        }
        let help = stdout(&valuenet(verb.iter().copied().chain(["--help"])));
        let is_flag = |letter: char| letter.is_ascii_lowercase() || letter == '-';
        for rest in row.split("--").skip(1) {
            let flag: String = rest.chars().take_while(|letter| is_flag(*letter)).collect();
            let flag = format!("--{flag}");
            assert!(
                help.split(|letter| !is_flag(letter)).any(|word| word == flag),
                "{verb:?} has no {flag}"
            );
            checked += 1;
        }
    }
    assert!(checked > 60, "{checked} flags");
}

#[test]
fn every_flag_of_a_command_in_a_page_is_a_flag() {
    let is_verb =
        |word: &&str| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase());
    let help = |verb: &[&str]| valuenet(verb.iter().copied().chain(["--help"]));
    let mut checked = 0;
    for (page, text) in pages() {
        // Code between backticks: a span, or the lines of a block.
        let code = text.split('`').skip(1).step_by(2).flat_map(str::lines);
        for line in code.flat_map(|line| line.split(" | ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some(program) = words.iter().position(|word| word.ends_with("valuenet")) else {
                continue;
            };
            let words = &words[program + 1..];
            let mut verb: Vec<&str> = words.iter().copied().take_while(is_verb).take(2).collect();
            if !matches!(verb.first(), Some(&"data" | &"dialogue")) {
                verb.truncate(1);
            }
            if verb.is_empty() || (verb == ["serve"] && !cfg!(feature = "serve")) {
                continue;
            }
            let output = help(&verb);
            assert!(output.status.success(), "{}: {verb:?} is no command: {line}", page.display());
            let help = stdout(&output);
            for flag in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                let is_flag = |letter: char| letter.is_ascii_lowercase() || letter == '-';
                assert!(
                    help.split(|letter| !is_flag(letter)).any(|word| word == *flag),
                    "{}: {verb:?} has no {flag}",
                    page.display()
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 15, "{checked} flags");
}
