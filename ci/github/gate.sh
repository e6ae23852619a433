#!/bin/sh
# The steps of action.yml, which explains the variables. Each can be run by itself:
#   sh gate.sh perf       allows perf events if the machine lets it
#   sh gate.sh install    installs pytest-flame
#   sh gate.sh base       finds the commit to compare with, and fetches it if the clone lacks it
#   sh gate.sh measure    runs the gate against it; the exit status is pytest's
#   sh gate.sh page       copies the report's page to a file of the job's own name
#   sh gate.sh comment    writes the comment; never fails
set -eu

REPORT=${FLAME_REPORT:-flame-report}

notice() {
    echo "::notice title=pytest-flame::$*"
}

fail() {
    echo "::error title=pytest-flame::$*"
    exit 1
}

output() {
    echo "$1=$2" >>"${GITHUB_OUTPUT:-/dev/null}"
}

perf() {
    [ "${FLAME_PERF:-auto}" = auto ] || return 0
    level=$(sysctl -n kernel.perf_event_paranoid 2>/dev/null) || level=
    case $level in
        -1 | 0 | 1) return ;;
        '') notice "this kernel has no perf events: samples are taken with timer signals" && return ;;
    esac
    setting=kernel.perf_event_paranoid=1
    if ! sysctl -q -w "$setting" 2>/dev/null && ! sudo -n sysctl -q -w "$setting" 2>/dev/null; then
        notice "kernel.perf_event_paranoid is $level and may not be changed here: above 2, samples are taken with" \
            "timer signals; at 2, without the kernel's part"
    fi
}

install() {
    [ "${FLAME_INSTALL:-yes}" = yes ] || return 0
    python -m pip install --quiet --disable-pip-version-check "$(dirname "$0")/../.."
}

is_here() {
    git cat-file -e "$1^{commit}" 2>/dev/null
}

fetch() {
    git fetch --quiet --no-tags "$@" || fail "git fetch $* failed. If the checkout keeps no credentials, let it fetch" \
        "what is needed: actions/checkout with fetch-depth: 2, or 0 if it checks out the branch itself"
}

# Where HEAD left the base branch; a shallow clone is deepened until it is there.
fork_point() {
    branch=refs/remotes/origin/$GITHUB_BASE_REF
    fetch --depth=50 origin "+refs/heads/$GITHUB_BASE_REF:$branch"
    for depth in 50 500 5000; do
        git merge-base HEAD "$branch" && return
        [ "$(git rev-parse --is-shallow-repository)" = true ] || break
        fetch --deepen="$depth" origin
    done
    fail "HEAD and $GITHUB_BASE_REF have no common history here"
}

base() {
    if [ -n "${FLAME_BASE:-}" ]; then
        is_here "$FLAME_BASE" || fetch --depth=1 origin "$FLAME_BASE"
        commit=$FLAME_BASE
        is_here "$commit" || commit=$(git rev-parse FETCH_HEAD)
    elif [ "$(git rev-parse HEAD)" != "${GITHUB_SHA:-}" ] && [ -n "${GITHUB_BASE_REF:-}" ]; then
        commit=$(fork_point) || { echo "$commit" && exit 1; }
    else
        # For a pull request, HEAD is its merge into the base branch: its first parent is that branch, as it was merged.
        is_here HEAD^1 || fetch --depth=2 origin "$(git rev-parse HEAD)"
        is_here HEAD^1 || fail "HEAD has no parent to compare with"
        commit=HEAD^1
    fi
    commit=$(git rev-parse "$commit^{commit}")
    echo "base: $commit"
    output base "$commit"
}

measure() {
    [ -n "${FLAME_AGAINST:-}" ] || fail "there is no commit to compare with"
    eval "set -- ${FLAME_ARGUMENTS:-}"
    python -m pytest --flame-only --flame-against="$FLAME_AGAINST" --flame-github=on --flame-report="$REPORT" \
        --flame-json="$REPORT/result.json" --flame-markdown="$REPORT/comment.md" --flame-sarif="$REPORT/flame.sarif" \
        "$@"
}

page() {
    name=$(printf '%s' "${FLAME_NAME:-}" | tr -c '[:alnum:]._' -)
    file=${RUNNER_TEMP:-.}/flame${name:+-$name}.html
    cp "$REPORT/index.html" "$file"
    output file "$file"
}

comment() {
    if [ ! -f "$REPORT/result.json" ]; then
        notice "there is no comment: the run ended without a result"
        return 0
    fi
    set -- "$REPORT/result.json" --github
    [ -z "${FLAME_NAME:-}" ] || set -- "$@" --name "$FLAME_NAME"
    [ -z "${FLAME_REPORT_URL:-}" ] || set -- "$@" --report-url "$FLAME_REPORT_URL"
    [ "${FLAME_PICTURES:-no}" = no ] || set -- "$@" --pictures "$REPORT"
    python -m pytest_flame.cli comment "$@" || notice "the comment could not be written"
}

case ${1:-} in
    perf | install | base | measure | page | comment) "$1" ;;
    *) fail "usage: sh gate.sh perf|install|base|measure|page|comment" ;;
esac
