#!/bin/sh
# Static checks: ruff's rules and formatting, types, clang-format.
#   sh ci/lint.sh         reports problems
#   sh ci/lint.sh --fix   fixes what can be fixed
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/ci/env.sh"
use_environment test -e "$ROOT[test]"
cd "$ROOT"
C=$(git ls-files 'native/*.[ch]' 'tests/native/*.[ch]' 'benchmarks/*.[ch]')
if [ "${1:-}" = --fix ]; then
    ruff check --fix .
    ruff format .
    clang-format -i $C
fi
ruff check .
ruff format --check .
clang-format --dry-run --Werror $C
mypy
