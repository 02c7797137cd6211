#!/usr/bin/env bash
# Runs every test of operations, goldens and training on a GPU, and those that only a GPU can fail.
#
#   scripts/test_cuda.sh [DEVICE]
#
# Needs target/valuenet-cuda-tests (scripts/build_cuda.sh) and the repository beside it: no Rust, no network.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x target/valuenet-cuda-tests ] || gunzip --keep --force target/valuenet-cuda-tests.gz
chmod +x target/valuenet-cuda-tests
export VALUENET_DEVICE=${1:-cuda:0}
target/valuenet-cuda-tests ops:: golden:: training::
target/valuenet-cuda-tests gpu:: --ignored
