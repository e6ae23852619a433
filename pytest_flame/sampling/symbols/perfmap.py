"""Names that just-in-time compilers write for their code: ``/tmp/perf-PID.map``, one function per line, ``START SIZE
name`` in hexadecimal (Linux, tools/perf/Documentation/jit-interface.txt)."""

from __future__ import annotations

import os
import re
import stat
from bisect import bisect_right
from pathlib import Path
from typing import Final

from pytest_flame.sampling.symbols.symbol_table import Symbol

FOLDER: Final = Path("/tmp")
_LINE: Final = re.compile(rb"^([0-9a-fA-F]{1,16})[ \t]+([0-9a-fA-F]{1,16})[ \t]+([^\n]+)$", re.MULTILINE)
_PYTHON: Final = re.compile(r"(py::.+?):[^:]*")
"""Names of CPython's own trampolines: the file is not part of a function's name."""
_MAX_BYTES: Final = 1 << 28


class PerfMap:
    """The functions that a process's compilers have announced so far."""

    def __init__(self, pid: int | str = "self", folder: Path | None = None) -> None:
        number = os.getpid() if pid == "self" else _own_number(int(pid))
        root = Path("/") if pid == "self" else Path(f"/proc/{pid}/root")
        self._path = root / (folder or FOLDER).relative_to("/") / f"perf-{number}.map"
        self._owners = {0, os.geteuid(), _uid(pid)}
        self._size = -1
        self._symbols: list[Symbol] = []
        self._starts: list[int] = []

    def find(self, address: int) -> Symbol | None:
        """The newest function at ``address``, since memory is reused. The file is read again if it has grown."""
        found = self._find(address)
        if found is None and self._read():
            found = self._find(address)
        return found

    def _find(self, address: int) -> Symbol | None:
        i = bisect_right(self._starts, address) - 1
        return self._symbols[i] if i >= 0 and address < self._symbols[i].end else None

    def _read(self) -> bool:
        """Whether there was anything new. Anyone may write to /tmp: only the user's own file is trusted."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid not in self._owners or status.st_size == self._size:
                return False
            self._size = status.st_size
            text = stream.read(_MAX_BYTES)
        newest: dict[int, Symbol] = {}
        for start_text, size_text, name in _LINE.findall(text):
            start = int(start_text, 16)
            newest[start] = Symbol(start, start + int(size_text, 16), _short(name.decode("utf-8", "replace").strip()))
        self._starts = sorted(newest)
        self._symbols = [newest[start] for start in self._starts]
        return True


def _short(name: str) -> str:
    python = _PYTHON.fullmatch(name)
    return python[1] if python else name


def _own_number(pid: int) -> int:
    """The process's number as it knows itself, inside its container."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return pid
    found = re.search(r"^NSpid:.*?(\d+)$", status, re.MULTILINE)
    return int(found[1]) if found else pid


def _uid(pid: int | str) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return os.geteuid()
