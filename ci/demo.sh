#!/bin/sh
# Demonstrates the gate on a fresh machine: installs pytest-flame into its own environment, records the example
# project's baselines and commits them in a temporary copy, shows that the unchanged code passes, slows down one
# function in that copy and shows the failing run: it is slower than its baseline, so the baseline's commit is measured
# again together with it before the test fails. Exit status 0 if the gate caught the regression and named the frame.
# FLAME_DEMO_PATCH=FILE demonstrates another patch of example_project/regressions/.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/ci/env.sh"
if ! command -v git >/dev/null 2>&1; then
    echo "The demonstration needs git: a suspicion is confirmed by measuring the baseline's commit again." >&2
    exit 1
fi
make_environment demo "$ROOT"

PATCH=${FLAME_DEMO_PATCH:-01-slower-leaf.patch}
TEST=tests/test_intake.py
# Twice the default: the demonstration must also succeed on a busy machine.
GATE="--flame --flame-threshold=10%"
REPORT=$ROOT/flame-report
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cp -R "$ROOT/example_project" "$work/shop"
rm -rf "$work/shop/flame-baselines"
cd "$work/shop"
printf '%s\n' flame-report/ __pycache__/ .pytest_cache/ >.gitignore

echo "=== 1. record the baselines on this machine and commit them: pytest --flame-update=all $TEST"
"$VENV/bin/python" -m pytest -q --flame-update=all $TEST
git init --quiet .
git add .
git -c user.name=demo -c user.email=demo@localhost -c commit.gpgsign=false commit --quiet -m "The shop and its baselines"
echo
echo "=== 2. the unchanged code: pytest $GATE $TEST"
"$VENV/bin/python" -m pytest -q $GATE $TEST
echo
echo "=== 3. with $PATCH: pytest $GATE $TEST"
patch -s -p1 <"regressions/$PATCH"
if "$VENV/bin/python" -m pytest -q $GATE --flame-report="$REPORT" --flame-json="$REPORT/result.json" $TEST; then
    echo "The gate let the regression through." >&2
    exit 1
fi
"$VENV/bin/python" regressions/caught.py "$PATCH" "$REPORT/result.json"
echo "The report: $REPORT/index.html"
