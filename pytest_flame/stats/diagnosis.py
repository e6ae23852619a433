"""Why a test stayed INCONCLUSIVE: the dominant reason, and what would help."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pytest_flame.model import Process
from pytest_flame.stats import student
from pytest_flame.stats.noise import (
    ALPHA,
    MIN_VALUES,
    Warnings,
    queued_share,
    steal_share,
    switch_rate,
    warnings,
)
from pytest_flame.stats.student import Floats

EXPLAINS: Final = 0.25
"""Share of the variance from which one cause is called dominant."""
MUCH_STEAL: Final = 0.02
MUCH_QUEUED: Final = 0.10


class Cause(enum.Enum):
    STEAL = "steal"
    SPEED = "speed of the processor"
    NEIGHBOUR = "neighbour"
    MODES = "two modes"
    TREND = "trend"
    BURSTS = "bursts"
    SPREAD = "spread"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The dominant reason, in words, and what would help."""

    cause: Cause
    reason: str
    help: str
    explained: float | None = None
    """Share of the variance between processes (or pairs) that the cause explains; None if it is only a level."""

    @property
    def words(self) -> str:
        return f"{self.reason}; {self.help}" if self.help else self.reason


_HELP: Final = {
    Cause.STEAL: "the machine is shared: use a quieter one, or another time",
    Cause.SPEED: "another time, or a machine with a steady clock",
    Cause.NEIGHBOUR: "pin to a quiet CPU with --flame-cpu, or measure while nothing else runs",
    Cause.MODES: "look for what the processes do differently (hash order, cache, temporary files)",
    Cause.TREND: "another time: the machine was changing",
    Cause.BURSTS: "another time, or a less busy machine",
    Cause.SPREAD: "",
}
"""With an ordinary spread only more measuring helps, and the verdict's reason already says how much."""
_HELP_PINNED: Final = "another CPU for --flame-cpu, or measure while nothing else runs"


def diagnose(
    base: Sequence[Process],
    head: Sequence[Process],
    base_costs: Floats,
    head_costs: Floats,
    *,
    paired: bool,
    pinned: bool = False,
    seed: int = 0,
) -> Diagnosis:
    """Why a test stayed INCONCLUSIVE. ``base_costs[i]`` (any unit, > 0) is the cost of ``base[i]``.

    ``paired`` means that the sides ran as pairs: what disturbs both of a pair alike then does not count. Otherwise only
    ``head`` is examined, the side that was just measured. The cause is the one that explains most of the variance; if
    none stands out, what the machine did at all; otherwise the test's own spread.
    """
    logs = np.log(np.maximum(head_costs, 1e-12))
    if paired:
        logs = logs - np.log(np.maximum(base_costs, 1e-12))
    processes = (*base, *head) if paired else tuple(head)
    sides = (base, head) if paired else (None, head)
    found = _shown_by_costs(warnings(logs, seed)) + _shown_by_machine(sides, processes, logs)
    if paired:
        single = [m for c in (base_costs, head_costs) if (m := warnings(np.log(np.maximum(c, 1e-12))).modes)]
        found += _shown_by_costs(Warnings(modes=max(single, key=lambda m: m.explained))) if single else []
    strong = [f for f in found if f[0] >= EXPLAINS]
    if strong:
        explained, cause, reason = max(strong, key=lambda f: f[0])
        return Diagnosis(cause, reason, _help(cause, pinned), explained)
    level = _shown_by_level(processes)
    if level is not None:
        return Diagnosis(level[0], level[1], _help(level[0], pinned))
    what = "pairs" if paired else "processes"
    sd = float(logs.std(ddof=1)) if len(logs) > 1 else 0.0
    reason = f"the test itself varies by {math.expm1(sd):.1%} between {what}" if sd else f"too few {what}"
    return Diagnosis(Cause.SPREAD, reason, _HELP[Cause.SPREAD])


def _help(cause: Cause, pinned: bool) -> str:
    return _HELP_PINNED if pinned and cause is Cause.NEIGHBOUR else _HELP[cause]


def _shown_by_costs(seen: Warnings) -> list[tuple[float, Cause, str]]:
    found = []
    if seen.trend is not None:
        found.append((seen.trend.explained, Cause.TREND, seen.words[0]))
    if seen.autocorrelation is not None:
        lag1 = seen.autocorrelation.lag1
        found.append((lag1**2, Cause.BURSTS, f"noise in bursts (lag-1 correlation {lag1:.2f})"))
    if seen.modes is not None:
        found.append((seen.modes.explained, Cause.MODES, seen.words[-1]))
    return found


def _shown_by_machine(
    sides: tuple[Sequence[Process] | None, Sequence[Process]], processes: Sequence[Process], logs: Floats
) -> list[tuple[float, Cause, str]]:
    """Causes that explain the costs: correlated at ``ALPHA``, in the plausible direction."""
    looks = (
        (Cause.STEAL, steal_share, "{:.1%} of the CPU time stolen by other machines"),
        (Cause.NEIGHBOUR, queued_share, "a neighbour on the CPU: {:.0%} of the time spent waiting for it"),
        (
            Cause.SPEED,
            _log_spin,
            "the processor's own speed varied by {:.1%}",
        ),
    )
    found = []
    n = len(logs)
    for cause, look, words in looks:
        rows = [[look(p) for p in side] for side in sides if side is not None]
        known = [[v for v in row if v is not None] for row in rows]
        if n < MIN_VALUES or any(len(row) != n for row in known):
            continue
        values = np.subtract(known[-1], known[0]) if len(known) == 2 else np.asarray(known[0])
        if float(np.ptp(values)) <= 1e-12 or float(np.ptp(logs)) <= 1e-12:
            continue
        r = float(np.corrcoef(values, logs)[0, 1])
        t = r * math.sqrt((n - 2) / max(1 - r * r, 1e-12))
        if float(student.upper_tail(t, n - 2)) > ALPHA:
            continue
        every = np.concatenate([np.asarray(row) for row in known])
        size = float(every.std(ddof=1)) if cause is Cause.SPEED else float(every.mean())
        found.append((r * r, cause, words.format(size)))
    return found


def _shown_by_level(processes: Sequence[Process]) -> tuple[Cause, str] | None:
    steal = _mean([steal_share(p) for p in processes])
    if steal is not None and steal >= MUCH_STEAL:
        return Cause.STEAL, f"{steal:.0%} of the CPU time stolen by other machines"
    queued, switches = _mean([queued_share(p) for p in processes]), _mean([switch_rate(p) for p in processes])
    if queued is not None and queued >= MUCH_QUEUED:
        rate = "" if switches is None else f", {switches:.0f} involuntary switches a second"
        return Cause.NEIGHBOUR, f"a neighbour on the CPU: {queued:.0%} of the time spent waiting for it{rate}"
    return None


def _log_spin(process: Process) -> float | None:
    spin = process.timing.spin_ns
    return math.log(spin) if spin else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None
