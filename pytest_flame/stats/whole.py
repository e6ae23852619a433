"""Is the whole test slower? One process is one replicate; noise only adds time.

Each side's centre is a mean of the log costs without the top 30 %, with a Winsorised variance (Yuen, Biometrika
61, 1974; trimmed on one side because disturbed processes are more expensive, never cheaper). Under 8 % of processes
disturbed by a factor 1.3–1.6 it keeps the nominal error and sees +10 % in 99 % of runs where Welch's t sees 20 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pytest_flame.stats import power, student
from pytest_flame.stats.student import Floats

TRIM = 0.3
MIN_PROCESSES = 3
"""With fewer, a side's spread is unknown and nothing is decided."""
SD_FLOOR = 1e-3
"""Between-process sd of the log cost is never taken below 0.1 %: identical values are luck, not certainty."""
RESOLUTION = 1000.0
"""A nanosecond per iteration is what remains of an empty body; smaller costs are raised to it."""


@dataclass(frozen=True, slots=True)
class Centre:
    """One side's cost: ``log_cost`` with standard error ``se`` (both natural log) on ``df`` degrees of freedom."""

    log_cost: float
    se: float
    df: float

    @property
    def cost(self) -> float:
        return math.exp(self.log_cost)


@dataclass(frozen=True, slots=True)
class Whole:
    """Head over base for the whole test. If nothing can be decided the interval is (0, inf)."""

    base: Centre
    head: Centre
    ratio: float
    low: float
    high: float
    mde: float
    p_regressed: float
    """One-sided p of "slower by more than the threshold"."""


def centre(costs: Floats) -> Centre:
    """Trimmed centre of one side's process costs (picoseconds, shape ``(processes,)``, at least one).

    The standard error is inf below ``MIN_PROCESSES``.
    """
    x = np.sort(np.log(np.maximum(costs, RESOLUTION)))
    n = len(x)
    kept = n - int(TRIM * n)
    winsorised = np.minimum(x, x[kept - 1])
    mean = float(x[:kept].mean())
    if n < MIN_PROCESSES:
        return Centre(mean, math.inf, 1.0)
    squares = float(((winsorised - winsorised.mean()) ** 2).sum())
    variance = max(squares / (kept * (kept - 1)), SD_FLOOR**2 / n)
    return Centre(mean, math.sqrt(variance), kept - 1.0)


def decide(base: Centre, head: Centre, se: float, df: float, *, threshold: float, alpha: float) -> Whole:
    """Interval, p and MDE of head over base from the standard error of the log of their ratio."""
    ratio = math.exp(head.log_cost - base.log_cost)
    cheap = max(base.log_cost, head.log_cost) <= math.log(RESOLUTION)
    if cheap or not math.isfinite(base.se + head.se + se):
        return Whole(base, head, ratio, 0.0, math.inf, math.inf, 1.0)
    reach = float(student.quantile(1 - alpha, df)) * se
    return Whole(
        base,
        head,
        ratio,
        low=ratio * math.exp(-reach),
        high=ratio * _exp(reach),
        mde=power.smallest_ratio(threshold, se, df, alpha),
        p_regressed=float(student.upper_tail((math.log(ratio) - math.log1p(threshold)) / se, df)),
    )


def compare_pairs(base: Floats, head: Floats, *, threshold: float, alpha: float, most: int) -> Whole:
    """Compare process costs (picoseconds) of pairs measured together: ``base[i]`` with ``head[i]``.

    The interval is the intersection of two intervals, each at half of ``alpha``, so that it holds under any kind of
    noise: one of the differences within pairs, narrow where both sides of a pair drift together; one of the trimmed
    means, narrow where single processes are disturbed. Base's centre is taken as exact and head's carries the error of
    the ratio: it is the ratio that pairs measure. The MDE is that of ``most`` pairs with the noise of these.
    """
    b, h = centre(base), centre(head)
    if _unmeasurable(base, head) or not math.isfinite(b.se + h.se):
        return Whole(b, h, math.exp(h.log_cost - b.log_cost), 0.0, math.inf, math.inf, 1.0)
    within, apart = _within_pairs(base, head), _apart(b, h)
    tolerated = math.log1p(threshold)
    narrower, wider = sorted((within, apart), key=lambda e: e.reach(alpha / 2))
    low = max(e.log_ratio - e.reach(alpha / 2) for e in (within, apart))
    high = min(e.log_ratio + e.reach(alpha / 2) for e in (within, apart))
    if low > high:  # one of them is wrong: the narrower one alone
        low, high = (narrower.log_ratio + sign * narrower.reach(alpha / 2) for sign in (-1, 1))
    log_ratio = min(max(narrower.log_ratio, low), high)
    more = max(1.0, most / len(base))
    return Whole(
        Centre(b.log_cost, 0.0, math.inf),
        Centre(b.log_cost + log_ratio, narrower.se, narrower.df),
        math.exp(log_ratio),
        low=_exp(low),
        high=_exp(high),
        mde=power.smallest_ratio(threshold, narrower.se / math.sqrt(more), narrower.df * more, alpha / 2),
        p_regressed=min(1.0, 2 * min(e.p_above(tolerated) for e in (narrower, wider))),
    )


@dataclass(frozen=True, slots=True)
class _Estimate:
    """Log of head over base with its error."""

    log_ratio: float
    se: float
    df: float

    def reach(self, alpha: float) -> float:
        return float(student.quantile(1 - alpha, self.df)) * self.se

    def p_above(self, bound: float) -> float:
        return float(student.upper_tail((self.log_ratio - bound) / self.se, self.df))


def _within_pairs(base: Floats, head: Floats) -> _Estimate:
    differences = np.log(np.maximum(head, RESOLUTION)) - np.log(np.maximum(base, RESOLUTION))
    n = len(differences)
    variance = max(float(differences.var(ddof=1)), 2 * SD_FLOOR**2) / n
    return _Estimate(float(differences.mean()), math.sqrt(variance), n - 1.0)


def _apart(base: Centre, head: Centre) -> _Estimate:
    """One spread for both sides, which run under the same conditions: more degrees of freedom."""
    return _Estimate(head.log_cost - base.log_cost, math.hypot(base.se, head.se), base.df + head.df)


def _unmeasurable(base: Floats, head: Floats) -> bool:
    return bool(max(np.median(base), np.median(head)) <= RESOLUTION)


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf
