"""Did cost only move? Extracting, inlining, renaming and regrouping functions is not a regression.

Under a common caller one callee (or the caller's own code) gained what others lost, *and* the calls between them
changed. The gain and the losses together must be equivalent. Two frames that exist on both sides with the same callers
never offset each other: one slower and one faster is a masked regression.
"""

from __future__ import annotations

import enum
from collections.abc import Collection

import numpy as np

from pytest_flame.stats import student
from pytest_flame.stats.frames import FrameTests
from pytest_flame.stats.growth import Growth
from pytest_flame.stats.stack_table import Mask

MARGIN = 1 / 3
"""Equivalent: the remaining growth is surely below the frame threshold or, if not shown to be above it, surely below
this share of what moved."""
MOST = 0.5
"""Share of a growth below a call that changed its caller, for that call to explain it."""


class Move(enum.Enum):
    NONE = enum.auto()
    MOVED = enum.auto()
    UNCLEAR = enum.auto()
    """Cost moved, but the sum is neither shown to be equivalent nor to have grown beyond the threshold."""


def find_move(tests: FrameTests, frame: int, growing: Mask, project: Mask) -> tuple[Move, int | None]:
    """Whether the growth of ``frame`` in the stacks ``growing`` came from elsewhere, and under which common caller.

    Common callers are tried from the frame itself up to the test body.
    """
    unclear: int | None = None
    ancestor: int | None = frame
    seen: set[int] = set()
    while ancestor is not None:
        seen.add(ancestor)
        move = _under(tests, ancestor, growing, project)
        if move is Move.MOVED:
            return move, ancestor
        if move is Move.UNCLEAR and unclear is None:
            unclear = ancestor
        ancestor = _main_caller(tests, ancestor, growing, seen)
    return (Move.NONE, None) if unclear is None else (Move.UNCLEAR, unclear)


def _main_caller(tests: FrameTests, frame: int, growing: Mask, seen: Collection[int]) -> int | None:
    """Of the callers not ``seen`` the one under which most of the growth lies.

    Stacks without the frame do not count: the search leaves a function with many callers through one of them.
    """
    callers = tests.gauge.table.callers(frame)
    names, growth = tests.gauge.by(callers, growing & (callers >= 0))
    ranked = (names[i] for i in growth.delta.argsort()[::-1])
    return next((caller for caller in ranked if caller not in seen), None)


def _under(tests: FrameTests, ancestor: int, growing: Mask, project: Mask) -> Move:
    """Is the growth offset by what other callees of ``ancestor``, or its own code, lost?"""
    gauge = tests.gauge
    callees = gauge.table.callees(ancestor)
    names, growth = gauge.by(callees, callees >= 0)
    inside, gained = gauge.by(callees, growing & (callees >= 0))
    if not inside:
        return Move.NONE
    gainer = inside[int(gained.delta.argmax())]
    called_anew = {n for i, n in enumerate(names) if n != ancestor and growth.base[i] == 0}
    gain = float(gained.delta.max())
    lost = _losers(tests, names, growth, gainer)
    # The callees of a library's dispatcher are unrelated: there only a callee that is gone can have been replaced.
    split = gainer in called_anew and (project[ancestor] or not project.any())
    if split:
        lost |= _seeming_losers(names, growth, gainer, gain)
    else:
        lost = {n: left for n, left in lost.items() if _call_changed(tests, callees == n, left, n == ancestor, growing)}
    if not lost:
        return Move.NONE
    # Callees called for the first time take precedence for what was lost, so they are subtracted from it.
    return _equivalent(tests, growing | np.isin(callees, [gainer, *called_anew, *lost]), growing)


def _losers(tests: FrameTests, names: list[int], growth: Growth, gainer: int) -> dict[int, float]:
    """Callees that surely lost cost, apart from the one that gained, with their remaining cost."""
    loss = growth.base - growth.head
    sure = loss > student.quantile(1 - tests.alpha, growth.df) * growth.sampling_se
    return {n: float(growth.head[i]) for i, n in enumerate(names) if sure[i] and n != gainer}


def _seeming_losers(names: list[int], growth: Growth, gainer: int, gain: float) -> dict[int, float]:
    """Callees whose loss would explain ``gain``, significant or not: a function extracted from an expensive one must
    not be blamed because the loss is lost in that function's noise. Whether the sum grew is still tested."""
    loss = growth.base - growth.head
    return {n: float(growth.head[i]) for i, n in enumerate(names) if loss[i] >= MOST * gain and n != gainer}


def _call_changed(tests: FrameTests, loser: Mask, left: float, is_own: bool, growing: Mask) -> bool:
    """Whether the loser is no longer called, or one of its calls moved to where the growth is."""
    gone = left == 0 and not is_own
    return gone or _handed_over(tests, loser, growing)


def _handed_over(tests: FrameTests, loser: Mask, growing: Mask) -> bool:
    """Whether a call vanished below the loser and its callee is now called, for the first time, below the gainer."""
    gauge, table = tests.gauge, tests.gauge.table
    vanished, appeared = _edges(tests, loser, of_base=True), _edges(tests, growing, of_base=False)
    common = {callee for _, callee in vanished} & {callee for _, callee in appeared}
    if not common:
        return False
    ending = np.array([bool(common.intersection(path)) for path in table.paths])
    moved = gauge.of(growing & ending)
    return bool(moved.delta[0] >= MOST * gauge.of(growing).delta[0])


def _edges(tests: FrameTests, stacks: Mask, *, of_base: bool) -> set[tuple[int, int]]:
    """Calls (caller, callee) in these stacks that one side has and the other does not have anywhere."""
    table = tests.gauge.table
    here, there = (table.base, table.head) if of_base else (table.head, table.base)
    calls: set[tuple[int, int]] = set()
    for s in np.flatnonzero(stacks & (here.weights_ns.sum(axis=0) > 0)):
        calls.update(zip(table.paths[s], table.paths[s][1:], strict=False))
    for s in np.flatnonzero(there.weights_ns.sum(axis=0) > 0):
        calls.difference_update(zip(table.paths[s], table.paths[s][1:], strict=False))
    return calls


def find_inlining(tests: FrameTests, frame: int, everything: Mask) -> Move:
    """Whether a frame whose self cost grew has an unchanged inclusive cost, as when it took over a callee's work.

    ``everything`` is what other culprits leave of the frame's stacks; the frame has to have grown without them, too.
    """
    gauge = tests.gauge
    rest = gauge.of(everything)
    left, reach = float(rest.delta[0]), float((student.quantile(1 - tests.alpha, rest.df) * rest.se)[0])
    if left - reach > 0 and tests.inclusive.delta[frame] > 0:
        return Move.NONE
    return Move.MOVED if left + reach <= float(tests.bounds(rest)[0]) else Move.UNCLEAR


def _equivalent(tests: FrameTests, involved: Mask, growing: Mask) -> Move:
    net, moved = tests.gauge.of(involved), float(tests.gauge.of(growing).delta[0])
    left, bound = float(net.delta[0]), float(tests.bounds(net)[0])
    errors = float(student.quantile(1 - tests.alpha, net.df)[0])
    # Errors of the totals affect gain and loss alike: they can hide a growth, never create one.
    reach, with_totals = errors * float(net.sampling_se[0]), errors * float(net.se[0])
    above = left - reach > bound
    if above and left - with_totals > tests.bound:
        return Move.NONE
    return Move.MOVED if not above and left + reach <= max(bound, MARGIN * moved) else Move.UNCLEAR
