#!/usr/bin/env bash
# Runs tests under AddressSanitizer, which sees reads and writes beyond what was allocated, in vector instructions too, which Miri does not know.
#
#   scripts/test_asan.sh [FILTER]...
#
# FILTERs are parts of the tests' names: by default those of operations, goldens, language models, generation, training and changed
# files. Takes the instructions that this machine has. Needs a nightly toolchain (rustup toolchain install nightly); the first build takes
# ten minutes of two cores.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
[ $# -gt 0 ] || set -- ops:: golden:: language:: generate:: seq2seq:: training:: mutation::
export CARGO_TARGET_DIR=target/asan CARGO_PROFILE_DEV_OPT_LEVEL=1 RUSTFLAGS=-Zsanitizer=address RUST_BACKTRACE=0
# What statics hold at the end is no leak.
export ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-}
cargo +nightly test --locked --target "$host" --lib -- nn::
exec cargo +nightly test --locked --target "$host" --test tests -- "$@"
