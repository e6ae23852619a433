# Sourced by the other scripts: finds a supported Python and makes a virtual environment with the package. FLAME_PYTHON
# names the Python to use, FLAME_VENV the environment's folder (kept and reused).

# pyproject.toml has the only list of versions; the oldest comes first.
SUPPORTED=$(sed -n 's/.*"Programming Language :: Python :: \(3\.[0-9]*\)".*/\1/p' "$ROOT/pyproject.toml" | tr '\n' ' ')
CANDIDATES="python${SUPPORTED%% *} python3$(printf ' python%s' $SUPPORTED)"

find_python() {
    for candidate in ${FLAME_PYTHON:-$CANDIDATES}; do
        if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c '
import sys, sysconfig
sys.exit("{}.{}".format(*sys.version_info) not in sys.argv[1:] or bool(sysconfig.get_config_var("Py_GIL_DISABLED")))
' $SUPPORTED 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "pytest-flame needs CPython $SUPPORTED, not free-threaded, and found none" \
        "(looked for: ${FLAME_PYTHON:-$CANDIDATES})." >&2
    echo "  Debian, Ubuntu:  apt-get install gcc python3 python3-venv python3-dev" >&2
    echo "  elsewhere:       set FLAME_PYTHON=/path/to/python3.13 (pyenv or uv provide one)" >&2
    return 1
}

# make_environment NAME PIP-ARGUMENT...: makes $VENV with what pip is told to install, built from this checkout as it is
# now.
make_environment() {
    VENV=${FLAME_VENV:-$ROOT/.venv-$1}
    shift
    if [ ! -x "$VENV/bin/python" ]; then
        python=$(find_python) || exit 1
        if ! "$python" -m venv "$VENV"; then
            rm -rf "$VENV"
            echo "'$python -m venv' failed; on Debian and Ubuntu: apt-get install $(basename "$python")-venv" >&2
            exit 1
        fi
    else
        # pip would keep the package of an earlier run: its version is the same.
        "$VENV/bin/python" -m pip uninstall --quiet --yes pytest-flame
    fi
    if ! "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$@" 2>"$VENV/pip.log"; then
        cat "$VENV/pip.log" >&2
        echo "pytest-flame could not be installed; pip's output is above." >&2
        exit 1
    fi
}

# use_environment NAME PIP-ARGUMENT...: uses the environment as it is, or makes it if it is missing; its programs come
# first in PATH.
use_environment() {
    if [ -x "${FLAME_VENV:-$ROOT/.venv-$1}/bin/pytest" ]; then
        VENV=${FLAME_VENV:-$ROOT/.venv-$1}
    else
        make_environment "$@"
    fi
    PATH=$VENV/bin:$PATH
}
