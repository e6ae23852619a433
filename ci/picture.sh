#!/bin/sh
# Draws docs/report.png anew: the report of the demo, as chromium shows it.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
command -v chromium >/dev/null || { echo "needs chromium: apt-get install chromium" >&2; exit 1; }
sh "$ROOT/ci/demo.sh"
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT INT TERM
chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync \
    --hide-scrollbars --user-data-dir="$profile" --window-size=1200,1000 \
    --screenshot="$ROOT/docs/report.png" "file://$ROOT/flame-report/index.html" 2>/dev/null
