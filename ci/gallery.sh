#!/bin/sh
# Draws docs/gallery: measures its programs before and after their changes, checks the gate's verdict on each against
# docs/gallery/expected.toml, and writes the pictures. Takes about five minutes on a quiet machine.
# FLAME_GALLERY_OPTIONS: further options for the measuring run.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/ci/env.sh"
command -v git >/dev/null && command -v patch >/dev/null || { echo "needs git and patch" >&2; exit 1; }
use_environment demo "$ROOT"
GALLERY=$ROOT/docs/gallery
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cp -R "$GALLERY/project" "$work/desk"
cd "$work/desk"
find . -name __pycache__ -prune -exec rm -rf {} +
git init --quiet .
git add .
git -c user.name=gallery -c user.email=gallery@localhost -c commit.gpgsign=false commit --quiet -m "The desk"
for change in "$GALLERY"/changes/*.patch; do
    patch -s -p1 <"$change"
done
status=0
"$VENV/bin/python" -m pytest -q --flame-against=HEAD ${FLAME_GALLERY_OPTIONS:-} \
    --flame-report="$work/report" --flame-json="$work/result.json" || status=$?
# 1: some tests regressed, as they should.
[ "$status" -le 1 ] || exit "$status"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check playwright
anchor() {
    "$VENV/bin/python" -c 'import re, sys
page = open(sys.argv[1], encoding="utf-8").read()
print(re.search(rf"id=\"(test-\d+)\"[^>]*data-test=\"test_desk.py::test_{sys.argv[2]}[ \"]", page)[1])' "$work/report/index.html" "$1"
}
photograph() {
    "$VENV/bin/python" "$ROOT/ci/photograph.py" "$work/report/index.html" "$@"
}
at="--at=#$(anchor new_frame)"
photograph "$GALLERY/page-light.png" "$at" --height=860 --hover=desk.events:redacted
photograph "$GALLERY/page-dark.png" "$at" --height=860 --dark
photograph "$GALLERY/page-narrow.png" "$at" --width=375 --height=800
for name in deep_recursion wide; do
    photograph "$GALLERY/$name-page.png" "--at=#$(anchor $name)" --height=860
done
"$VENV/bin/python" "$ROOT/ci/gallery.py" "$GALLERY" "$work/result.json" "$work/report"
