"""Candidates for judging a whole test: estimators of a process from its rounds, intervals from the processes.

Arrays hold many comparisons at once, one in each row: log costs of shape ``(comparisons, pairs)`` for each side.
An interval is ``(low, high)`` for the log of head over base, each bound at one-sided level ``alpha``. All move with
the data: where head is more expensive by a factor, both bounds move by its logarithm.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats: TypeAlias = NDArray[np.float64]
Estimator: TypeAlias = Callable[[Floats], Floats]
"""From rounds of shape ``(processes, rounds)`` to one cost for each process."""
Interval: TypeAlias = Callable[[Floats, Floats, float], tuple[Floats, Floats]]
SD_FLOOR = 1e-3


# --- one process -------------------------------------------------------------------------------------------


def quantile(share: float) -> Estimator:
    return lambda rounds: np.asarray(np.nanquantile(rounds, share, axis=1))


def mean_between(low: float, high: float) -> Estimator:
    """Mean of the rounds from one quantile to another; ``(0, 0.5)`` is the cheaper half."""

    def estimate(rounds: Floats) -> Floats:
        ordered = np.sort(rounds, axis=1)  # NaN goes last
        count = np.sum(np.isfinite(rounds), axis=1)
        first = np.floor(low * count).astype(int)
        last = np.maximum(np.ceil(high * count).astype(int), first + 1)
        places = np.arange(rounds.shape[1])
        kept = (places >= first[:, None]) & (places < last[:, None])
        return np.asarray(np.nanmean(np.where(kept, ordered, np.nan), axis=1))

    return estimate


ESTIMATORS: Mapping[str, Estimator] = {
    "minimum": quantile(0),
    "quantile 10 %": quantile(0.1),
    "quantile 25 %": quantile(0.25),
    "cheaper tenth": mean_between(0, 0.1),
    "cheaper quarter": mean_between(0, 0.25),
    "cheaper half": mean_between(0, 0.5),
    "10–50 %": mean_between(0.1, 0.5),
    "trimmed mean": mean_between(0.2, 0.8),
    "median": quantile(0.5),
    "mean": mean_between(0, 1),
}


# --- both sides --------------------------------------------------------------------------------------------


def paired_t(base: Floats, head: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Student's t on the differences within pairs."""
    return _paired_yuen(base, head, alpha, 0.0)


def paired_yuen(trim: float) -> Interval:
    """Yuen (1974) on the differences, with ``trim`` of them left out on each side."""
    return lambda base, head, alpha: _paired_yuen(base, head, alpha, trim)


def _paired_yuen(base: Floats, head: Floats, alpha: float, trim: float) -> tuple[Floats, Floats]:
    d = np.sort(head - base, axis=1)
    n = d.shape[1]
    out = int(trim * n)
    kept = n - 2 * out
    centre = d[:, out : n - out].mean(axis=1)
    winsorised = np.clip(d, d[:, [out]], d[:, [n - 1 - out]])
    squares = winsorised.var(axis=1) * n
    variance = np.maximum(squares / (kept * (kept - 1)), 2 * SD_FLOOR**2 / n)
    return _around(centre, variance, np.full(len(d), kept - 1.0), alpha)


def winsorised(reach: float) -> Interval:
    """Paired t after pulling differences farther than ``reach`` robust sds from the median in to that distance.

    These count as trimmed in Yuen's variance and degrees of freedom: they tell less than they seem to.
    """

    def interval(base: Floats, head: Floats, alpha: float) -> tuple[Floats, Floats]:
        d = head - base
        n = d.shape[1]
        middle = np.median(d, axis=1, keepdims=True)
        spread = np.maximum(1.4826 * np.median(abs(d - middle), axis=1, keepdims=True), SD_FLOOR)
        far = abs(d - middle) > reach * spread
        pulled = np.clip(d, middle - reach * spread, middle + reach * spread)
        kept = np.maximum(n - far.sum(axis=1), 2)
        variance = np.maximum(pulled.var(axis=1) * n / (kept * (kept - 1)), 2 * SD_FLOOR**2 / n)
        return _around(pulled.mean(axis=1), variance, kept - 1.0, alpha)

    return interval


def welch(trim: float) -> Interval:
    """Welch's t on both sides' means without their most expensive ``trim`` (one-sided Yuen); 0.3 is the gate's own."""

    def interval(base: Floats, head: Floats, alpha: float) -> tuple[Floats, Floats]:
        (b, vb, df), (h, vh, _) = _side(base, trim), _side(head, trim)
        return _around(h - b, vb + vh, (vb + vh) ** 2 / ((vb**2 + vh**2) / df), alpha)

    return interval


