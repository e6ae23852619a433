"""Do the sides differ in the pages the kernel maps for them in every iteration?

Memory that is returned to the system and taken again in each iteration costs page faults: a chunk of the interpreter's
stack, an arena of its allocator, the top of the C library's heap, a large array. Whether an iteration does that often
depends on where the heap happens to end, and it can be a large part of its cost.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pytest_flame.model import FAULT_NS, PS_PER_NS, Process

MATTERS: Final = 0.01
"""Share of base's cost from which a difference in faults is reported."""
ALPHA: Final = 0.05
"""It decides nothing: in tests with that many faults one note in twenty may be due to chance."""
_MOST: Final = 30
"""The most processes per side that are ranked; more add nothing."""


@dataclass(frozen=True, slots=True)
class FaultsDiffer:
    """Minor faults per iteration (median of the processes), and a lower bound of what the difference costs."""

    base: float
    head: float
    p: float

    @property
    def ns(self) -> float:
        return abs(self.head - self.base) * FAULT_NS


def median_faults(processes: Sequence[Process]) -> float | None:
    known = _faults(processes)
    return statistics.median(known) if known else None


def _faults(processes: Sequence[Process]) -> list[float]:
    return [found for p in processes if (found := p.timing.minor_faults) is not None]


def find_difference(base: Sequence[Process], head: Sequence[Process], base_cost: int) -> FaultsDiffer | None:
    """A significant difference that matters relative to ``base``, the cost of an iteration on base."""
    here, there = median_faults(base), median_faults(head)
    if here is None or there is None or base_cost <= 0:
        return None
    p = rank_sum_p(_faults(base), _faults(head))
    found = FaultsDiffer(here, there, p)
    return found if p <= ALPHA and found.ns * PS_PER_NS >= MATTERS * base_cost else None


def rank_sum_p(x: Sequence[float], y: Sequence[float]) -> float:
    """Two-sided exact p of the Wilcoxon rank sum, ties included: among all ways to choose which values are ``x``, how
    many have a rank sum as far from the middle. Valid for pairs, too: their sides vary together, which makes it
    conservative.

    The distribution is built up value by value (Streitberg and Röhmel, Statistical Software Newsletter 12, 1986).
    """
    x, y = x[:_MOST], y[:_MOST]
    if not x or not y:
        return 1.0
    # Twice the mid-ranks, which are whole numbers.
    values = np.concatenate([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
    ordered = np.sort(values)
    ranks = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") + 1
    ways = np.zeros((len(x) + 1, int(ranks.sum()) + 1))
    ways[0, 0] = 1
    for rank in map(int, ranks):
        ways[1:, rank:] += ways[:-1, :-rank].copy()
    middle = len(x) * (len(values) + 1)
    distance = np.abs(np.arange(ways.shape[1]) - middle)
    as_far = distance >= abs(int(ranks[: len(x)].sum()) - middle)
    return float(ways[-1, as_far].sum() / ways[-1].sum())
