"""Which frames of a test changed: impact on the test, family-wise over its frames.

There are two hypotheses for every frame: its self cost, and its inclusive cost, "did not grow by more than the frame
threshold, a share of the test's base cost". Rows that are equal in every process (a leaf's self and inclusive cost, a
chain of calls) are one hypothesis, counted once.

Each hypothesis is tested at its part of the level (Bonferroni), not step-down: a handful of hundreds grew, so steps
would gain next to nothing, and this way the decisions agree with the simultaneous intervals.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from pytest_flame.stats import family, power, student
from pytest_flame.stats.growth import Gauge, Growth
from pytest_flame.stats.stack_table import Ints, Mask
from pytest_flame.stats.student import Floats
from pytest_flame.stats.whole import Whole

_MIN_SAMPLES = 8.0
"""A frame seen less often on both sides together is not tested against zero: no change could be detected."""
_SURE = 0.99
"""Level for the absence of a growth, at each of several looks: together they lose less than 5 %."""
_MOST = 100.0
"""Growth to more than this many times the test is not searched for."""


@dataclass(frozen=True, slots=True)
class FrameTests:
    """One entry per frame of ``gauge.table.frames``, unless stated otherwise."""

    gauge: Gauge
    bound: float
    """Tolerated growth of any frame, picoseconds."""
    tolerated: float
    """Tolerated growth of a frame relative to its own base cost: the test's threshold. A slowdown of everything alike,
    such as a different time on the same machine, is judged by the whole test and must not fail a frame first."""
    alpha: float
    size: int
    """Hypotheses in the family, at least 1."""
    inclusive: Growth
    own: Growth
    is_total: Mask
    """Contains all of the cost: the inclusive hypothesis is the whole test's."""
    p_adjusted: Floats
    inclusive_over: Mask
    own_over: Mask
    significant: Mask
    low: Floats
    high: Floats
    """Simultaneous bounds of the inclusive growth at level 1 − 2·alpha: over exactly where ``low`` is above the
    bound. The whole test's interval if the frame contains all of the cost."""
    own_low: Floats
    own_high: Floats
    """The same for the growth of self cost."""
    blind: Floats
    """Smallest growth of this frame, self or inclusive, that would be named with 95 % probability, picoseconds; inf if
    none would."""
    blind_below: float
    """Smallest cost of a new frame that would be named with 95 % probability, picoseconds."""
    slower: bool
    """The whole test is slower by more than its threshold."""

    @property
    def critical_p(self) -> float:
        """The limit for another raw p of this family."""
        return self.alpha / self.size

    def bounds(self, growth: Growth) -> Floats:
        """How much each of these costs may have grown, picoseconds."""
        return np.maximum(self.bound, self.tolerated * growth.base)


def compare_frames(
    gauge: Gauge,
    whole: Whole,
    *,
    threshold: float,
    frame_threshold: float,
    alpha: float,
    suspects: Mask | Collection[int] | None = None,
) -> FrameTests:
    """Test every frame, or only the ``suspects`` (a mask over frames or their indexes): the family is theirs alone.

    A frame that contains all of the cost *is* the test: ``whole`` decides about it, not the frame threshold. Intervals
    of other frames are as wide as the suspects' and not simultaneous with them.
    """
    table = gauge.table
    suspected = _suspected(suspects, len(table.frames))
    base, head, inclusive_row, own_row = _rows(gauge)
    rows = gauge.growth(base, head)
    bound = frame_threshold * gauge.base.centre.cost
    bounds = np.maximum(bound, threshold * rows.base)

    in_family = np.zeros(len(rows.base), dtype=np.bool_)
    in_family[inclusive_row[suspected]] = in_family[own_row[suspected]] = True
    is_total = (base == gauge.base.totals).all(axis=1) & (head == gauge.head.totals).all(axis=1)
    # A frame below the bound on both sides together cannot exceed it; the sum favours neither side.
    testable = in_family & ~is_total & (rows.base + rows.head >= bound)
    size = max(1, int(testable.sum()))
    adjusted = np.where(testable, np.minimum(1.0, size * rows.p_above(bounds)), 1.0)
    adjusted[is_total & in_family] = whole.p_regressed
    over = adjusted <= alpha

    seen = _samples(gauge, rows) >= _MIN_SAMPLES
    changed = np.zeros(len(adjusted), dtype=np.bool_)
    changed[seen] = family.holm(rows.p_changed()[seen]) <= 2 * alpha

    low, high = _intervals(rows, alpha / size)
    total_cost = gauge.base.centre.cost
    low[is_total], high[is_total] = (whole.low - 1) * total_cost, (whole.high - 1) * total_cost
    blind = _blind(gauge, rows, bounds, alpha / size)
    blind[is_total] = (whole.mde - 1) * total_cost
    return FrameTests(
        gauge=gauge,
        bound=bound,
        tolerated=threshold,
        alpha=alpha,
        size=size,
        inclusive=_take(rows, inclusive_row),
        own=_take(rows, own_row),
        is_total=is_total[inclusive_row],
        p_adjusted=np.where(suspected, np.minimum(adjusted[inclusive_row], adjusted[own_row]), 1.0),
        inclusive_over=over[inclusive_row] & suspected,
        own_over=over[own_row] & suspected,
        significant=changed[inclusive_row] | changed[own_row],
        low=low[inclusive_row],
        high=high[inclusive_row],
        own_low=low[own_row],
        own_high=high[own_row],
        blind=np.minimum(blind[inclusive_row], blind[own_row]),
        blind_below=_blind_below(gauge, frame_threshold, alpha / size),
        slower=whole.p_regressed <= alpha,
    )


