#!/usr/bin/env bash
# Checkpoints of every family in Python's transformers: the same logits?
#
#   scripts/check_transformers.sh [VENV]
#
# VENV (by default target/transformers) is made, with torch and transformers, unless it has them.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${1:-target/transformers}
if ! "$venv/bin/python" -c "import torch, transformers, safetensors" 2> /dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet torch transformers safetensors
fi
cargo build --release
"$venv/bin/python" scripts/check_transformers.py target/release/valuenet
