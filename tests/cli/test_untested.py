"""Differences between two sides without replicates: exact, and the same from either side."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.cli.recordings import recording
from pytest_flame.cli.untested import untested
from pytest_flame.model import SAMPLE_COUNT, SAMPLES, Change, Comparison, Costs, Frame, Limits, Profile

FRAMES = st.sampled_from([Frame("", name) for name in "abcd"])
COSTS = st.dictionaries(st.lists(FRAMES, min_size=1, max_size=5).map(tuple), st.integers(1, 10**12), max_size=8)


def compared(base: Costs, head: Costs) -> Comparison:
    before, after = (
        recording("t", [Profile({SAMPLES: c, SAMPLE_COUNT: dict.fromkeys(c, 1)}, "f")]) for c in (base, head)
    )
    return untested(before, after, Limits())


@given(COSTS, COSTS)
def test_sums_are_exact(base: Costs, head: Costs) -> None:
    found = compared(base, head)
    assert (found.base, found.head) == (sum(base.values()), sum(head.values()))
    assert sum(d.base_self for d in found.frames) == found.base
    assert sum(d.self_delta for d in found.frames) == found.head - found.base
    for delta in found.frames:
        assert delta.base == sum(cost for stack, cost in base.items() if delta.frame in stack)
        assert delta.head == sum(cost for stack, cost in head.items() if delta.frame in stack)


@given(COSTS, COSTS)
def test_swapping_the_sides_negates_every_change(base: Costs, head: Costs) -> None:
    there, back = compared(base, head), compared(head, base)
    opposite = {Change.NEW: Change.GONE, Change.GONE: Change.NEW, Change.SLOWER: Change.FASTER}
    opposite |= {Change.FASTER: Change.SLOWER, Change.UNCHANGED: Change.UNCHANGED}
    assert {(d.frame, d.delta, d.change) for d in there.frames} == {
        (d.frame, -d.delta, opposite[d.change]) for d in back.frames
    }


@given(COSTS, COSTS)
def test_nothing_is_claimed(base: Costs, head: Costs) -> None:
    found = compared(base, head)
    assert not found.tested
    assert (found.low, found.high, found.culprits) == (0.0, math.inf, ())
    assert not any(d.significant or d.over_threshold or d.p_adjusted < 1 for d in found.frames)
