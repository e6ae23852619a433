"""Names of kernel addresses, from ``/proc/kallsyms`` (proc(5))."""

from __future__ import annotations

import re
from bisect import bisect_right
from pathlib import Path
from typing import Final

from pytest_flame.model import Frame

KALLSYMS: Final = Path("/proc/kallsyms")
UNKNOWN: Final = Frame("kernel", "[unknown]")
_FUNCTION: Final = re.compile(rb"^([0-9a-f]+) [tTwW] ([^\s$]\S*)", re.MULTILINE)


class KernelSymbols:
    """Functions of the running kernel and its modules, sorted by address. ``reason`` says why there are none."""

    def __init__(self, starts: list[int], names: list[str], reason: str = "", fix: str = "") -> None:
        self._starts, self._names = starts, names
        self.reason, self.fix = reason, fix

    @classmethod
    def open(cls, path: Path = KALLSYMS) -> KernelSymbols:
        """Those of this machine. Without permission the list is empty: ``reason`` and ``fix`` say it."""
        try:
            text = path.read_bytes()
        except OSError as e:
            return cls([], [], f"{path} cannot be read: {e.strerror}")
        found = {int(address, 16): name.decode("utf-8", "replace") for address, name in _FUNCTION.findall(text)}
        found.pop(0, None)
        if not found:
            return cls([], [], *_hidden())
        starts = sorted(found)
        return cls(starts, [found[start] for start in starts])

    @property
    def starts(self) -> list[int]:
        return self._starts

    def frame(self, address: int) -> Frame:
        """``kernel:symbol``; ``kernel:[unknown]`` where the kernel does not say (its addresses change at each boot)."""
        i = bisect_right(self._starts, address) - 1
        return Frame("kernel", self._names[i]) if i >= 0 else UNKNOWN

    def __len__(self) -> int:
        return len(self._starts)


def _hidden() -> tuple[str, str]:
    return (
        "the kernel hides its addresses from this user",
        "sudo sysctl kernel.kptr_restrict=0 kernel.perf_event_paranoid=1",
    )
