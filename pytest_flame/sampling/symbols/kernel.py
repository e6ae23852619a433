"""Names of kernel addresses, from ``/proc/kallsyms`` (proc(5)).

Who sees addresses there (kernel/kallsyms.c, kallsyms_show_value): with ``kernel.kptr_restrict`` 0, users who may
profile the kernel (``kernel.perf_event_paranoid`` at most 1) and those with CAP_SYSLOG; with 1, only those with
CAP_SYSLOG; with 2, nobody. Others see zeros.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_flame.model import Frame
from pytest_flame.sampling.symbols.demangle import without_clone

UNKNOWN: Final = "[unknown]"
_FUNCTION: Final = re.compile(rb"^([0-9a-f]{16}) [tTwW] ([^\s$]\S*)", re.MULTILINE)
_SETTINGS: Final = Path("/proc/sys/kernel")


class KernelSymbols:
    """Functions of the running kernel and its modules. ``reason`` says why there are none, ``fix`` how to get them."""

    def __init__(self, starts: Sequence[int], names: Sequence[str], reason: str = "", fix: str = "") -> None:
        self.starts = starts
        """Ascending."""
        self.reason, self.fix = reason, fix
        self._names = names

    @classmethod
    def open(cls, path: Path = Path("/proc/kallsyms"), settings: Path = _SETTINGS) -> KernelSymbols:
        """The symbols of the running kernel, as far as it shows them to this user."""
        try:
            text = path.read_bytes()
        except OSError as e:
            return cls((), (), f"{path} cannot be read: {e.strerror}")
        found: dict[int, bytes] = {}
        for address, name in _FUNCTION.findall(text):
            found.setdefault(int(address, 16), name)
        found.pop(0, None)
        if not found:
            return cls((), (), *_why_hidden(settings))
        starts = sorted(found)
        return cls(starts, [without_clone(found[start].decode("utf-8", "replace")) for start in starts])

    def name(self, address: int) -> str:
        """The function that contains ``address``; ``[unknown]`` if the kernel does not show it: its addresses change at
        each boot and identify nothing."""
        i = bisect_right(self.starts, address) - 1
        return self._names[i] if i >= 0 else UNKNOWN

    def frame(self, address: int) -> Frame:
        """``kernel:symbol``."""
        return Frame("kernel", self.name(address))

    def __len__(self) -> int:
        return len(self.starts)


def _why_hidden(settings: Path) -> tuple[str, str]:
    """Reason and command."""
    restrict, paranoid = (_setting(settings / name) for name in ("kptr_restrict", "perf_event_paranoid"))
    if restrict is None:
        return "the kernel hides its addresses", "sudo sysctl kernel.kptr_restrict=0 kernel.perf_event_paranoid=1"
    if restrict >= 2:
        return f"kernel.kptr_restrict={restrict} hides kernel addresses from everybody", _command(0, paranoid)
    if restrict == 1:
        return "kernel.kptr_restrict=1 hides kernel addresses from users without CAP_SYSLOG", _command(0, paranoid)
    return (
        f"kernel.perf_event_paranoid={paranoid} hides kernel addresses from users without CAP_SYSLOG",
        _command(None, paranoid),
    )


def _command(restrict: int | None, paranoid: int | None) -> str:
    wanted = [] if restrict is None else [f"kernel.kptr_restrict={restrict}"]
    wanted += ["kernel.perf_event_paranoid=1"] if paranoid is None or paranoid > 1 else []
    return f"sudo sysctl {' '.join(wanted)}" if wanted else "give the process CAP_SYSLOG"


def _setting(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
