#!/usr/bin/env bash
# Answers the page of `valuenet data survey` in a real Chromium, by keyboard, and gives what it saves to `data aggregate`.
#
#   scripts/test_survey.sh [PICTURES]
#
# PICTURES is a folder for screenshots. Chromium and its driver are installed by apt where they are missing; where that cannot be
# done the test is skipped, and says so. VALUENET names another program than target/debug/valuenet.
set -euo pipefail
pictures=$(realpath --canonicalize-missing "${1:-/nowhere}")
cd "$(dirname "$0")/.."

if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
  if ! { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null; }; then
    echo "scripts/test_survey.sh: SKIPPED, there is no chromium and chromedriver, and apt cannot install them" >&2
    exit 0
  fi
fi
if [ -z "${VALUENET:-}" ]; then
  cargo build
  VALUENET=$PWD/target/debug/valuenet
fi
export VALUENET
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ "$pictures" = /nowhere ] || mkdir -p "$pictures"
timeout 180 python3 scripts/test_survey.py "$folder" "$pictures"
