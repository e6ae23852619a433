"""Which frames of one test changed: impact on the test, family-wise over its frames.

For every frame two hypotheses: its own cost, and its cost with everything below it, each "did not grow by more than
the frame threshold, a part of the test's base cost". Rows that are equal in every process (a leaf's own and
inclusive cost, a chain of calls) are one hypothesis, counted once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_flame.stats import family, power, student
from pytest_flame.stats.growth import Gauge, Growth
from pytest_flame.stats.student import Floats
from pytest_flame.stats.table import Ints, Mask
from pytest_flame.stats.whole import Whole

_MIN_SAMPLES = 8.0
"""A frame seen less often on both sides together is not tested against zero: no change of it could be told."""


@dataclass(frozen=True, slots=True)
class FrameTests:
    """One entry per frame of ``gauge.table.frames``, unless said otherwise."""

    gauge: Gauge
    bound: float
    """Tolerated growth of any frame, picoseconds."""
    tolerated: float
    """Tolerated growth of a frame relative to its own base cost: the test's threshold. What slows everything down
    alike, as another hour on the same machine does, is the whole test's to judge and fails no frame before it."""
    alpha: float
    inclusive: Growth
    own: Growth
    p_adjusted: Floats
    inclusive_over: Mask
    own_over: Mask
    significant: Mask
    low: Floats
    high: Floats
    """Simultaneous bounds of the inclusive growth at level 1 − 2·alpha."""
    critical_p: float
    """What a further raw p of this family must not exceed."""
    blind_below: float
    """Smallest cost of a new frame that would be named with 95 % probability, picoseconds."""

    def bounds(self, growth: Growth) -> Floats:
        """What each of these costs may have grown by, picoseconds."""
        return np.maximum(self.bound, self.tolerated * growth.base)


def compare_frames(gauge: Gauge, whole: Whole, *, threshold: float, frame_threshold: float, alpha: float) -> FrameTests:
    """Test every frame.

    A frame that holds all of the cost *is* the test: ``whole`` decides about it, not the frame threshold.
    """
    base, head, inclusive_row, own_row = _rows(gauge)
    rows = gauge.growth(base, head)
    bound = frame_threshold * gauge.base.centre.ps

    is_total = (base == gauge.base.totals).all(axis=1) & (head == gauge.head.totals).all(axis=1)
    # Below the bound on both sides together nothing could exceed it; the sum does not favour either side.
    testable = ~is_total & (rows.base + rows.head >= bound)
    raw = rows.p_above(np.maximum(bound, threshold * rows.base))
    adjusted = np.where(is_total, whole.p_regressed, 1.0)
    adjusted[testable] = family.holm(raw[testable])

    seen = _samples(gauge, rows) >= _MIN_SAMPLES
    changed = np.zeros(len(raw), dtype=np.bool_)
    changed[seen] = family.holm(rows.p_changed()[seen]) <= 2 * alpha

    over = adjusted <= alpha
    inclusive, own = _take(rows, inclusive_row), _take(rows, own_row)
    reach = student.quantile(1 - alpha / max(1, testable.sum()), inclusive.df) * inclusive.se
    return FrameTests(
        gauge=gauge,
        bound=bound,
        tolerated=threshold,
        alpha=alpha,
        inclusive=inclusive,
        own=own,
        p_adjusted=np.minimum(adjusted[inclusive_row], adjusted[own_row]),
        inclusive_over=over[inclusive_row],
        own_over=over[own_row],
        significant=changed[inclusive_row] | changed[own_row],
        low=inclusive.delta - reach,
        high=inclusive.delta + reach,
        critical_p=family.critical_p(raw[testable], alpha),
        blind_below=_blind_below(gauge, frame_threshold, alpha / max(1, testable.sum())),
    )


def _rows(gauge: Gauge) -> tuple[Floats, Floats, Ints, Ints]:
    """Distinct rows of both sides' sums, and which of them is each frame's inclusive and own cost."""
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
    """About how many samples each row stands for, both sides together."""
    sides = ((gauge.base, rows.base), (gauge.head, rows.head))
    return np.asarray(sum(costs / side.centre.ps * side.samples.sum() for side, costs in sides))


def _blind_below(gauge: Gauge, frame_threshold: float, alpha: float) -> float:
    head = gauge.head
    df = max(gauge.dispersion.df + head.df, 1.0)
    to_base = gauge.base.centre.ps / head.centre.ps
    share = power.smallest_share(
        min(frame_threshold * to_base, 1.0),
        max(float(head.samples.sum()), 1.0),
        dispersion=1.0,
        prop_sd=float(np.hypot(min(head.centre.se, 1.0), gauge.session_sd)),
        df=df,
        alpha=alpha,
    )
    return share * head.centre.ps
