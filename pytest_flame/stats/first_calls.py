"""Is the body's first call in a process slower on head, by more than its later calls are?

The cost of a body is that of consecutive calls, when caches are already filled, patterns compiled and modules imported.
What filling them costs shows only in the first call.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pytest_flame import fold
from pytest_flame.model import PS_PER_NS, Process
from pytest_flame.stats.between_sessions import difference
from pytest_flame.stats.student import Floats
from pytest_flame.stats.whole import Whole, centre, compare_pairs, decide

ALPHA: Final = 0.001
"""Level of each of the two intervals: it gives no verdict, but a note on any measured test."""
SESSION_SD: Final = 0.05
"""Assumed for first calls in two recordings of the same code: they depend on the state of the machine's caches."""


@dataclass(frozen=True, slots=True)
class FirstCallsDiffer:
    """Head's first calls are slower: ``ratio`` is head/base, surely within ``low`` and ``high``."""

    base: int
    head: int
    ratio: float
    low: float
    high: float


def median_first_call(processes: Sequence[Process]) -> float | None:
    known = [p.first_call_ns for p in processes if p.first_call_ns is not None]
    return statistics.median(known) * PS_PER_NS if known else None


def find_difference(
    base: Sequence[Process], head: Sequence[Process], *, threshold: float, paired: bool
) -> FirstCallsDiffer | None:
    """A first call that is surely slower by more than the threshold, and surely by more than the later calls are."""
    sides = [_costs(base), _costs(head)]
    if any(side is None for side in sides):
        return None
    (first_base, later_base), (first_head, later_head) = (side for side in sides if side is not None)
    compare = _compare_pairs if paired else _compare_apart
    whole = compare(first_base, first_head, threshold)
    unit = float(np.exp(np.log(later_base).mean()))  # keeps the scale that the smallest meaningful cost refers to
    beyond = compare(first_base / later_base * unit, first_head / later_head * unit, threshold)
    if whole.low <= 1 + threshold or beyond.low <= 1:
        return None
    return FirstCallsDiffer(round(whole.base.cost), round(whole.head.cost), whole.ratio, whole.low, whole.high)


def _costs(processes: Sequence[Process]) -> tuple[Floats, Floats] | None:
    """First and later calls, picoseconds; None if not all first calls are known."""
    first = [p.first_call_ns for p in processes if p.first_call_ns is not None]
    if len(first) < len(processes):
        return None
    later = np.array([fold.cost(p) for p in processes], dtype=np.float64)
    return np.array(first, dtype=np.float64) * PS_PER_NS, np.maximum(later, PS_PER_NS)


def _compare_pairs(base: Floats, head: Floats, threshold: float) -> Whole:
    return compare_pairs(base, head, threshold=threshold, alpha=ALPHA, most=len(base))


def _compare_apart(base: Floats, head: Floats, threshold: float) -> Whole:
    d = difference([centre(base)], centre(head), assumed_sd=SESSION_SD)
    return decide(d.base, d.head, d.se, d.df, threshold=threshold, alpha=ALPHA)
