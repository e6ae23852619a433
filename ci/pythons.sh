#!/bin/sh
# Runs tests on the CPython releases a machine does not have: 3.13, 3.14 and 3.15 as Debian forky ships them, in a
# chroot made once by debootstrap (a minute, 1 GB). The checkout is seen there at its own path.
#   sh ci/pythons.sh                         the sampler's tests on each
#   sh ci/pythons.sh test 3.14 [ARGUMENTS]   ci/test.sh on one; arguments go to pytest
#   sh ci/pythons.sh run 3.14 COMMAND…       any command, with that Python and the package built for it first in PATH
#   sh ci/pythons.sh prepare                 only makes the interpreters available
# FLAME_PYTHONS names the chroot's folder; it can be shared by checkouts, and may be deleted at any time.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
VERSIONS="3.13 3.14 3.15"
SUITE=forky
MIRROR=http://deb.debian.org/debian
CHROOT=${FLAME_PYTHONS:-${XDG_CACHE_HOME:-$HOME/.cache}/pytest-flame/debian-$SUITE}
PACKAGES=ca-certificates,gcc,git,libc6-dev,libffi-dev
for version in $VERSIONS; do
    PACKAGES=$PACKAGES,python$version,python$version-dev,python$version-venv
done

refuse() {
    echo "ci/pythons.sh: $1" >&2
    shift
    printf '  %s\n' "$@" >&2
    exit 1
}

check_machine() {
    [ "$(id -u)" = 0 ] || refuse "needs root: debootstrap(8), mount(2) and chroot(2) are not for users." \
        "as root:       sudo sh ci/pythons.sh" \
        "without root:  install the Pythons otherwise (uv python install 3.14), then FLAME_PYTHON=python3.14 sh ci/test.sh"
    command -v unshare >/dev/null || refuse "needs unshare(1)." "Debian, Ubuntu:  apt-get install util-linux"
    unshare --mount true 2>/dev/null || refuse "may not make a mount namespace here (unshare(2) is refused)." \
        "in a container:  docker run --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
}

# A folder that holds the marker is complete: the marker comes last, and an unfinished attempt is never used.
prepare() {
    [ "$(cat "$CHROOT/packages" 2>/dev/null)" = "$PACKAGES" ] && return
    command -v debootstrap >/dev/null ||
        refuse "needs debootstrap to fetch Debian's Pythons." "Debian, Ubuntu:  apt-get install debootstrap"
    script=/usr/share/debootstrap/scripts
    [ -e "$script/$SUITE" ] && script=$script/$SUITE || script=$script/sid
    mkdir -p "$(dirname "$CHROOT")"
    attempt=$(mktemp -d "$CHROOT.XXXXXX")
    trap 'rm -rf "$attempt"' EXIT
    chmod 755 "$attempt"
    debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$attempt" "$MIRROR" "$script" >"$attempt.log" 2>&1 || {
        tail -n 20 "$attempt.log" >&2
        refuse "debootstrap failed; its last words are above, all of them in $attempt.log."
    }
    rm -rf "$attempt/var/cache/apt/archives" "$attempt.log" "$CHROOT"
    echo "$PACKAGES" >"$attempt/packages"
    mv "$attempt" "$CHROOT"
    trap - EXIT
}

# inside VERSION COMMAND…: the mounts live in a namespace of their own and go with the command, however it ends.
inside() {
    FLAME_PYTHON=python$1 FLAME_VENV=$ROOT/.venv-$1
    shift
    mkdir -p "$CHROOT$ROOT"
    ROOT=$ROOT CHROOT=$CHROOT FLAME_PYTHON=$FLAME_PYTHON FLAME_VENV=$FLAME_VENV \
        unshare --mount --propagation private sh -euc '
            mount --rbind /proc "$CHROOT/proc"
            mount --rbind /sys "$CHROOT/sys"
            mount --rbind /dev "$CHROOT/dev"
            mount --bind "$ROOT" "$CHROOT$ROOT"
            mount --bind /etc/ssl/certs "$CHROOT/etc/ssl/certs"
            cp /etc/resolv.conf /etc/hosts "$CHROOT/etc/"
            unset TMPDIR
            exec chroot "$CHROOT" sh -euc "cd \"\$ROOT\"; exec \"\$@\"" inside "$@"
        ' inside "$@"
}

test_on() {
    version=$1
    shift
    echo "== CPython $version" >&2
    inside "$version" env -u LD_PRELOAD sh "$ROOT/ci/test.sh" "$@"
}

check_machine
prepare
case ${1-} in
prepare) ;;
test)
    shift
    test_on "$@"
    ;;
run)
    version=$2
    shift 2
    inside "$version" sh -euc 'ROOT=$1; shift; . "$ROOT/ci/env.sh"; use_environment test -e "$ROOT[test]"; exec "$@"' run "$ROOT" "$@"
    ;;
*)
    for version in $VERSIONS; do
        test_on "$version" tests/sampling "$@"
    done
    ;;
esac
