"""Attribution: from the frames that grew to the few culprits.

When a frame grows, so do all its callers. So the deepest frame over its threshold is taken first, the stacks it
accounts for are set aside, and its callers are tested again on what is left. Then, for each culprit: is it slower, or
is it called more often (then everything around the call grew by the same factor, and the topmost such frame is the
culprit)? Finally: is the cost new, or did it only move?
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pytest_flame.model import Change, Under
from pytest_flame.stats import student
from pytest_flame.stats.calls import CARRIES, Blamed, Rest, blame_calls, grew_along
from pytest_flame.stats.exact_calls import ExactCalls, blame_exactly
from pytest_flame.stats.frames import FrameTests
from pytest_flame.stats.moves import MOST, Move, find_inlining, find_move
from pytest_flame.stats.stack_table import Mask

DOUBT = 0.05
"""Family-wise level at which one frame that grew by a different factor refutes "everything is slower alike"."""


@dataclass(frozen=True, slots=True)
class Blame:
    """A frame (index) and what happened to it; ``own_delta`` in picoseconds, its culprit descendants subtracted."""

    frame: int
    change: Change
    caller: int | None
    own_delta: float
    under: Under = Under.UNKNOWN
    relative: float | None = None
    """Growth relative to the base cost where it grew; None if that was zero."""
    called_from: int | None = None
    """For a library's frame, the project's frame under which it grew."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Each with the largest growth of self cost first. ``unclear``: cost may have moved, but an unchanged sum is not
    shown."""

    culprits: tuple[Blame, ...] = ()
    moved: tuple[Blame, ...] = ()
    unclear: tuple[Blame, ...] = ()
    alike: bool = False
    """Everything is slower by one factor, and there is no culprit."""


@dataclass(frozen=True)
class Grown:
    """A frame and the sets of stacks whose growth exceeds its threshold."""

    frame: int
    stakes: tuple[Mask, ...]


@dataclass(frozen=True, slots=True)
class _Aside:
    """Stacks accounted for. With ``up_to``, only for frames below that one: above it a move cancels out."""

    mask: Mask
    up_to: int | None = None


def attribute(tests: FrameTests, project: Mask, counts: ExactCalls | None = None) -> Attribution:
    """Name the culprits among the frames over their thresholds; with exact ``counts`` of calls, if there are any.

    ``project`` marks the frames whose code is the sides' own (shape ``(frames,)``): the project's, and that of
    libraries that the sides have in different releases.
    """
    if everything_alike(tests):
        return Attribution(alike=True)
    suspects = over_threshold(tests)
    suspects = blame_project(tests, suspects, project)
    suspects = deepest_first(tests, suspects)
    return explain(tests, suspects, project, counts)


def everything_alike(tests: FrameTests) -> bool:
    """Whether the whole test is slower, and no frame is shown to have grown by a different factor.

    The most expensive frame and the rest must each be shown to have grown, by one factor: absence of evidence does not
    count.
    """
    gauge, table = tests.gauge, tests.gauge.table
    if not tests.slower or not table.paths:
        return False
    factor = gauge.head.centre.cost / gauge.base.centre.cost
    for growth in (tests.inclusive, tests.own):
        error = np.hypot(growth.head_se, factor * growth.base_se)
        critical = student.quantile(1 - DOUBT / (4 * len(table.frames)), growth.df)
        if (np.abs(growth.head - factor * growth.base) > critical * error).any():
            return False
    costliest = table.leaf == int(tests.own.base.argmax())
    return grew_along(gauge.of(~costliest), gauge.of(costliest), tests.alpha) is Rest.CONFIRMS


def over_threshold(tests: FrameTests) -> list[Grown]:
    """Every frame over its threshold, by its self cost, by its inclusive cost, or both."""
    table = tests.gauge.table
    suspects = []
    for frame in map(int, np.flatnonzero(tests.inclusive_over | tests.own_over)):
        inclusive = [table.containing(frame)] if tests.inclusive_over[frame] else []
        own = [table.leaf == frame] if tests.own_over[frame] else []
        suspects.append(Grown(frame, (*inclusive, *own)))
    return suspects


def blame_project(tests: FrameTests, suspects: Iterable[Grown], project: Mask) -> list[Grown]:
    """Pass growth in library code on to the project's functions that call it.

    The test body is not one of them: it contains everything, and the library function says more. Growth that is shared
    by too many project functions to name one of them stays with the library.
    """
    owners = project.copy()
    owners[tests.gauge.table.root] = False
    stakes: dict[int, list[Mask]] = {}
    for suspect in suspects:
        for stake in suspect.stakes:
            passed = _owners(tests, suspect.frame, stake, owners) if not project[suspect.frame] else {}
            for frame, part in (passed or {suspect.frame: stake}).items():
                stakes.setdefault(frame, []).append(part)
    return [Grown(frame, tuple(masks)) for frame, masks in stakes.items()]


def project_caller(tests: FrameTests, frame: int, project: Mask) -> int | None:
    """The nearest project function, or the test body, above a library's frame with most of its growth."""
    table = tests.gauge.table
    if project[frame]:
        return None
    owners = project.copy()
    owners[table.root] = True
    nearest = table.nearest_above(frame, owners)
    names, growth = tests.gauge.by(nearest, nearest >= 0)
    if not names:
        return None
    largest = int(growth.delta.argmax())
    return names[largest] if growth.delta[largest] >= MOST * growth.delta.clip(min=0).sum() else None


