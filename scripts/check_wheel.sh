#!/usr/bin/env bash
# Builds the wheel, installs it where there is no Rust, and runs the README's second example by it: size, start-up time, scores.
#
#   scripts/check_wheel.sh
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD

venv=target/wheel
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet "maturin>=1.9,<2"
rm -rf target/wheels
"$venv/bin/maturin" build --release --quiet
wheel=$(ls target/wheels/*.whl)
echo "$(basename "$wheel"): $(du -k "$wheel" | cut -f1) KiB"

empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
python3 -m venv "$empty/venv"
env -i PATH=/usr/bin:/bin HOME="$empty" "$empty/venv/bin/pip" install --quiet --no-index "$here/$wheel"
ln -s "$here/data" "$here/configs" "$empty"
cd "$empty"
alone() { env -i PATH=/nowhere HOME="$empty" "$empty/venv/bin/valuenet" "$@"; }
alone env
alone train configs/quickstart.toml -o runs/quickstart --quiet > train.txt
sed -n 1,4p train.txt
echo 'She shared her lunch with a stranger.' > texts.txt
alone infer runs/quickstart texts.txt
python3 - "$empty/venv/bin/valuenet" << 'P'
import subprocess, sys, time
def took():
    begun = time.perf_counter()
    subprocess.run([sys.argv[1], "--version"], check=True, capture_output=True)
    return time.perf_counter() - begun
print(f"start-up: {1000 * min(took() for _ in range(20)):.1f} ms")
P
