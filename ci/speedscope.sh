#!/bin/sh
# Installs the real speedscope in build/browser, where tests/browser/test_speedscope.py looks for it.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
command -v npm >/dev/null || { echo "needs npm (Debian: apt-get install npm)" >&2; exit 1; }
mkdir -p "$ROOT/build/browser"
npm install --no-audit --no-fund --ignore-scripts --silent --prefix "$ROOT/build/browser" speedscope@1.25.0
