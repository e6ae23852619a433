"""Does the cost of an iteration depend on how many went before it?

A list that grows, or a cache that misses only once, makes the body not repeatable: its cost per iteration then
depends on how many iterations a round was given, and comparisons are meaningless.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pytest_flame.model import Process
from pytest_flame.stats import student
from pytest_flame.stats.student import Floats
from pytest_flame.stats.whole import MIN_PROCESSES

MIN_ROUNDS = 6
MIN_CHANGE = 0.05
"""From the first to the last third of the rounds; smaller drifts are often real and never matter."""
ALPHA = 0.001


@dataclass(frozen=True, slots=True)
class Drift:
    """Relative change of the cost per iteration from the first to the last third of a process's rounds."""

    change: float
    p: float
    """Two-sided, over processes."""
    processes: int


def find_drift(processes: Sequence[Process]) -> Drift | None:
    """The drift that all processes share, or None if it is negligible or there are too few data."""
    changes = [_change(costs) for p in processes if len(costs := _round_costs(p)) >= MIN_ROUNDS and costs.min() > 0]
    n = len(changes)
    if n < MIN_PROCESSES:
        return None
    logs = np.asarray(changes)
    mean = float(logs.mean())
    # A spread of zero would make any mean certain: processes never agree better than to one part in a thousand.
    se = max(float(logs.std(ddof=1)), 1e-3) / math.sqrt(n)
    p = 2 * float(student.upper_tail(abs(mean) / se, n - 1))
    if p > ALPHA or abs(mean) < math.log1p(MIN_CHANGE):
        return None
    return Drift(math.expm1(mean), p, n)


def _round_costs(process: Process) -> Floats:
    """Nanoseconds per iteration in the order they ran; with and without samples, which are spread evenly."""
    return np.array([r.cpu_ns / r.iterations for r in process.rounds], dtype=np.float64)


def _change(costs: Floats) -> float:
    third = len(costs) // 3
    return float(np.log(np.median(costs[-third:]) / np.median(costs[:third])))
