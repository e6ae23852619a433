"""Python frames of another process, of any supported version, read by one program that was compiled once."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_flame.sampling.native import PYTHONS
from pytest_flame.sampling.source_lines import LineTable

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
"""The user's: tests run with one that is empty."""
ENCODINGS = {"1": "latin-1", "2": "utf-16-le", "4": "utf-32-le"}

TARGET = """
import ctypes, json, os, sys, types

def leaf():
    frame, stack = sys._getframe(), []
    while frame:
        code = frame.f_code
        stack.append((code.co_firstlineno, code.co_qualname, code.co_filename))
        frame = frame.f_back
    state = ctypes.pythonapi.PyThreadState_Get
    state.restype = ctypes.c_void_p
    told = {"version": sys.hexversion, "state": state(), "code_type": id(types.CodeType), "stack": stack}
    told["runtime"] = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    told["line"] = sys._getframe().f_lineno + 3
    ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1))  # PR_SET_PTRACER: anybody may read this process
    text = json.dumps(told).encode() + b"\\n"
    os.write(1, text), os.read(0, 1)  # one line: it may be read while it does either

class Érable:
    def generator(self):
        yield leaf()

    def sort(self):
        sorted([1], key=lambda _: next(self.generator()))

def 樹(depth):  # deeper than a chunk of the data stack
    樹(depth - 1) if depth else Érable().sort()

樹(300)
"""
"""Says who it is and what its stack is, and waits."""


def candidates(version: str) -> list[list[str]]:
    """Where an interpreter can be: in PATH, in pyenv, or in the chroot of ci/pythons.sh."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    chroot = Path(os.environ.get("FLAME_PYTHONS") or CACHE / "pytest-flame" / "debian-forky")
    found = [[f"python{version}"]]
    found += [[str(path)] for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))]
    if os.geteuid() == 0 and (chroot / "usr" / "bin" / f"python{version}").exists():
        found.append(["chroot", str(chroot), f"python{version}"])
    return found


def runs(command: list[str], version: str, environment: dict[str, str]) -> bool:
    """It is this version, not free-threaded, and has ctypes."""
    check = f"import ctypes, sys; sys.exit('%d.%d' % sys.version_info[:2] != {version!r} or 't' in sys.abiflags)"
    try:
        done = subprocess.run([*command, "-c", check], env=environment, capture_output=True, timeout=60, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.fixture(scope="session")
def walk_process(build: Callable[[Path], Path]) -> Path:
    return build(Path(__file__).with_name("walk_process.c"))


@pytest.fixture(params=PYTHONS)
def target(request: pytest.FixtureRequest, clean_environment: dict[str, str]) -> Any:
    """A process of that version in `leaf`."""
    version = request.param
    environment = {**clean_environment, "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}
    command = next((c for c in candidates(version) if runs(c, version, environment)), None)
    if command is None:
        pytest.skip(f"this machine has no CPython {version}")
    with subprocess.Popen(
        [*command, "-c", TARGET], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        yield process, json.loads(process.stdout.readline())
        process.communicate(b"\n")
    assert process.returncode == 0


def test_the_frames_of_another_process_are_those_it_sees_itself(
    walk_process: Path, target: tuple[subprocess.Popen[bytes], dict[str, Any]], clean_environment: dict[str, str]
) -> None:
    process, told = target
    arguments = [process.pid, *(told[name] for name in ("version", "runtime", "state", "code_type"))]
    done = subprocess.run(
        [str(walk_process), *map(str, arguments)],
        env=clean_environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *frames, leaf = done.stdout.splitlines()
    read = []
    for frame in frames:
        line, width, name, file_width, file = frame.split(" ")
        names = bytes.fromhex(name).decode(ENCODINGS[width]), bytes.fromhex(file).decode(ENCODINGS[file_width])
        read.append((int(line), *names))
    assert [[*entry] for entry in read] == told["stack"]
    offset, table = leaf.split(" ")
    assert LineTable(bytes.fromhex(table), read[0][0]).line(int(offset)) == told["line"]
