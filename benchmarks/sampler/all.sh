#!/bin/sh
# Every row of docs/sampler-accuracy.md, one after the other (about three hours on an otherwise idle machine).
# A restart keeps what is done:  sh benchmarks/sampler/all.sh [FOLDER for results]
# FLAME_PYTHON names the interpreter with the package (default: python); the other interpreters come from ci/pythons.sh.
set -u
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
RESULTS=$(mkdir -p "${1:-$ROOT/build/sampler}" && cd "${1:-$ROOT/build/sampler}" && pwd)
PYTHON=${FLAME_PYTHON:-python}
VERSIONS="3.13 3.14 3.15"
missed=
cd "$ROOT" || exit 1

# row NAME COMMAND…: prints its table and keeps it; missed goals are reported at the end.
row() {
    name=$1
    shift
    echo "== $name: $*"
    if "$@" >"$RESULTS/$name.txt" 2>&1; then :; else missed="$missed $name"; fi
    cat "$RESULTS/$name.txt"
}
here() {
    name=$1
    script=$2
    shift 2
    row "$name" "$PYTHON" -m "benchmarks.sampler.$script" "$@"
}
on() {
    version=$1
    script=$2
    shift 2
    row "$script-$version" sh ci/pythons.sh run "$version" python -m "benchmarks.sampler.$script" "$@"
}

here handler handler
here handler-native handler --native
here overhead overhead --results "$RESULTS/overhead.jsonl"
here overhead-native overhead --native --results "$RESULTS/overhead.jsonl"
here stacks stacks --results "$RESULTS/stacks.jsonl"
here shares shares --results "$RESULTS/shares.jsonl"
here torn torn --tool flame --tool py-spy --tool py-spy-nonblocking --tool austin --results "$RESULTS/torn.jsonl"
here agreement agreement --results "$RESULTS/agreement.jsonl"
here openblas openblas --results "$RESULTS/openblas.jsonl"
here unwind unwind_truth
here symbols symbols startup
here kernel kernel_time
here stress stress --results "$RESULTS/stress.jsonl"
for version in $VERSIONS; do
    on "$version" stacks --results "build/stacks-$version.jsonl"
done
on 3.15 agreement --load python --results build/agreement-3.15.jsonl
on 3.15 torn --tool flame --tool tachyon --tool tachyon-blocking --results build/torn-3.15.jsonl

[ -z "$missed" ] && exit 0
echo "Goals missed, or not run:$missed"
exit 1
