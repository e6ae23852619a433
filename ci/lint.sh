#!/bin/sh
# What is said of the code without running it: ruff's rules and layout, types, clang-format.
#   sh ci/lint.sh         says what is wrong
#   sh ci/lint.sh --fix   repairs what can be repaired
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
