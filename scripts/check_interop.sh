#!/usr/bin/env bash
# Other people's libraries read what valuenet writes, and write what it reads: pyarrow, pandas, DuckDB, pyvalues,
# Label Studio's SDK, ONNX Runtime, and Touché's evaluators.
#
#   scripts/check_interop.sh [--touche FOLDER]
#
# The libraries are installed into target/interop; a small model is trained there first. With --touche, the evaluators of both tasks are
# run as they are: FOLDER is a clone of https://github.com/touche-webis-de/touche-code.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=target/interop
if ! "$venv/bin/python" -c "import pyarrow, pandas, duckdb, pyvalues, sklearn, openapi_spec_validator, onnxruntime, tokenizers, label_studio_sdk" 2> /dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet pyarrow pandas duckdb pyvalues scikit-learn openapi-spec-validator onnxruntime tokenizers label-studio-sdk
fi
cargo build --release
[ -d "$venv/run" ] || target/release/valuenet train configs/quickstart.toml -o "$venv/run"
[ -d "$venv/shared" ] || target/release/valuenet train configs/quickstart.toml --set model.prompt=shared -o "$venv/shared"
exec "$venv/bin/python" scripts/check_interop.py target/release/valuenet "$venv/run" --shared "$venv/shared" "$@"
