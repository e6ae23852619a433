#!/bin/sh
# Runs the tests of the sampler and the exact pass (not those of symbols, which are Python) with AddressSanitizer and
# UndefinedBehaviorSanitizer built into the C code, and looks for leaks in what the C code allocates (CPython itself frees
# little at exit: its leaks are not counted).
# Arguments go to pytest:  sh ci/sanitize.sh -k fork
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/ci/env.sh"
make_environment sanitize -e "$ROOT[test]" -Ccmake.define.FLAME_SANITIZE=ON -Cbuild-dir="$ROOT/build/sanitize"
LOGS=$(mktemp -d)
trap 'rm -rf "$LOGS"' EXIT

# Python itself is not linked with it: the library must be loaded first.
export LD_PRELOAD="$(${CC:-gcc} -print-file-name=libasan.so)"
# A large quarantine makes every allocation touch new pages: kernel time the tests do not expect.
export ASAN_OPTIONS="detect_leaks=1:log_path=$LOGS/report:quarantine_size_mb=4"
export LSAN_OPTIONS="exitcode=0:max_leaks=0"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:log_path=$LOGS/report"
export PYTHONMALLOC=malloc
cd "$ROOT"
status=0
# Without the tests of what the C code has no part in: the sanitizer's work at a process's end would count as its CPU.
"$VENV/bin/python" -m pytest -p no:cacheprovider tests/sampling tests/exact \
    --ignore=tests/sampling/symbols --ignore=tests/sampling/test_descendants.py "$@" || status=$?
unset LD_PRELOAD

if grep -lE 'ERROR: AddressSanitizer|runtime error' "$LOGS"/report.* 2>/dev/null; then
    cat "$LOGS"/report.* >&2
    echo "The sanitizers found an error." >&2
    exit 1
fi
# A leak is ours if our code requested the memory: if it is the frame below the allocator.
if grep -hA1 -E '#0 .*(malloc|calloc|realloc)' "$LOGS"/report.* 2>/dev/null | grep -E '_(sampler|exact)\..*\.so'; then
    echo "The C code leaks memory: see above." >&2
    exit 1
fi
exit "$status"