def resolved(tests: FrameTests, pairs_done: float, samples_done: float, alpha_final: float) -> Mask:
    """Which frames need no more pairs; shape ``(frames,)``.

    Those already named, and those whose growth is surely less than what all pairs, judged at ``alpha_final``, would
    name with 95 % probability; ``pairs_done`` and ``samples_done`` are the shares of them so far. For a frame that
    contains all of the cost only its self cost counts. The projection uses the sampling error alone: disturbed
    processes, which cannot be removed from few pairs, would otherwise predict a noisy end and justify an early stop.
    """
    excluded = np.ones(len(tests.own.base), dtype=np.bool_)
    for growth, judged in ((tests.inclusive, ~tests.is_total), (tests.own, np.ones_like(tests.is_total))):
        reach = (
            power.distance(alpha_final / tests.size, growth.df / pairs_done)
            * growth.sampling_se
            * np.sqrt(samples_done)
        )
        found = tests.bounds(growth) + reach
        excluded &= ~judged | (growth.delta + student.quantile(_SURE, growth.df) * growth.se < found)
    return tests.inclusive_over | tests.own_over | excluded


def _suspected(suspects: Mask | Collection[int] | None, frames: int) -> Mask:
    if suspects is None:
        return np.ones(frames, dtype=np.bool_)
    if isinstance(suspects, np.ndarray) and suspects.dtype == np.bool_:
        return suspects
    mask = np.zeros(frames, dtype=np.bool_)
    mask[list(suspects)] = True
    return mask


def _intervals(rows: Growth, alpha: float) -> tuple[Floats, Floats]:
    reach = student.quantile(1 - alpha, rows.df) * rows.se
    return rows.delta - reach, rows.delta + reach


def _blind(gauge: Gauge, rows: Growth, bounds: Floats, alpha: float) -> Floats:
    """The ``growth = bounds + distance · error`` of a row that grew by that much; the error grows with it."""
    distance = power.distance(alpha, rows.df)
    growth = bounds.copy()
    most = _MOST * gauge.base.centre.cost
    for _ in range(60):
        growth, before = np.minimum(bounds + distance * gauge.error_at(rows, rows.base + growth), most), growth
    return np.where((growth < most) & (growth - before < 0.01 * growth), growth, np.inf)


def _rows(gauge: Gauge) -> tuple[Floats, Floats, Ints, Ints]:
    """Distinct rows of both sides' sums, and which of them is each frame's inclusive and self cost."""
    table = gauge.table
    own, frames = table.topmost
    sums = []
    for counts in (table.base, table.head):
        own_sums = np.zeros((len(table.frames), len(counts.weights_ns)))
        own_sums[frames] = own.sums(counts.weights_ns)
        sums.append(np.vstack([table.within.sums(counts.weights_ns), own_sums]))
    joined = np.hstack(sums)
    rows, place = np.unique(joined, axis=0, return_inverse=True)
    place = place.reshape(-1)
    split = len(table.base.weights_ns)
    return rows[:, :split], rows[:, split:], place[: len(table.frames)], place[len(table.frames) :]


def _take(growth: Growth, rows: Ints) -> Growth:
    return Growth(*(getattr(growth, name)[rows] for name in Growth.__slots__))


def _samples(gauge: Gauge, rows: Growth) -> Floats:
    """Approximate number of samples of each row, both sides together."""
    sides = ((gauge.base, rows.base), (gauge.head, rows.head))
    return np.asarray(sum(costs / side.centre.cost * side.samples.sum() for side, costs in sides))


def _blind_below(gauge: Gauge, frame_threshold: float, alpha: float) -> float:
    head = gauge.head
    df = max(gauge.dispersion.df + head.df, 1.0)
    to_base = gauge.base.centre.cost / head.centre.cost
    share = power.smallest_share(
        min(frame_threshold * to_base, 1.0),
        max(float(head.samples.sum()), 1.0),
        dispersion=1.0,
        prop_sd=float(np.hypot(min(head.centre.se, 1.0), gauge.session_sd)),
        df=df,
        alpha=alpha,
    )
    return share * head.centre.cost
