#!/bin/sh
# Draws the pictures of README and docs: the report of the demonstration, as Chromium shows it, and its comment, with
# what GitHub leaves of Markdown and HTML.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
command -v chromium >/dev/null || { echo "needs chromium: apt-get install chromium" >&2; exit 1; }
sh "$ROOT/ci/demo.sh"
. "$ROOT/ci/env.sh"
use_environment demo "$ROOT"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check playwright
photograph() {
    "$VENV/bin/python" "$ROOT/ci/photograph.py" "$ROOT/flame-report/index.html" "$@"
}
photograph "$ROOT/docs/report.png" --height=1000
photograph "$ROOT/docs/report-graph.png" --at='#test-1' --height=820 --hover=shop.intake:unquote
photograph "$ROOT/docs/report-dark.png" --at='#test-1' --height=820 --dark
photograph "$ROOT/docs/report-narrow.png" --at='#test-1' --width=375 --height=800

"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check markdown-it-py nh3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
"$VENV/bin/python" "$ROOT/ci/comment_page.py" "$ROOT/flame-report/result.json" "$ROOT/flame-report" "$work"
for scheme in "" -dark; do
    "$VENV/bin/python" "$ROOT/ci/photograph.py" "$work/comment.html" "$ROOT/docs/comment$scheme.png" --width=800 \
        --of=article ${scheme:+--dark}
done
