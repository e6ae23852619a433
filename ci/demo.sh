#!/bin/sh
# The gate on a fresh machine: installs pytest-flame into an environment of its own, records the example project's
# baselines on this machine, shows that the unchanged code passes, slows one function down in a temporary copy and
# shows the failing run. Exit status 0 when the gate caught the regression and named the frame.
# FLAME_DEMO_PATCH=FILE demonstrates another of example_project/regressions/.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/ci/env.sh"
make_environment demo "$ROOT"

PATCH=${FLAME_DEMO_PATCH:-01-slower-leaf.patch}
TEST=tests/test_intake.py
# Twice the default: a demonstration has to come out on a machine that is doing other things as well.
GATE="--flame --flame-threshold=10%"
REPORT=$ROOT/flame-report
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cp -R "$ROOT/example_project" "$work/shop"
rm -rf "$work/shop/flame-baselines"
cd "$work/shop"

echo "=== 1. record the baselines on this machine: pytest --flame-update=all $TEST"
"$VENV/bin/python" -m pytest -q --flame-update=all $TEST
echo
echo "=== 2. the code as it is: pytest $GATE $TEST"
"$VENV/bin/python" -m pytest -q $GATE $TEST
echo
echo "=== 3. with $PATCH: pytest $GATE $TEST"
patch -s -p1 <"regressions/$PATCH"
if "$VENV/bin/python" -m pytest -q $GATE --flame-report="$REPORT" --flame-json="$work/result.json" $TEST; then
    echo "The gate let the regression through." >&2
    exit 1
fi
"$VENV/bin/python" regressions/caught.py "$PATCH" "$work/result.json"
echo "The report: $REPORT/index.html"
