# Sourced by demo.sh and test.sh: a Python that fits, and a virtual environment of its own with the package in it.
# FLAME_PYTHON names the Python to use; FLAME_VENV the environment's folder (kept and used again).

find_python() {
    for candidate in ${FLAME_PYTHON:-python3.11 python3}; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "pytest-flame needs CPython 3.11 and found none (looked for: ${FLAME_PYTHON:-python3.11 python3})." >&2
    echo "  Debian 12:  apt-get install python3.11 python3.11-venv python3.11-dev gcc" >&2
    echo "  elsewhere:  set FLAME_PYTHON=/path/to/python3.11 (pyenv or uv bring one)" >&2
    return 1
}

# make_environment NAME PIP-ARGUMENT...: $VENV holds what pip was asked for, built from this checkout as it is now.
make_environment() {
    VENV=${FLAME_VENV:-$ROOT/.venv-$1}
    shift
    if [ ! -x "$VENV/bin/python" ]; then
        python=$(find_python) || exit 1
        if ! "$python" -m venv "$VENV"; then
            rm -rf "$VENV"
            echo "'$python -m venv' failed; on Debian and Ubuntu: apt-get install python3.11-venv" >&2
            exit 1
        fi
    else
        # pip would keep the package of an earlier run: its version is the same.
        "$VENV/bin/python" -m pip uninstall --quiet --yes pytest-flame
    fi
    if ! "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$@" 2>"$VENV/pip.log"; then
        cat "$VENV/pip.log" >&2
        echo "pytest-flame could not be installed; what pip said is above." >&2
        exit 1
    fi
}
