"""What a run could have detected: the smallest effects given its noise."""

from __future__ import annotations

import math

import numpy as np

from pytest_flame.stats import student
from pytest_flame.stats.student import Floats

POWER = 0.95
_Z = 1.6448536269514722  # standard normal quantile of POWER


def distance(alpha: float, df: float | Floats) -> Floats:
    """How far, in standard errors, the truth must lie beyond a bound for a one-sided t test to detect it.

    With probability ``POWER`` at level ``alpha``: the noncentrality of t, by the normal approximation
    t_α + z·√(1 + t_α²/2·df) (Johnson & Welch, Biometrika 31, 1940), at most 3 % too far for df ≥ 4.
    """
    t = student.quantile(1 - alpha, df)
    return np.asarray(t + _Z * np.sqrt(1 + t * t / (2 * np.asarray(df))))


def smallest_ratio(threshold: float, se: float, df: float, alpha: float) -> float:
    """Minimum detectable effect: smallest true head/base called above 1 + ``threshold`` with ``POWER``.

    ``se`` is the standard error of log(head/base). Never below 1 + ``threshold``; inf where ``se`` is.
    """
    if not math.isfinite(se):
        return math.inf
    exponent = float(distance(alpha, df)) * se
    return (1 + threshold) * math.exp(exponent) if exponent < 700 else math.inf


def smallest_share(
    bound: float, samples: float, *, dispersion: float, prop_sd: float, df: float, alpha: float
) -> float:
    """Smallest share of a new frame that is detected to exceed ``bound`` (also a share) with ``POWER``.

    ``samples`` is the whole side's, ``dispersion`` its variance over a binomial's, ``prop_sd`` the relative
    error of the side's cost. At most 1: if nothing smaller can be detected, nothing can.
    """
    d = float(distance(alpha, df))
    low, high = bound, 1.0

    def seen(share: float) -> bool:
        variance = dispersion * (share * (1 - share) / samples + 1 / samples**2) + (prop_sd * share) ** 2
        return share - bound >= d * math.sqrt(variance)

    if not seen(high):
        return 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high
