"""Slower, or called more often? Without exact counts of calls (``exact_calls``), by proportion.

Ten times as many calls of a function cost ten times its self cost and ten times the cost of everything it calls. So
from a frame that grew, climb to its caller as long as the rest of the caller grew by the same factor.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from statistics import NormalDist

from pytest_flame.model import Change, Under
from pytest_flame.stats.growth import Gauge, Growth
from pytest_flame.stats.stack_table import Mask

CARRIES = 0.9
"""Share of a growth that one caller has to account for to be its source."""
ALIKE = 0.2
"""Two factors within this fraction of their logarithm count as equal: more calls never cost exactly in proportion."""
PLAUSIBLE = 0.4
"""Beyond this a factor does not count as equal, however wide its error."""
DENIALS = 10
"""A climb usually tests at most this many callers; one wrong "no" among them would end it too early."""
NOTICED = 0.1
"""A caller with less than this share of a function's cost is not tested for growth."""
WEIGHTY = 0.05
"""A caller's rest below this share of what it calls says nothing: a loop also takes longer with more iterations."""


@dataclass(frozen=True, slots=True)
class Blamed:
    """The frame to blame (index), what happened to it, and the caller under which it happened, if it is a single
    one."""

    frame: int
    change: Change
    caller: int | None
    under: Under = Under.UNKNOWN


class Rest(enum.Enum):
    """What the rest of a caller says about "the caller was also called more often"."""

    CONFIRMS = enum.auto()
    SILENT = enum.auto()
    DENIES = enum.auto()


def blame_calls(gauge: Gauge, frame: int, stake: Mask, free: Mask, alpha: float) -> Blamed:
    """Climb from ``frame``, whose growth in ``stake`` is to be explained, to the topmost frame called more often.

    ``free`` are the stacks not accounted for by other culprits.
    """
    table = gauge.table
    top, context, climbed = frame, stake, False
    below, here, seen = frame, stake, {frame}
    while (caller := _carrier(gauge, below, here, alpha)) is not None and caller != table.root and caller not in seen:
        seen.add(caller)
        inside, called = table.containing(caller) & free, table.containing(below)
        rest = _compare_rest(gauge, inside & ~called, inside & called, alpha)
        if rest is Rest.DENIES:
            break
        below, here = caller, here & inside
        if rest is Rest.CONFIRMS:
            top, context, climbed = caller, inside, True
    return _describe(gauge, top, context, free, alpha, climbed=climbed)


def _describe(gauge: Gauge, frame: int, context: Mask, free: Mask, alpha: float, *, climbed: bool) -> Blamed:
    table = gauge.table
    everything = table.containing(frame)
    caller = _carrier(gauge, frame, context, alpha)
    if gauge.of(everything).base[0] == 0:
        return Blamed(frame, Change.NEW, caller)
    if caller is not None and _only_under(gauge, frame, caller, free, alpha):
        return Blamed(frame, Change.MORE_CALLS, caller, Under.ONE)
    own = (table.leaf == frame) & free
    # A function that grew by one factor in all its parts is called more often, wherever the search began …
    in_all_parts = climbed or _compare_rest(gauge, own, everything & ~own & free, alpha) is Rest.CONFIRMS
    # … unless everything else in the test grew by that factor, too.
    if in_all_parts and grew_along(gauge.of(~everything), gauge.of(everything), alpha) is Rest.DENIES:
        return Blamed(frame, Change.MORE_CALLS, caller)
    every = _under_every(gauge, frame, free, alpha)
    return Blamed(frame, Change.SLOWER, None, Under.EVERY if every else Under.UNKNOWN)


def _carrier(gauge: Gauge, frame: int, stacks: Mask, alpha: float) -> int | None:
    """The caller under which nearly all of the growth in these stacks lies, as far as can be told."""
    callers = gauge.table.callers(frame)
    names, growth = gauge.by(callers, stacks)
    largest = int(growth.delta.argmax()) if names else 0
    if not names or names[largest] < 0 or growth.delta[largest] <= 0:
        return None
    others = gauge.of(stacks & (callers != names[largest]))
    noise = _z(alpha) * float(others.sampling_se[0]) if others.head[0] + others.base[0] else 0
    whole = max(growth.delta[largest] + others.delta[0], growth.delta[largest])
    unproven = others.delta[0] <= min(noise, growth.delta[largest] / 2)
    return names[largest] if growth.delta[largest] >= CARRIES * whole or unproven else None


def _only_under(gauge: Gauge, frame: int, caller: int, free: Mask, alpha: float) -> bool:
    """Whether the frame's cost under its other callers, which it already had before, did not grow as well."""
    callers = gauge.table.callers(frame)
    under, elsewhere = gauge.of(free & (callers == caller)), gauge.of(free & (callers >= 0) & (callers != caller))
    if elsewhere.base[0] <= 0:
        return False
    if under.base[0] <= 0:
        return True
    return grew_along(elsewhere, under, alpha) is Rest.DENIES


def _under_every(gauge: Gauge, frame: int, free: Mask, alpha: float) -> bool:
    """Whether it is shown to have grown under each of several callers, and by factors that agree."""
    callers = gauge.table.callers(frame)
    called = free & (callers >= 0)
    names, growth = gauge.by(callers, called)
    noticed = growth.base >= NOTICED * growth.base.sum()
    if noticed.sum() < 2 or not (growth.delta > _z(alpha) * growth.sampling_se)[noticed].all():
        return False
    pairs = ((called & (callers == n), called & (callers != n)) for n, big in zip(names, noticed, strict=True) if big)
    return all(grew_along(gauge.of(under), gauge.of(others), alpha) is not Rest.DENIES for under, others in pairs)


def _compare_rest(gauge: Gauge, rest: Mask, called: Mask, alpha: float) -> Rest:
    part, whole = gauge.of(rest), gauge.of(called)
    if whole.base[0] + part.base[0] == 0:
        return Rest.CONFIRMS  # all of the caller is new
    if whole.base[0] <= 0:
        return Rest.DENIES  # the call is new, the caller is not
    verdict = grew_along(part, whole, alpha)
    if verdict is Rest.CONFIRMS and part.head[0] < WEIGHTY * whole.head[0]:
        return Rest.SILENT
    return verdict


def grew_along(part: Growth, whole: Growth, alpha: float) -> Rest:
    """Did ``part`` grow by the same factor as ``whole``? The proportional errors of their costs are common and
    cancel."""
    b, h = float(part.base[0]), float(part.head[0])
    factor = float(whole.head[0] / whole.base[0])
    if factor <= 1:
        return Rest.DENIES
    error_of_factor = factor * math.hypot(whole.base_se[0] / whole.base[0], whole.head_se[0] / whole.head[0])
    error = math.hypot(part.head_se[0], factor * part.base_se[0], b * error_of_factor)
    off = abs(math.log(h / b) / math.log(factor) - 1) if b > 0 and h > 0 else math.inf
    if off > ALIKE and abs(h - factor * b) > _z(alpha / DENIALS) * error:
        return Rest.DENIES
    both_grew = all(g.delta[0] > _z(alpha) * g.se[0] for g in (part, whole))
    return Rest.CONFIRMS if both_grew and off <= PLAUSIBLE else Rest.SILENT


def _z(alpha: float) -> float:
    return NormalDist().inv_cdf(1 - alpha)
