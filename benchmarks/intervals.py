"""Intervals, which the tables of the benchmarks print with counts and medians."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


def wilson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion; ``(0, 1)`` without any trial.

    Wilson (1927), Probable inference, the law of succession, and statistical inference. JASA 22.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials")
    if trials == 0:
        return 0.0, 1.0
    z = statistics.NormalDist().inv_cdf((1 + level) / 2)
    p = successes / trials
    centre = p + z * z / (2 * trials)
    spread = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == trials else (centre + spread) / scale
    return low, high


def shown(successes: int, trials: int) -> str:
    """``18/20 [70, 97]``: the count and its 95 % interval in percent."""
    low, high = wilson(successes, trials)
    return f"{successes}/{trials} [{100 * low:.0f}, {100 * high:.0f}]"


@dataclass(frozen=True, slots=True)
class Interval:
    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.4f} [{self.low:.4f}, {self.high:.4f}]"


def median_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Median and the distribution-free interval of at least ``level`` between two order statistics (sign test)."""
    ordered, n = sorted(values), len(values)
    outside, below, term = 0.0, 0, 0.5**n
    while outside + term <= (1 - level) / 2:
        outside += term
        below += 1
        term *= (n - below + 1) / below
    return Interval(statistics.median(ordered), ordered[max(0, below - 1)], ordered[min(n - 1, n - below)])


def binomial_interval(share: float, trials: int, level: float = 0.99) -> tuple[int, int]:
    """Range of the number of successes in ``trials``, with probability ``level`` or more if each has ``share``
    (exact)."""
    tail, low, below = (1 - level) / 2, 0, 0.0
    log_p, log_q = math.log(share), math.log1p(-share)
    for k in range(trials + 1):
        log_ways = math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        below += math.exp(log_ways + k * log_p + (trials - k) * log_q)
        if below <= tail:
            low = k + 1
        elif below >= 1 - tail:
            return low, k
    return low, trials
