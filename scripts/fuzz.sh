#!/usr/bin/env bash
# Fuzzes readers of foreign bytes with coverage and AddressSanitizer.
#
#   scripts/fuzz.sh SECONDS [READER]...
#
# READERs are those of tests/readers.rs by the file that they read, such as texts.arrows; all by default, one after the other. Each
# begins with right files, which the tests make, and what it found stays in target/fuzz/corpus for the next time; a file that
# makes it fail is kept in target/fuzz/artifacts. Needs a nightly toolchain, cargo-fuzz (cargo install cargo-fuzz) and a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=$1
shift
corpus=$PWD/target/fuzz/corpus found=$PWD/target/fuzz/artifacts
VALUENET_FUZZ_FILES=0 VALUENET_FUZZ_CORPUS=$corpus/right cargo test --quiet --test tests mutation:: >/dev/null
[ $# -gt 0 ] || set -- $(ls "$corpus/right")
mkdir -p "$found"
cp Cargo.lock tests/fuzz/Cargo.lock # the same versions of what both use
export CARGO_TARGET_DIR=$PWD/target/fuzz CARGO_PROFILE_RELEASE_DEBUG=line-tables-only
cargo +nightly fuzz build --fuzz-dir tests/fuzz readers
for reader in "$@"; do
    mkdir -p "$corpus/$reader"
    echo "$reader:"
    VALUENET_READER=$reader cargo +nightly fuzz run --fuzz-dir tests/fuzz readers "$corpus/$reader" "$corpus/right/$reader" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=1000000 -artifact_prefix="$found/$reader-" -verbosity=0 -print_final_stats=1
done
