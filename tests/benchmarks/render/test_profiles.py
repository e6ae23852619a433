"""Synthetic profiles have the requested size and two sides, and are the same every time."""

from __future__ import annotations

import pytest

from benchmarks.render import profiles
from pytest_flame.fold import recording_profile
from pytest_flame.render.layout import build_tree


@pytest.mark.parametrize("nodes", [1, 2, 50, 2000])
def test_the_union_has_as_many_functions_as_asked_for(nodes: int) -> None:
    pair = profiles.make_pair(nodes)
    assert len(build_tree(pair.base, pair.head)) == nodes


def test_a_seed_gives_the_same_profiles_in_the_same_order() -> None:
    one, again, other = profiles.make_pair(500, 3), profiles.make_pair(500, 3), profiles.make_pair(500, 4)
    assert list(one.head.items()) == list(again.head.items())
    assert one.head != other.head


def test_some_stacks_are_new_and_some_are_gone() -> None:
    pair = profiles.make_pair(2000)
    assert len(pair.base.keys() - pair.head.keys()) > 10
    assert len(pair.head.keys() - pair.base.keys()) > 10
    assert len(pair.head.keys() & pair.base.keys()) > 500


def test_larger_profiles_are_hardly_deeper() -> None:
    deep = [sum(map(len, pair.base)) / len(pair.base) for pair in map(profiles.make_pair, (1000, 10_000))]
    assert deep[1] < 1.3 * deep[0]


def test_the_recordings_hold_exactly_the_profiles() -> None:
    pair = profiles.make_pair(300)
    judgement = profiles.judged(pair)
    assert judgement.base is not None and judgement.head is not None and judgement.comparison is not None
    assert recording_profile(judgement.base).costs == pair.base
    assert recording_profile(judgement.head).costs == pair.head
    judgement.comparison.check()
