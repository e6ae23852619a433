#!/bin/sh
# Runs the tests of the sampler and the exact pass on the CPython releases other than the machine's own: 3.13, 3.14 and
# 3.15 from Debian forky, in a chroot that debootstrap makes once (two minutes, 0.8 GB) and that has the checkout at the
# same path; and 3.12, which no Debian release has, if the machine has it (in PATH or from pyenv).
#   sh ci/pythons.sh [ARGUMENTS]             these tests on each; arguments go to pytest
#   sh ci/pythons.sh test 3.14 [ARGUMENTS]   ci/test.sh on one, with a freshly built package: sh ci/pythons.sh test 3.14 tests -x
#   sh ci/pythons.sh run 3.14 COMMAND…       any command, with that Python's environment, as it is, first in PATH
#   sh ci/pythons.sh prepare                 only installs the interpreters
# Each Python has its own environment, such as .venv-3.14. FLAME_PYTHONS names the chroot's folder, which checkouts can
# share and which may be deleted at any time.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
SUITE=forky
VERSIONS="3.13 3.14 3.15"
# The mirror that apt uses here; other systems must name one.
MIRROR=${FLAME_DEBIAN:-$(apt-get indextargets --format '$(SITE)' 2>/dev/null | grep -v security | head -n 1)}
CHROOT=${FLAME_PYTHONS:-${XDG_CACHE_HOME:-$HOME/.cache}/pytest-flame/debian-$SUITE}
TESTS="tests/native tests/sampling tests/exact"
PACKAGES=ca-certificates,gcc,git,libc6-dev,libffi-dev
for version in $VERSIONS; do
    PACKAGES=$PACKAGES,python$version,python$version-dev,python$version-venv
done

refuse() {
    echo "ci/pythons.sh: $1" >&2
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

# A folder that contains the list of packages is complete: the list is written last, and an unfinished attempt has
# another name.
prepare() {
    [ "$(id -u)" = 0 ] || refuse "needs root, for debootstrap(8), mount(2) and chroot(2)." \
        "as root:       sudo sh ci/pythons.sh" \
        "without root:  get the Pythons otherwise (pyenv, uv), then FLAME_PYTHON=python3.14 sh ci/test.sh $TESTS"
    unshare --mount true 2>/dev/null || refuse "needs a mount namespace, and unshare(1) is missing or refused." \
        "Debian, Ubuntu:  apt-get install util-linux" \
        "in a container:  docker run --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
    mkdir -p "$(dirname "$CHROOT")"
    exec 9>"$CHROOT.lock"
    flock 9 # checkouts share the folder
    [ "$(cat "$CHROOT/flame-packages" 2>/dev/null)" = "$PACKAGES" ] && exec 9>&- && return
    command -v debootstrap >/dev/null ||
        refuse "needs debootstrap to fetch Debian's Pythons." "Debian, Ubuntu:  apt-get install debootstrap"
    [ "$MIRROR" ] || refuse "knows no Debian mirror: apt names none here." \
        "name one:  FLAME_DEBIAN=http://… sh ci/pythons.sh"
    script=/usr/share/debootstrap/scripts
    [ -e "$script/$SUITE" ] && script=$script/$SUITE || script=$script/sid
    attempt=$(mktemp -d "$CHROOT.XXXXXX")
    trap 'rm -rf "$attempt"' EXIT
    chmod 755 "$attempt"
    if ! debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$attempt" "$MIRROR" "$script" >"$attempt.log" 2>&1
    then
        tail -n 20 "$attempt.log" >&2
        refuse "debootstrap failed; the end of its output is above, all of it in $attempt.log."
    fi
    rm -rf "$attempt/var/cache/apt/archives" "$attempt.log" "$CHROOT"
    echo "$PACKAGES" >"$attempt/flame-packages"
    mv "$attempt" "$CHROOT"
    trap - EXIT
    exec 9>&-
}

# 3.12 from outside the chroot; nothing if the machine has none. (pyenv puts a python3.12 into PATH that may not run.)
find_beside() {
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python"$1"; do
        "$candidate" -c '' 2>/dev/null && command -v "$candidate" && return
    done
    return 0
}

in_chroot() {
    case " $VERSIONS " in *" $1 "*) true ;; *) false ;; esac
}

# within VERSION COMMAND…: the mounts are in their own namespace and disappear with the command, however it ends.
within() {
    version=$1
    shift
    export ROOT CHROOT FLAME_VENV="$ROOT/.venv-$version" FLAME_PYTHON="python$version"
    if ! in_chroot "$version"; then
        FLAME_PYTHON=$(find_beside "$version")
        [ "$FLAME_PYTHON" ] || refuse "this machine has no Python $version, and Debian $SUITE has $VERSIONS."
        cd "$ROOT"
        "$@"
        return
    fi
    prepare
    mkdir -p "$CHROOT$ROOT"
    unshare --mount --propagation private sh -euc '
        for folder in proc sys dev; do mount --rbind "/$folder" "$CHROOT/$folder"; done
        mount --bind "$ROOT" "$CHROOT$ROOT"
        mount --bind /etc/ssl/certs "$CHROOT/etc/ssl/certs"
        cp /etc/resolv.conf /etc/hosts "$CHROOT/etc/"
        unset TMPDIR
        exec chroot "$CHROOT" sh -euc "cd \"\$ROOT\"; exec \"\$@\"" within "$@"
    ' within "$@"
}

test_on() {
    version=$1
    shift
    echo "CPython $version: pytest $*"
    within "$version" env -u LD_PRELOAD sh "$ROOT/ci/test.sh" "$@"
}

case ${1-} in
prepare) prepare ;;
test)
    [ $# -ge 2 ] || refuse "test needs a version:  sh ci/pythons.sh test 3.14 $TESTS"
    shift
    test_on "$@"
    ;;
run)
    [ $# -ge 3 ] || refuse "run needs a version and a command:  sh ci/pythons.sh run 3.14 python -V"
    version=$2
    shift 2
    within "$version" sh -euc '. "$ROOT/ci/env.sh"; use_environment test -e "$ROOT[test]"; exec "$@"' run "$@"
    ;;
*)
    [ -z "$(find_beside 3.12)" ] && echo "CPython 3.12: not on this machine, not tested" || VERSIONS_BESIDE=3.12
    for version in ${VERSIONS_BESIDE-} $VERSIONS; do
        test_on "$version" $TESTS "$@"
    done
    ;;
esac
