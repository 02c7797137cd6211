#!/usr/bin/env bash
# Measures training and scoring with a BERT of base size on a GPU, beside PyTorch on the same GPU, and prints the ratios.
#
#   scripts/bench_cuda.sh [--data DIR] [--rounds N] [--steps N] [--texts N] [--skip-whole]
#
# Needs target/valuenet-cuda (scripts/build_cuda.sh), and a python3 with torch and transformers: PYTHON names another.
# Weights are random and texts made up unless DIR has train.csv, eval.csv and test.csv. Nothing else should run meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x target/valuenet-cuda ] || gunzip --keep --force target/valuenet-cuda.gz
chmod +x target/valuenet-cuda
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,clocks.max.sm --format=csv
VALUENET=$PWD/target/valuenet-cuda exec "${PYTHON:-python3}" scripts/bench_cuda.py "$@"
