"""How the machine affected a process while it was measured, and a loop whose cost is known.

Nothing here depends on what is measured: these facts may explain a slow process without excusing it.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Final

from pytest_flame import clocks
from pytest_flame.model import Outside

PROC: Final = Path("/proc")
NS_PER_S: Final = 1_000_000_000

_SPINS: Final = 4
_SPIN_TURNS: Final = 1200
"""About 30 µs each: together well under 1 % of the shortest round."""

_STEAL_COLUMN: Final = 8


def spin_ns() -> int:
    """CPU time of a fixed loop that uses no memory: how long the processor takes for the same work now.

    The smallest of a few: the first run depends on the caches that the program under test left.
    """
    return min(_spin() for _ in range(_SPINS))


def _spin() -> int:
    x = 1
    began = clocks.thread_time_ns()
    # Numbers below 128 exist already: nothing is allocated.
    for _ in repeat(None, _SPIN_TURNS):
        x = (x * 5 + 1) & 127
    return clocks.thread_time_ns() - began


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters since boot or since the process began; only differences are meaningful. None is unknown."""

    wall_ns: int
    steal_ns: int | None
    pressure_ns: int | None
    queued_ns: int | None
    involuntary_switches: int

    def since(self, earlier: Counters) -> Outside:
        return Outside(
            wall_ns=max(0, self.wall_ns - earlier.wall_ns),
            cpus=os.cpu_count(),
            steal_ns=_grown(self.steal_ns, earlier.steal_ns),
            pressure_ns=_grown(self.pressure_ns, earlier.pressure_ns),
            queued_ns=_grown(self.queued_ns, earlier.queued_ns),
            involuntary_switches=_grown(self.involuntary_switches, earlier.involuntary_switches),
        )


def read() -> Counters:
    """The current counters. Never raises: what the kernel does not report is None."""
    return Counters(
        wall_ns=clocks.monotonic_ns(),
        steal_ns=_steal_ns(),
        pressure_ns=_pressure_ns(),
        queued_ns=queued_ns(),
        involuntary_switches=resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw,
    )


def queued_ns() -> int | None:
    """How long this process's first thread was ready to run and had no CPU.

    Source: Documentation/scheduler/sched-stats.rst.
    """
    words = _words("self/schedstat")
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


def _steal_ns() -> int | None:
    """CPU time the hypervisor gave to others, all CPUs together, in clock ticks. Source: proc_stat(5)."""
    words = _words("stat")[: _STEAL_COLUMN + 1]
    if len(words) <= _STEAL_COLUMN or words[0] != "cpu" or not all(w.isdigit() for w in words[1:]):
        return None
    if not any(int(w) for w in words[1:]):
        return None  # a sandbox that shows the file without values
    return int(words[_STEAL_COLUMN]) * (NS_PER_S // os.sysconf("SC_CLK_TCK"))


def _pressure_ns() -> int | None:
    """How long some task of the machine waited for a CPU. Source: Documentation/accounting/psi.rst."""
    words = _words("pressure/cpu")
    if not words or words[0] != "some":
        return None
    total = next((w.removeprefix("total=") for w in words if w.startswith("total=")), "")
    return int(total) * 1000 if total.isdigit() else None


def _words(name: str) -> list[str]:
    """The first line of a file of ``/proc``; empty if it cannot be read."""
    try:
        # As bytes: a codec may not be loaded yet, and not be accessible once the body has dropped its privileges.
        with (PROC / name).open("rb") as file:
            return file.readline().decode().split()
    except (OSError, ValueError):
        return []


def _grown(now: int | None, earlier: int | None) -> int | None:
    """None if either is unknown, or the counter ran backwards (a migrated virtual machine)."""
    return None if now is None or earlier is None or now < earlier else now - earlier