def _owners(tests: FrameTests, frame: int, stake: Mask, owners: Mask) -> dict[int, Mask]:
    nearest = tests.gauge.table.nearest_above(frame, owners)
    names, growth = tests.gauge.by(nearest, stake)
    whole = float(growth.delta.sum())
    p = growth.p_above(tests.bounds(growth))
    return {
        name: stake & (nearest == name)
        for i, name in enumerate(names)
        if name >= 0 and (p[i] <= tests.critical_p or growth.delta[i] >= CARRIES * whole)
    }


def deepest_first(tests: FrameTests, suspects: Sequence[Grown]) -> list[Grown]:
    """Order so that a frame comes after those it mostly calls; the larger depth first if frames call each other."""
    table = tests.gauge.table
    cost = table.base.weights_ns.sum(axis=0) / max(1.0, table.base.weights_ns.sum())
    cost = cost + table.head.weights_ns.sum(axis=0) / max(1.0, table.head.weights_ns.sum())
    depths = {s.frame: table.outermost(s.frame) for s in suspects}

    def above(f: int, g: int) -> float:
        return float(cost[(depths[f] >= 0) & (depths[f] < depths[g])].sum())

    def mean_depth(f: int) -> float:
        here = depths[f] >= 0
        return float(depths[f][here] @ cost[here])

    waiting = sorted(suspects, key=lambda s: (-mean_depth(s.frame), s.frame))
    calls = {(s.frame, t.frame): above(s.frame, t.frame) for s in waiting for t in waiting if s is not t}
    ordered = []
    while waiting:
        free = (s for s in waiting if all(_calls_not(s, t, calls) for t in waiting))
        chosen = next(free, waiting[0])
        ordered.append(chosen)
        waiting = [s for s in waiting if s is not chosen]
    return ordered


def _calls_not(s: Grown, t: Grown, calls: dict[tuple[int, int], float]) -> bool:
    return s is t or calls[s.frame, t.frame] <= calls[t.frame, s.frame]


def explain(
    tests: FrameTests, suspects: Iterable[Grown], project: Mask, counts: ExactCalls | None = None
) -> Attribution:
    """Test the suspects in order, each on what the ones before it leave."""
    gauge, table = tests.gauge, tests.gauge.table
    aside: list[_Aside] = []
    found: dict[Move, list[Blame]] = {move: [] for move in Move}
    for suspect in suspects:
        free = ~_taken(tests, suspect.frame, aside)
        stake = _strongest(tests, suspect.stakes, free)
        if stake is None:
            continue
        exactly = None if counts is None else blame_exactly(gauge, suspect.frame, stake, counts)
        calls = exactly or blame_calls(gauge, suspect.frame, stake, free, tests.alpha)
        everything = table.containing(calls.frame) & free
        growing = everything if calls.frame != suspect.frame else stake
        move, ancestor = find_move(tests, calls.frame, growing, project)
        if move is Move.NONE:
            move = find_inlining(tests, calls.frame, everything)
        blame = _blame(tests, calls, everything, growing)
        found[move].append(blame if move is Move.NONE else replace(blame, change=Change.MOVED))
        aside.append(_Aside(everything, ancestor))
    found[Move.MOVED] += _renamed(tests, {blame.frame for blames in found.values() for blame in blames})
    ranked = {move: tuple(sorted(blames, key=lambda b: -b.own_delta)) for move, blames in found.items()}
    return Attribution(ranked[Move.NONE], ranked[Move.MOVED], ranked[Move.UNCLEAR])


def _renamed(tests: FrameTests, told: set[int]) -> list[Blame]:
    """The renamed functions of some cost that are otherwise unchanged."""
    size = np.maximum(tests.inclusive.base, tests.inclusive.head)
    quiet = (size > tests.bound) & ~tests.significant
    renamed = [f for f in tests.gauge.table.before if f not in told and quiet[f]]
    return [Blame(f, Change.MOVED, None, float(tests.inclusive.delta[f])) for f in renamed]


def _blame(tests: FrameTests, calls: Blamed, everything: Mask, growing: Mask) -> Blame:
    """With the sizes: relative to its base cost, where it grew."""
    gauge, table = tests.gauge, tests.gauge.table
    all_of_it, part = gauge.of(everything), gauge.of(growing)
    own = max(float(all_of_it.delta[0]), float(part.delta[0]))
    # Growth hidden by a faster callee is reported for the part that grew.
    where = all_of_it if all_of_it.delta[0] >= own / 2 else part
    if calls.under is Under.ONE and calls.caller is not None:
        where = gauge.of(everything & (table.callers(calls.frame) == calls.caller))
    base = float(where.base[0])
    relative = float(where.delta[0]) / base if base > 0 else None
    return Blame(calls.frame, calls.change, calls.caller, own, calls.under, relative)


def _strongest(tests: FrameTests, stakes: Iterable[Mask], free: Mask) -> Mask | None:
    """What is free of the stake that is still over the threshold, the largest of several."""
    over = []
    for stake in stakes:
        left = stake & free
        growth = tests.gauge.of(left)
        untouched = left.sum() == stake.sum()
        if untouched or growth.p_above(tests.bounds(growth))[0] <= tests.critical_p:
            over.append((float(growth.delta[0]), left))
    return max(over, key=lambda pair: pair[0])[1] if over else None


def _taken(tests: FrameTests, frame: int, aside: Iterable[_Aside]) -> Mask:
    table = tests.gauge.table
    taken = np.zeros(len(table.paths), dtype=np.bool_)
    for a in aside:
        if a.up_to is None:
            taken |= a.mask
        elif a.up_to != frame:
            ancestor = table.outermost(a.up_to)
            taken |= a.mask & (ancestor >= 0) & (ancestor < table.outermost(frame))
    return taken
