//! Fuzzes the reader that VALUENET_READER names: see scripts/fuzz.sh.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use tempfile::TempDir;
use valuenet::guard::caught;

#[path = "../readers.rs"]
mod readers;

static NAME: LazyLock<String> =
    LazyLock::new(|| std::env::var("VALUENET_READER").expect("VALUENET_READER names a reader"));

/// A folder of this process, and the file in it.
static PLACE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join(&*NAME);
    (folder, path)
});

fuzz_target!(|bytes: &[u8]| -> Corpus {
    std::fs::write(&PLACE.1, bytes).expect("a temporary file can be written");
    match caught(|| readers::accepts(&NAME, &PLACE.1)) {
        Ok(_) => Corpus::Keep,
        Err(panic) => {
            eprintln!("{}: {panic}", *NAME);
            std::process::abort()
        }
    }
});
