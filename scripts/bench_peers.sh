#!/usr/bin/env bash
# Measures training and scoring beside PyTorch and ONNX Runtime, on the same data, in turns, and prints the ratios.
#
#   scripts/bench_peers.sh DATA MODEL [ROUNDS] [STEPS] [TEXTS]
#
# DATA is a folder with train.csv, eval.csv and test.csv; MODEL one with all-MiniLM-L6-v2 or another BERT. The peers are
# installed into target/peers. Nothing else should run meanwhile.
set -euo pipefail
data=$(realpath "$1")
model=$(realpath "$2")
cd "$(dirname "$0")/.."

if [ ! -x target/peers/bin/python ]; then
    python3 -m venv target/peers
    target/peers/bin/python -m pip install --quiet torch transformers onnx onnxruntime numpy sympy
fi
cargo build --release --quiet
exec target/peers/bin/python scripts/bench_peers.py "$data" "$model" "${@:3}"
