"""The tree compared with sums made in the slow, obvious way, and the laws of every differential flame graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_cases import CASES, path_of, tree_of

from pytest_flame.errors import IntegrityError
from pytest_flame.fold import inclusive
from pytest_flame.model import Frame, Stack
from pytest_flame.render import layout
from pytest_flame.render.layout import Tree, Width, build_tree

Costs = Mapping[Stack, int]

COLUMNS = ("frame", "parent", "depth", "end", "base_self", "head_self", "base", "head", "widest")

# Equal frames in different objects, as two files give them; names with the same beginning, empty ones, ones with a
# separator or half of a surrogate pair.
frames = st.builds(
    lambda module, name: Frame("".join(module), "".join(name)),
    st.sampled_from([["a"], ["a", ";"], ["kernel"], []]),
    st.sampled_from([["f"], ["f", "2"], ["\ud800"], ["é", " 7"], []]),
)
stacks = st.lists(frames, min_size=1, max_size=7).map(tuple)
profiles = st.dictionaries(stacks, st.integers(0, 2**50), max_size=30)


def nodes(tree: Tree) -> list[Stack]:
    return [tree.stack(node) for node in range(len(tree))]


def equal(one: Tree, other: Tree) -> bool:
    return one.frames == other.frames and all(np.array_equal(getattr(one, c), getattr(other, c)) for c in COLUMNS)


@given(profiles, profiles)
def test_every_node_holds_the_exact_sum_of_what_is_below_it(base: Costs, head: Costs) -> None:
    tree = build_tree(base, head)
    tree.check()
    before, after = inclusive(base), inclusive(head)
    widest = inclusive({stack: max(base.get(stack, 0), head.get(stack, 0)) for stack in base.keys() | head.keys()})
    found = nodes(tree)
    assert set(found) == widest.keys()
    assert len(set(found)) == len(found)
    for node, stack in enumerate(found):
        assert tree.base_self[node] == base.get(stack, 0)
        assert tree.head_self[node] == head.get(stack, 0)
        assert tree.base[node] == before.get(stack, 0)
        assert tree.head[node] == after.get(stack, 0)
        assert tree.widest[node] == widest[stack]


@given(profiles, profiles)
def test_every_level_adds_up(base: Costs, head: Costs) -> None:
    """What ends above a level and what crosses it add up to the whole, on each side and at each depth."""
    tree = build_tree(base, head)
    for whole, own, total in (
        (tree.base, tree.base_self, sum(base.values())),
        (tree.head, tree.head_self, sum(head.values())),
    ):
        for level in range(int(tree.depth.max(initial=0)) + 1):
            assert whole[tree.depth == level].sum() + own[tree.depth < level].sum() == total


@given(profiles, profiles)
def test_nodes_stand_depth_first_and_siblings_in_the_order_of_their_frames(base: Costs, head: Costs) -> None:
    tree = build_tree(base, head)
    assert list(tree.frames) == sorted(set(tree.frames))
    found = nodes(tree)
    assert found == sorted(found)
    for node, stack in enumerate(found):
        below = [i for i, other in enumerate(found) if other[: len(stack)] == stack]
        assert below == list(range(node, tree.end[node]))
        assert tree.depth[node] == len(stack) - 1


@given(profiles, profiles, st.randoms())
def test_the_order_of_the_mappings_does_not_matter(base: Costs, head: Costs, random: Random) -> None:
    mixed = [random.sample(list(side.items()), len(side)) for side in (base, head)]
    assert equal(build_tree(dict(mixed[0]), dict(mixed[1])), build_tree(base, head))


@given(profiles, profiles)
def test_swapping_the_sides_negates_every_delta(base: Costs, head: Costs) -> None:
    there, back = build_tree(base, head), build_tree(head, base)
    for column in ("frame", "parent", "depth", "end", "widest"):
        assert np.array_equal(getattr(there, column), getattr(back, column))
    assert np.array_equal(there.head - there.base, -(back.head - back.base))
    assert np.array_equal(there.head_self - there.base_self, -(back.head_self - back.base_self))


@given(profiles, profiles)
def test_deltas_conserve_sums(base: Costs, head: Costs) -> None:
    tree = build_tree(base, head)
    own, whole = tree.head_self - tree.base_self, tree.head - tree.base
    assert own.sum() == sum(head.values()) - sum(base.values())
    for node in range(len(tree)):
        assert whole[node] == own[node : tree.end[node]].sum()
        assert whole[node] == own[node] + whole[tree.parent == node].sum()


@given(profiles, profiles, st.sampled_from(Width))
def test_boxes_lie_inside_their_callers_and_beside_their_siblings(base: Costs, head: Costs, width: Width) -> None:
    tree = build_tree(base, head)
    left, weight = tree.left(width), tree.weight(width)
    rows: dict[int, list[int]] = defaultdict(list)
    for node, parent in enumerate(tree.parent.tolist()):
        rows[parent].append(node)
    for parent, siblings in rows.items():
        start = left[parent] if parent >= 0 else 0
        for node in siblings:
            assert left[node] == start
            start += weight[node]
        whole = weight[parent] - tree.self_weight(width)[parent] if parent >= 0 else tree.total(width)
        assert start - (left[parent] if parent >= 0 else 0) == whole


@given(st.lists(st.integers(1, 2**63), max_size=200))
def test_values_are_told_apart(values: list[int]) -> None:
    many = np.array(values * 2, np.uint64)
    distinct, which = layout._distinct(many)
    assert distinct.tolist() == sorted(set(values))
    assert np.array_equal(distinct[which], many)


def test_values_in_one_slot_are_told_apart() -> None:
    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)  # their products are 1 … 49, whose leading bits are all zero
    values = np.array([inverse * low % 2**64 for low in range(1, 50)], np.uint64)
    distinct, which = layout._distinct(values)
    assert np.array_equal(distinct[which], values)


def test_empty_profiles_are_an_empty_tree() -> None:
    tree = build_tree({}, {})
    tree.check()
    assert len(tree) == 0
    assert [tree.total(width) for width in Width] == [0, 0, 0]


def test_deep_recursion_and_a_wide_row() -> None:
    f, g = Frame("m", "f"), [Frame("m", f"g{i:04}") for i in range(2000)]
    deep = {(f,) * depth: 1 for depth in range(1, 1001)}
    tree = build_tree(deep, {(f, callee): 1 for callee in g})
    tree.check()
    assert len(tree) == 3000
    assert [tree.frames[number] for number in tree.frame[1000:]] == g
    assert tree.depth.max() == 999
    assert tree.base[0] == 1000
    assert tree.head[0] == 2000


def test_costs_beyond_the_exact_range_of_floats_stay_exact() -> None:
    r, a, b = (Frame("m", name) for name in "rab")
    tree = build_tree({(r, a): 2**60 + 1, (r, b): 2**60 + 2}, {})
    assert tree.base.tolist() == [2**61 + 3, 2**60 + 1, 2**60 + 2]


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({(): 1}, "empty stack"),
        ({(Frame("m", "f"),): -1}, "less than nothing"),
        ({(Frame("m", "f"),): 2**62, (Frame("m", "g"),): 2**62}, "more than 64 bits hold"),
        ({(Frame("m", "f"),): 10**40}, "more than 64 bits hold"),
    ],
    ids=["empty stack", "negative", "sum too large", "cost too large"],
)
def test_what_no_tree_can_hold_is_refused(costs: Costs, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        build_tree({}, costs)


def test_check_notices_sums_that_are_off() -> None:
    f, g = Frame("m", "f"), Frame("m", "g")
    tree = build_tree({(f, g): 5}, {})
    tree.base[0] += 1
    with pytest.raises(IntegrityError, match="not its own and its children's"):
        tree.check()


@pytest.mark.parametrize("case", CASES["trees"], ids=lambda case: case["says"])
def test_trees_as_the_scripts_grow_them(case: Mapping[str, Any]) -> None:
    tree = tree_of(case)
    columns = zip(tree.base_self, tree.head_self, tree.base, tree.head, tree.widest, strict=True)
    assert [[path_of(tree, node), *map(int, costs)] for node, costs in enumerate(columns)] == case["nodes"]
    assert [tree.total(width) for width in (Width.BASE, Width.HEAD, Width.MAX)] == case["totals"]
    assert tree.left(Width.MAX).tolist() == case["left"]
