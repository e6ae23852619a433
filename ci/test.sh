#!/bin/sh
# Runs the project's tests on a fresh machine: its own virtual environment, the package built from this checkout.
# Arguments go to pytest:  sh ci/test.sh tests/baseline -x
# One process per CPU, whole files at a time, the longest first. -n 0 runs everything in one process.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/ci/env.sh"
make_environment test -e "$ROOT[test]"
cd "$ROOT"
exec "$VENV/bin/python" -m pytest -n "$(nproc)" --dist loadfile --no-loadscope-reorder "$@"
