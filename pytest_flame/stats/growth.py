"""How much a set of stacks grew, and how certain that is.

A side's cost in a set of stacks is the set's share of the side's samples times the side's exact cost. Shares are not
affected by a process that is slower as a whole; the uncertainty of the cost itself enters as a proportional error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_flame.stats import student
from pytest_flame.stats.stack_table import Ints, Mask, SideCounts, StackTable
from pytest_flame.stats.student import Floats
from pytest_flame.stats.whole import Centre

_MIN_ROWS = 5
"""Fewer frames say nothing about the scatter of their variances."""
_MAX_PRIOR_DF = 50.0
"""However similar the variances look, frames are not independent."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Costs in picoseconds per iteration and the error of ``head − base``; arrays of one shape."""

    base: Floats
    head: Floats
    se: Floats
    df: Floats
    base_se: Floats
    head_se: Floats
    """Sampling errors of each side alone: what remains when both sides' totals are taken as known."""

    @property
    def delta(self) -> Floats:
        return self.head - self.base

    @property
    def sampling_se(self) -> Floats:
        return np.hypot(self.base_se, self.head_se)

    def p_above(self, bound: Floats) -> Floats:
        """One-sided p of "grew by more than ``bound`` picoseconds"."""
        return student.upper_tail((self.delta - bound) / self.se, self.df)

    def p_changed(self) -> Floats:
        """Two-sided p of "changed at all"."""
        return np.minimum(1.0, 2 * student.upper_tail(np.abs(self.delta) / self.se, self.df))


@dataclass(frozen=True, slots=True)
class Dispersion:
    """How much frames scatter between processes beyond sampling error, and how similar they are in that.

    Expected variance of a share p per sample: p(1−p) + ``cv2``·n·p²(1−p)², n samples per process. ``df`` is the weight
    of that expectation against a frame's own variance (empirical Bayes, Smyth, SAGMB 3, 2004).
    """

    cv2: float
    df: float


@dataclass(frozen=True, slots=True)
class Shares:
    """Per set of stacks: pooled share and its observed variance per sample, over the processes of one side."""

    mean: Floats
    variance: Floats


@dataclass(frozen=True)
class SideSamples:
    """One side of a comparison. ``totals`` are nanoseconds sampled per process, shape ``(processes,)``."""

    counts: SideCounts
    centre: Centre

    @property
    def totals(self) -> Floats:
        return np.asarray(self.counts.weights_ns.sum(axis=1))

    @property
    def used(self) -> Mask:
        """Processes with samples: the others show how much, but not where."""
        return self.totals > 0

    @property
    def samples(self) -> Floats:
        """Per used process. A process whose time was measured but not sampled counts as one sample."""
        return np.maximum(self.counts.samples[self.used], 1.0)

    @property
    def df(self) -> float:
        return max(len(self.samples) - 1.0, 0.0)

    def shares(self, sums: Floats) -> Shares:
        """``sums`` in nanoseconds, shape ``(sets, processes)``."""
        n = self.samples
        if not len(n):
            return Shares(np.zeros(len(sums)), np.zeros(len(sums)))
        shares = sums[:, self.used] / self.totals[self.used]
        mean = shares @ n / n.sum()
        squares = ((shares - mean[:, None]) ** 2) @ n
        return Shares(mean, squares / max(self.df, 1.0))

    def expected(self, share: Floats, cv2: float) -> Floats:
        chance = share * (1 - share)
        return chance + cv2 * (self.samples.mean() if len(self.samples) else 1.0) * chance**2

    def share_variance(self, shares: Shares, dispersion: Dispersion) -> Floats:
        """Variance of the pooled shares: shrunk towards the expectation, never below sampling error.

        A share of 0 or 1 is treated as one sample away from it: unseen is not impossible.
        """
        n = self.samples
        total = max(float(n.sum()), 1.0)
        possible = np.clip(shares.mean, min(1 / total, 0.5), max(1 - 1 / total, 0.5))
        weight = dispersion.df + self.df
        expected = self.expected(possible, dispersion.cv2)
        moderated = (dispersion.df * expected + self.df * shares.variance) / weight if weight else expected
        # Processes of unequal length: the scatter of the longest does not average out.
        uneven = len(n) * float(((n / total) ** 2).sum()) if len(n) else 1.0
        return np.maximum(moderated, possible * (1 - possible)) / total * uneven


