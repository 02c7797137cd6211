#!/usr/bin/env bash
# Runs the CPU kernels' unit tests under Miri, which checks their unsafe code: bounds, uninitialised memory, aliasing, races.
#
#   scripts/test_miri.sh [FILTER] [OPTION]...
#
# FILTER is part of the tests' names; options go to cargo. Needs a nightly toolchain: rustup toolchain install nightly
# --component miri,rust-src. Miri knows no vector instructions and no AMX, so the portable kernels run. Takes two minutes, after
# some for the first build.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=target/miri RUST_BACKTRACE=0 RAYON_NUM_THREADS=2
# Rayon's threads outlive the tests, and its queues turn numbers into pointers.
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-tree-borrows -Zmiri-permissive-provenance ${MIRIFLAGS:-}"
exec cargo +nightly miri test --locked --lib "${@:-nn::cpu}"
