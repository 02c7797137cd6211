#!/usr/bin/env bash
# What a release has for this machine's platform: the program with its pages, the wheel, and, of all that is built into them, a bill of
# materials (CycloneDX) with licences and checksums of every crate. SHA256SUMS names them all.
#
#   scripts/release.sh [FOLDER]      (default: target/release-files, which is made anew)
#
# Needs cargo-cyclonedx (cargo install cargo-cyclonedx) and Python with venv. The program has the service, and nothing for GPUs. Files in the archive
# bear the time of the last commit.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-target/release-files}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
platform=$(rustc -vV | sed -n 's/^host: //p')
name=valuenet-$version-$platform
rm -rf "$folder"
mkdir -p "$folder"
packed=$(mktemp -d)
trap 'rm -rf "$packed"; rm -f valuenet.cdx.json' EXIT

# No folder of this machine stands in the program.
export CARGO_TARGET_DIR=$PWD/target/dist RUSTFLAGS="--remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
cargo build --release --locked
mkdir "$packed/$name"
program=$packed/$name/valuenet
cp "$CARGO_TARGET_DIR/release/valuenet" README.md CHANGELOG.md CITATION.cff LICENSE "$packed/$name"
strip "$program"
"$program" man "$packed/$name/man" --quiet
for shell in bash zsh fish; do
    "$program" completions "$shell" >"$packed/$name/valuenet.$shell"
done
python3 - "$packed/$name" "$folder/$name.tar.gz" "$(git log -1 --format=%ct)" <<'P'
import gzip, pathlib, sys, tarfile
folder, archive, time = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def plain(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = time
    return entry
with open(archive, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=time) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
    for path in sorted(folder.rglob("*")):
        tar.add(path, path.relative_to(folder.parent), recursive=False, filter=plain)
P

venv=target/wheel
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet "maturin>=1.9,<2"
"$venv/bin/maturin" build --release --locked --quiet --out "$folder"

cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$platform" --override-filename valuenet.cdx
sed "s|file://$PWD|file://.|g" valuenet.cdx.json >"$folder/$name.cdx.json"

cd "$folder"
if command -v sha256sum >/dev/null; then sha256sum -- * >SHA256SUMS; else shasum -a 256 -- * >SHA256SUMS; fi
ls -l
