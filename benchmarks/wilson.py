"""Intervals for "k of n": what the tables of the benchmarks print beside every count."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def interval(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion; ``(0, 1)`` where nothing was tried.

    Wilson (1927), Probable inference, the law of succession, and statistical inference. JASA 22.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials")
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = successes / trials
    centre = p + z * z / (2 * trials)
    spread = z * sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == trials else (centre + spread) / scale
    return low, high


def shown(successes: int, trials: int) -> str:
    """``18/20 [70, 97]``: the count and its 95 % interval in percent."""
    low, high = interval(successes, trials)
    return f"{successes}/{trials} [{100 * low:.0f}, {100 * high:.0f}]"