def pooled(trim: float) -> Interval:
    """The same with one spread for both sides: more degrees of freedom, since both run in the same conditions."""

    def interval(base: Floats, head: Floats, alpha: float) -> tuple[Floats, Floats]:
        (b, vb, df), (h, vh, _) = _side(base, trim), _side(head, trim)
        return _around(h - b, vb + vh, np.full(len(b), 2 * df), alpha)

    return interval


def _side(x: Floats, trim: float) -> tuple[Floats, Floats, float]:
    x = np.sort(x, axis=1)
    n = x.shape[1]
    kept = n - int(trim * n)
    winsorised = np.minimum(x, x[:, [kept - 1]])
    variance = np.maximum(winsorised.var(axis=1) * n / (kept * (kept - 1)), SD_FLOOR**2 / n)
    return x[:, :kept].mean(axis=1), variance, kept - 1.0


def _around(centre: Floats, variance: Floats, df: Floats, alpha: float) -> tuple[Floats, Floats]:
    reach = stats.t.ppf(1 - alpha, df) * np.sqrt(variance)
    return centre - reach, centre + reach


def hodges_lehmann(base: Floats, head: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Signed-rank interval: an order statistic of the averages of all two differences (Hollander & Wolfe, 3.1)."""
    d = head - base
    n = d.shape[1]
    i, j = np.triu_indices(n)
    walsh = np.sort((d[:, i] + d[:, j]) / 2, axis=1)
    cumulative = np.cumsum(_signed_rank(n))
    # P(W ≤ k) ≤ alpha for the largest k: the bound is the (k+1)th smallest average.
    k = int(np.searchsorted(cumulative, alpha, side="right")) - 1
    if k < 0:
        return np.full(len(d), -np.inf), np.full(len(d), np.inf)
    return walsh[:, k], walsh[:, walsh.shape[1] - 1 - k]


def _signed_rank(n: int) -> Floats:
    """Exact distribution of the signed-rank statistic, from 0 to n(n+1)/2."""
    counts = np.ones(1)
    for rank in range(1, n + 1):
        longer = np.zeros(len(counts) + rank)
        longer[: len(counts)] += counts
        longer[rank:] += counts
        counts = longer
    return counts / 2.0**n


def sign_flip(base: Floats, head: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Bounds of the sign-flip test of the mean: the quantiles of the means of all non-empty subsets of the differences.

    (Hartigan, 1969: the true centre falls between any two neighbouring ones of the 2ⁿ − 1 with equal probability.)
    """
    d = head - base
    n = d.shape[1]
    if n <= 10:
        subsets = np.array(list(itertools.product((0, 1), repeat=n))[1:], dtype=np.float64)
    else:
        subsets = np.random.default_rng(n).integers(0, 2, (1023, n)).astype(np.float64)
        subsets = subsets[subsets.any(axis=1)]
    means = np.sort(d @ (subsets / subsets.sum(axis=1, keepdims=True)).T, axis=1)
    k = math.floor(alpha * (means.shape[1] + 1))
    if k < 1:
        return np.full(len(d), -np.inf), np.full(len(d), np.inf)
    return means[:, k - 1], means[:, -k]


def both(one: Interval, other: Interval) -> Interval:
    """What two intervals agree on, each at half the level (Bonferroni): almost as narrow as the narrower one."""

    def interval(base: Floats, head: Floats, alpha: float) -> tuple[Floats, Floats]:
        (low, high), (other_low, other_high) = one(base, head, alpha / 2), other(base, head, alpha / 2)
        return np.maximum(low, other_low), np.minimum(high, other_high)

    return interval


INTERVALS: Mapping[str, Interval] = {
    "paired t": paired_t,
    "paired Yuen 20 %": paired_yuen(0.2),
    "paired Winsorised": winsorised(3),
    "Welch": welch(0),
    "Welch, top 30 % off": welch(0.3),
    "pooled, top 30 % off": pooled(0.3),
    "pooled, top 50 % off": pooled(0.5),
    "both": both(paired_t, pooled(0.3)),
    "both, Winsorised": both(winsorised(3), pooled(0.3)),
    "Hodges–Lehmann": hodges_lehmann,
    "sign flip": sign_flip,
}
"""``both`` is the paired t and the pooled one without the top 30 %."""