class Gauge:
    """Measures growth of sets of stacks between two sides, with one common model of the noise.

    ``session_sd`` (log scale) is how much recordings of the same code differ; 0 for pairs.
    """

    def __init__(self, table: StackTable, base: Centre, head: Centre, session_sd: float) -> None:
        self.table = table
        self.base = SideSamples(table.base, base)
        self.head = SideSamples(table.head, head)
        self.session_sd = session_sd
        own, _ = table.topmost
        self.dispersion = fit_dispersion(
            [(side, side.shares(own.sums(side.counts.weights_ns))) for side in (self.base, self.head)]
        )

    def growth(self, base_sums: Floats, head_sums: Floats) -> Growth:
        """For sets given by their nanoseconds per process, each of shape ``(sets, processes of the side)``."""
        costs, sampling, whole = [], [], []
        for side, sums in ((self.base, base_sums), (self.head, head_sums)):
            shares = side.shares(sums)
            cost = shares.mean * side.centre.cost
            costs.append(cost)
            sampling.append(side.share_variance(shares, self.dispersion) * side.centre.cost**2)
            # Below three processes the error is unknown: all of the cost.
            whole.append((min(side.centre.se, 1.0) * cost) ** 2)
        session = (self.session_sd * costs[1]) ** 2
        variances = [*sampling, *whole, session]
        sides = (self.base, self.head)
        dfs: list[float | Floats] = [max(self.dispersion.df + s.df, 1.0) for s in sides]
        dfs += [*(s.centre.df for s in sides), np.inf]
        return Growth(
            base=costs[0],
            head=costs[1],
            se=np.sqrt(np.sum(variances, axis=0)),
            df=student.effective_df(variances, dfs),
            base_se=np.sqrt(sampling[0]),
            head_se=np.sqrt(sampling[1]),
        )

    def error_at(self, growth: Growth, head: Floats) -> Floats:
        """The error of ``growth`` if head's costs were ``head`` and the rest of the test unchanged."""
        side, total = self.head, self.head.centre.cost
        scale = 1.0 / max(float(side.samples.sum()), 1.0)

        def sampling(costs: Floats, total: float | Floats) -> Floats:
            share = np.clip(costs / total, min(scale, 0.5), max(1 - scale, 0.5))
            return side.expected(share, self.dispersion.cv2) * total**2

        grown = growth.head_se**2 * sampling(head, total + head - growth.head) / sampling(growth.head, total)
        whole = (min(self.base.centre.se, 1.0) * growth.base) ** 2 + (min(side.centre.se, 1.0) * head) ** 2
        return np.asarray(np.sqrt(growth.base_se**2 + grown + whole + (self.session_sd * head) ** 2))

    def of(self, mask: Mask) -> Growth:
        """For one set of stacks; arrays of shape ``(1,)``."""
        base, head = (side.counts.weights_ns[:, mask].sum(axis=1)[None, :] for side in (self.base, self.head))
        return self.growth(base, head)

    def by(self, keys: Ints, mask: Mask) -> tuple[list[int], Growth]:
        """For the stacks in ``mask`` grouped by key, ascending."""
        names, group = np.unique(keys[mask], return_inverse=True)
        sums = [np.zeros((len(names), len(side.counts.weights_ns))) for side in (self.base, self.head)]
        for side, total in zip((self.base, self.head), sums, strict=True):
            np.add.at(total, group, side.counts.weights_ns[:, mask].T)
        return [int(n) for n in names], self.growth(*sums)


def fit_dispersion(sides: list[tuple[SideSamples, Shares]]) -> Dispersion:
    """From the frames' self costs, which do not overlap. Frames seen less than once per process are left out."""
    chance, slope, variance, df = (
        np.concatenate(parts) if parts else np.zeros(0) for parts in zip(*map(_scatter, sides), strict=True)
    )
    if not len(chance):
        return Dispersion(0.0, 0.0)
    x = slope / chance
    cv2 = max(0.0, float(x @ (variance / chance - 1) / (x @ x)))
    if len(chance) < _MIN_ROWS:
        return Dispersion(cv2, 0.0)
    # As limma's fitFDist, with the scale given by the expected variance.
    ratio = np.maximum(variance / (chance + cv2 * slope), 1e-3)
    z = np.log(ratio) - student.log_f_mean(df)
    excess = float(z.var(ddof=1) - student.log_f_variance(df).mean())
    prior = student.df_of_log_variance(excess) if excess > 0 else np.inf
    return Dispersion(cv2, min(prior, _MAX_PRIOR_DF))


def _scatter(side_shares: tuple[SideSamples, Shares]) -> tuple[Floats, Floats, Floats, Floats]:
    side, shares = side_shares
    if side.df < 1:
        return np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0)
    n = side.samples.mean()
    seen = (shares.mean * n >= 1) & ((1 - shares.mean) * n >= 1)
    chance = (shares.mean * (1 - shares.mean))[seen]
    return chance, n * chance**2, shares.variance[seen], np.full(len(chance), side.df)
