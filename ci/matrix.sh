#!/bin/sh
# Runs the tests beside other plugins, and of pytest's configuration and options, under other releases of pytest.
#   sh ci/matrix.sh [ARGUMENTS]    arguments go to pytest
#   PYTEST="8.3" sh ci/matrix.sh   other releases
# Each has its own environment, such as .venv-pytest-8.2, with the latest plugins that work with it.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/ci/env.sh"
cd "$ROOT"
for release in ${PYTEST:-8.2 8.4}; do
    FLAME_VENV=$ROOT/.venv-pytest-$release make_environment matrix -e "$ROOT[test]" "pytest==$release.*"
    echo "pytest $release"
    "$VENV/bin/python" -m pytest -n "$(nproc)" tests/plugin/test_matrix.py "$@"
done
