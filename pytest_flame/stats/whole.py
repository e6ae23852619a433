"""Is the whole test slower? One process is one replicate; noise only ever adds time.

Each side's centre is a mean of the log costs without the top 30 %, with a Winsorised variance (Yuen, Biometrika
61, 1974; trimmed on one side because disturbed processes are dearer, never cheaper). Under 8 % of processes
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
"""Below this a side's spread is unknown and nothing is decided."""
SD_FLOOR = 1e-3
"""Between-process sd of the log cost is never taken below 0.1 %: identical values are luck, not certainty."""
RESOLUTION_PS = 1000.0
"""A nanosecond an iteration is what remains of an empty body; cheaper costs are raised to it."""


@dataclass(frozen=True, slots=True)
class Centre:
    """One side's cost: ``log_ps`` with standard error ``se`` (both natural log) on ``df`` degrees of freedom."""

    log_ps: float
    se: float
    df: float

    @property
    def ps(self) -> float:
        return math.exp(self.log_ps)


@dataclass(frozen=True, slots=True)
class Whole:
    """Head over base for the whole test. Where nothing can be decided the interval is (0, inf)."""

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
    x = np.sort(np.log(np.maximum(costs, RESOLUTION_PS)))
    n = len(x)
    kept = n - int(TRIM * n)
    winsorised = np.minimum(x, x[kept - 1])
    mean = float(x[:kept].mean())
    if n < MIN_PROCESSES:
        return Centre(mean, math.inf, 1.0)
    squares = float(((winsorised - winsorised.mean()) ** 2).sum())
    variance = max(squares / (kept * (kept - 1)), SD_FLOOR**2 / n)
    return Centre(mean, math.sqrt(variance), kept - 1.0)


def compare_whole(base: Floats, head: Floats, *, threshold: float, alpha: float, session_sd: float) -> Whole:
    """Compare process costs (picoseconds) of two sides measured apart from each other.

    ``session_sd`` is the sd, on the log scale, by which a whole recording differs from another of the same code
    (Kalibera & Jones, ISMM 2013); it is added to the standard error in quadrature as if exactly known.
    """
    b, h = centre(base), centre(head)
    ratio = math.exp(h.log_ps - b.log_ps)
    unmeasurable = max(np.median(base), np.median(head)) <= RESOLUTION_PS
    if unmeasurable or not math.isfinite(b.se + h.se):
        return Whole(b, h, ratio, 0.0, math.inf, math.inf, 1.0)
    parts = [np.float64(b.se**2), np.float64(h.se**2), np.float64(session_sd**2)]
    df = float(student.effective_df([np.asarray(v) for v in parts], [b.df, h.df, math.inf]))
    se = math.sqrt(sum(parts))
    reach = float(student.quantile(1 - alpha, df)) * se
    return Whole(
        b,
        h,
        ratio,
        low=ratio * math.exp(-reach),
        high=ratio * _exp(reach),
        mde=power.smallest_ratio(threshold, se, df, alpha),
        p_regressed=float(student.upper_tail((math.log(ratio) - math.log1p(threshold)) / se, df)),
    )


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf
