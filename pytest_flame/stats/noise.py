"""Noise is measured, not guessed: which pairs of processes the machine disturbed, and what prevents a verdict.

Discarding depends on the machine only. No function that discards gets a cost, and base and head are treated alike: if
both run the same code, the remaining pairs are distributed as without discarding. Trend, autocorrelation and bimodality
are warnings; they change no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from pytest_flame.model import Process
from pytest_flame.stats.student import Floats

STEAL_LIMIT: Final = 0.05
"""Share of the machine's CPU time stolen for other machines while the process was measured."""
LEAST_STEAL_NS: Final = 30_000_000
"""The kernel counts steal in ticks of 10 ms: one or two of them do not count as a share."""
SPIN_LIMIT: Final = 0.10
"""Deviation of the fixed loop from its side's median process: four sd of what is usual on a shared machine."""
MAX_DISCARDED: Final = 0.25
"""More than this is the machine's usual state: then every pair is kept."""

MIN_VALUES: Final = 8
"""Fewer show neither trend nor modes."""
ALPHA: Final = 0.005
"""The error of each warning, in a run without anything to warn about."""
SHUFFLES: Final = 2000
LEAST_MODE: Final = 0.2
"""The smallest share of the values that makes a mode; fewer are outliers."""


# --- what the machine did ----------------------------------------------------------------------------------


def steal_share(process: Process) -> float | None:
    """Share of the machine's CPU time while the process was measured; None if unknown."""
    seen = process.outside
    if seen is None or seen.steal_ns is None or not seen.cpus or not seen.wall_ns:
        return None
    return seen.steal_ns / (seen.wall_ns * seen.cpus)


def queued_share(process: Process) -> float | None:
    """Share of the wall time in which the process was ready to run and had no CPU."""
    seen = process.outside
    return None if seen is None or seen.queued_ns is None or not seen.wall_ns else seen.queued_ns / seen.wall_ns


def switch_rate(process: Process) -> float | None:
    """Involuntary switches per second of wall time."""
    seen = process.outside
    if seen is None or seen.involuntary_switches is None or not seen.wall_ns:
        return None
    return seen.involuntary_switches / (seen.wall_ns / 1e9)


def pressure_share(process: Process) -> float | None:
    """Share of the wall time in which some task on the machine waited for a CPU."""
    seen = process.outside
    return None if seen is None or seen.pressure_ns is None or not seen.wall_ns else seen.pressure_ns / seen.wall_ns


def machine_shift(base: Sequence[Process], head: Sequence[Process]) -> float | None:
    """log(head/base) of the fixed loop: by how much the machine itself is slower. None if unknown on either side.

    For a baseline of several sessions ``base`` is the last one, while its centre is the mean of all: changes of the
    machine between them are already in the spread of the sessions, so this can only widen the interval.
    """
    usual = _usual_spin(base), _usual_spin(head)
    return None if usual[0] is None or usual[1] is None else math.log(usual[1] / usual[0])


# --- discarding --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Discarded:
    """One discarded pair, both sides. ``index`` counts from 0 in the order the pairs ran."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Discards:
    pairs: tuple[Discarded, ...] = ()
    note: str = ""
    """Set if so many pairs were disturbed that none is discarded."""

    def keep(self, count: int) -> list[int]:
        """Indexes of the pairs that are kept."""
        gone = {d.index for d in self.pairs}
        return [i for i in range(count) if i not in gone]


def discards(base: Sequence[Process], head: Sequence[Process]) -> Discards:
    """Pairs (``base[i]``, ``head[i]``) that the machine disturbed, each with its reason.

    Decided from steal time and the fixed loop alone; never from a cost, a clock of the rounds or a sample. The loop is
    compared within its own side, so that the effect of a side's code on it is the same for all of that side. Swapping
    the sides discards the same pairs. Waiting for a CPU is not a reason: it is not in CPU time, threads of the test
    also wait for each other, and discarding such pairs loses as much as it gains. Raises ``ValueError`` if the sides
    differ in length.
    """
    usual = _usual_spin(base), _usual_spin(head)
    found = []
    for index, (b, h) in enumerate(zip(base, head, strict=True)):
        reasons = sorted(_disturbances(b, usual[0]) + _disturbances(h, usual[1]), reverse=True)
        if reasons:
            found.append(Discarded(index, reasons[0][1]))
    allowed = math.floor(MAX_DISCARDED * len(base))
    if len(found) > allowed:
        usually = f"{len(found)} of {len(base)} pairs disturbed (first: {found[0].reason}); none discarded"
        return Discards(note=usually)
    return Discards(tuple(found))


def _usual_spin(processes: Sequence[Process]) -> float | None:
    known = [s for p in processes if (s := p.timing.spin_ns) is not None]
    return median(known) if len(known) >= 3 else None


def _disturbances(process: Process, usual: float | None) -> list[tuple[float, str]]:
    """By which factor each disturbance exceeds its limit, with its description."""
    found = []
    steal, spin = steal_share(process), process.timing.spin_ns
    stolen_ns = (process.outside and process.outside.steal_ns) or 0
    if steal is not None and steal > STEAL_LIMIT and stolen_ns >= LEAST_STEAL_NS:
        found.append((steal / STEAL_LIMIT, f"{steal:.0%} of the CPU time stolen by other machines"))
    if spin is not None and usual is not None:
        off = math.log(spin / usual)
        if abs(off) > math.log1p(SPIN_LIMIT):
            way = "slower" if off > 0 else "faster"
            found.append((abs(off) / math.log1p(SPIN_LIMIT), f"processor {abs(math.expm1(off)):.0%} {way} than usual"))
    return found


# --- warnings ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trend:
    """Growth from the first value to the last, by a straight line through the medians of the outer thirds."""

    change: float
    """Relative: 0.03 is 3 % up."""
    explained: float
    """Squared rank correlation with the order."""
    p: float


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """Between consecutive processes."""

    lag1: float
    p: float


@dataclass(frozen=True, slots=True)
class Modes:
    """Two groups with a gap between them. ``apart`` is relative: 0.12 is 12 %; ``share`` is that of the more expensive
    group."""

    apart: float
    share: float
    explained: float
    """Share of the variance that lies between the groups."""


@dataclass(frozen=True, slots=True)
class Warnings:
    trend: Trend | None = None
    autocorrelation: Autocorrelation | None = None
    modes: Modes | None = None

    @property
    def words(self) -> tuple[str, ...]:
        said = []
        if self.trend is not None:
            way = "rose" if self.trend.change > 0 else "fell"
            said.append(f"cost {way} {abs(self.trend.change):.1%} over the run")
        if self.autocorrelation is not None:
            said.append(f"neighbouring processes alike (lag-1 correlation {self.autocorrelation.lag1:.2f})")
        if self.modes is not None:
            said.append(f"two modes {self.modes.apart:.0%} apart between processes")
        return tuple(said)


def warnings(logs: Floats, seed: int = 0) -> Warnings:
    """What is unusual about values that should be exchangeable: natural-log costs, shape ``(n,)``, in running order.

    Pass one side's costs, or the pairs' differences, in which a common trend cancels. Each warning occurs by chance in
    at most ``ALPHA`` of runs; below ``MIN_VALUES`` there are none. ``seed`` is for the permutation test.
    """
    x = np.asarray(logs, dtype=np.float64)
    if len(x) < MIN_VALUES or float(np.ptp(x)) <= 1e-9:
        return Warnings()
    shuffled = _shuffled(x, seed)
    trend = _trend(x, shuffled)
    # Correlation that is due to a trend is not a second warning.
    auto = _autocorrelation(x, shuffled) if trend is None else None
    return Warnings(trend, auto, _modes(x))


def _shuffled(x: Floats, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(x, (SHUFFLES, 1)), axis=1)


def _trend(x: Floats, shuffled: Floats) -> Trend | None:
    order = np.arange(len(x)) - (len(x) - 1) / 2
    ranks, others = _ranks(x[None, :]), _ranks(shuffled)
    seen = abs(float((ranks @ order)[0]))
    p = (1 + int((np.abs(others @ order) >= seen - 1e-9).sum())) / (SHUFFLES + 1)
    if p > ALPHA:
        return None
    rho = seen / math.sqrt(float(order @ order) * float((ranks**2).sum()))
    third = len(x) // 3
    # The distance between the thirds' middles, as a share of the run.
    span = (len(x) - third) / (len(x) - 1)
    change = float(np.median(x[-third:]) - np.median(x[:third])) / span
    return Trend(math.expm1(change), rho**2, p)


def _ranks(rows: Floats) -> Floats:
    ranks = np.argsort(np.argsort(rows, axis=1, kind="stable"), axis=1, kind="stable")
    return np.asarray(ranks - (rows.shape[1] - 1) / 2, dtype=np.float64)


def _autocorrelation(x: Floats, shuffled: Floats) -> Autocorrelation | None:
    """Positive correlation only: negative correlation does no harm."""

    def lag1(ranks: Floats) -> Floats:
        return np.asarray((ranks[:, 1:] * ranks[:, :-1]).sum(axis=1) / (ranks**2).sum(axis=1))

    seen = float(lag1(_ranks(x[None, :]))[0])
    p = (1 + int((lag1(_ranks(shuffled)) >= seen - 1e-12).sum())) / (SHUFFLES + 1)
    return Autocorrelation(seen, p) if p <= ALPHA else None


# Share of the variance that the best cut in two explains: its 99.5 % point for values spread evenly, simulated
# (200 000 runs; 60 000 for n > 40). No shape with one peak is cut better; a normal one has 0.64.
_CRITICAL_N: Final = (8, 10, 14, 20, 30, 40, 60, 100)
_CRITICAL: Final = (0.970, 0.953, 0.928, 0.901, 0.876, 0.859, 0.841, 0.820)


def _modes(x: Floats) -> Modes | None:
    explained, cut = best_cut(x)
    # Beyond the table: the even spread's 0.75 is reached as 1/√n, which this leaves on the safe side.
    if explained <= float(np.interp(math.log(len(x)), np.log(_CRITICAL_N), _CRITICAL)):
        return None
    ordered = np.sort(x)
    apart = float(ordered[cut:].mean() - ordered[:cut].mean())
    return Modes(math.expm1(apart), 1 - cut / len(x), explained)


def best_cut(x: Floats) -> tuple[float, int]:
    """The cut of the sorted values in two, each ``LEAST_MODE`` of them or more, that explains most of the variance:
    its share, and how many values are below it. Source: Fisher, JASA 53, 1958 (grouping for maximum homogeneity)."""
    ordered = np.sort(x) - x.mean()
    n = len(ordered)
    least = max(2, math.ceil(LEAST_MODE * n))
    below = np.arange(least, n - least + 1)
    sums = np.cumsum(ordered)[below - 1]
    between = sums**2 * (1 / below + 1 / (n - below))
    best = int(np.argmax(between))
    return float(between[best] / (ordered**2).sum()), int(below[best])
