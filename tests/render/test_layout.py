"""The picture: which boxes are drawn, and where. The tree they come from has its own tests in test_tree.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.model import CPU, Frame, Profile, Stack
from pytest_flame.render.layout import Box, Layout, Width, build_tree
from pytest_flame.render.layout import lay_out as lay_out_tree

Parse = Callable[[str], tuple[Profile, Profile]]

frames = st.builds(Frame, st.sampled_from(["a", "b", "é;"]), st.sampled_from(["f", "f2", "g", ""]))
stacks = st.lists(frames, min_size=1, max_size=6).map(tuple)
profiles = st.builds(partial(Profile.of, CPU), st.dictionaries(stacks, st.integers(1, 10**12), max_size=25))
NOTHING = Profile.of(CPU, {})


def lay_out(base: Profile, head: Profile, **options: Any) -> Layout:
    return lay_out_tree(build_tree(base.costs, head.costs), **options)


def path(layout: Layout, box: Box) -> Stack:
    stack = [box.frame]
    while box.parent is not None:
        box = layout.boxes[box.parent]
        stack.append(box.frame)
    return tuple(reversed(stack))


def test_neighbours_that_sort_apart_are_one_box(parse_tree: Parse) -> None:
    base, _ = parse_tree("m:a 1 1\n  m:foo 7 7\n    m:c 10 10\n  m:foo2 5 5\n")
    layout = lay_out(base, base)
    assert sorted(box.frame.qualname for box in layout.boxes) == ["a", "c", "foo", "foo2"]


def test_width_is_the_larger_side_of_every_stack(parse_tree: Parse) -> None:
    layout = lay_out(*parse_tree("m:root 10 20\n  m:gone 40 0\n  m:new 0 30\n"))
    widths = {box.frame.qualname: box.width for box in layout.boxes}
    assert layout.total == 90_000_000
    assert widths == pytest.approx({"root": 1.0, "gone": 4 / 9, "new": 3 / 9})


@pytest.mark.parametrize(("width", "shown"), [(Width.BASE, {"root", "gone"}), (Width.HEAD, {"root", "new"})])
def test_one_sided_width_shows_that_side_alone(parse_tree: Parse, width: Width, shown: set[str]) -> None:
    layout = lay_out(*parse_tree("m:root 10 20\n  m:gone 40 0\n  m:new 0 30\n"), width=width)
    assert {box.frame.qualname for box in layout.boxes} == shown


def test_siblings_stand_in_order_of_their_names(parse_tree: Parse) -> None:
    base, head = parse_tree("m:r 0 0\n  m:c 1 1\n  m:a 1 1\n  m:b 1 1\n")
    assert [box.frame.qualname for box in lay_out(base, head).boxes] == ["r", "a", "b", "c"]


def test_nothing_measured_gives_nothing_to_draw() -> None:
    assert lay_out(NOTHING, NOTHING) == Layout((), levels=0, total=0, hidden=0, hidden_share=0.0)


def test_pruning_keeps_the_widest_and_says_what_it_left_out(parse_tree: Parse) -> None:
    base, head = parse_tree("m:r 0 0\n" + "".join(f"  m:f{i} {i} {i}\n" for i in range(1, 101)))
    layout = lay_out(base, head, max_boxes=11)
    assert [box.frame.qualname for box in layout.boxes[1:]] == ["f100", *(f"f{i}" for i in range(91, 100))]
    assert layout.hidden == 90
    assert layout.hidden_share == pytest.approx(sum(range(1, 91)) / 5050)


def test_pruning_keeps_culprits_and_their_callers(parse_tree: Parse) -> None:
    base, head = parse_tree("m:r 0 0\n  m:wide 1000 1000\n  m:thin 0 0\n    m:thinner 1 2\n")
    layout = lay_out(base, head, max_boxes=3, min_width=0.5, keep={Frame("m", "thinner")})
    assert [box.frame.qualname for box in layout.boxes] == ["r", "thin", "thinner"]


def test_deep_recursion_is_laid_out() -> None:
    stack = (Frame("m", "f"),) * 5000
    assert lay_out(Profile.of(CPU, {stack: 1}), NOTHING, max_boxes=10_000).levels == 5000


@given(profiles, profiles, st.sampled_from(Width))
def test_children_fit_in_their_parent_and_costs_add_up(base: Profile, head: Profile, width: Width) -> None:
    layout = lay_out(base, head, width=width, max_boxes=10_000)
    layout.check()
    stacks = [path(layout, box) for box in layout.boxes]
    assert len(set(stacks)) == len(stacks)
    if width is Width.MAX:
        assert {s: b.base_self for s, b in zip(stacks, layout.boxes, strict=True) if b.base_self} == base.costs
        assert {s: b.head_self for s, b in zip(stacks, layout.boxes, strict=True) if b.head_self} == head.costs
        roots = [box for box in layout.boxes if box.parent is None]
        assert sum(box.base for box in roots) == base.total
        assert all(box.width * layout.total >= max(box.base, box.head) * (1 - 1e-9) for box in layout.boxes)


@given(profiles, profiles)
def test_siblings_do_not_overlap(base: Profile, head: Profile) -> None:
    siblings: dict[int | None, list[Box]] = defaultdict(list)
    for box in lay_out(base, head).boxes:
        siblings[box.parent].append(box)
    for row in siblings.values():
        for left, right in pairwise(row):
            assert left.x + left.width <= right.x + 1e-9
            assert left.frame < right.frame


@given(profiles, profiles, st.integers(0, 12))
def test_pruned_trees_are_whole_branches(base: Profile, head: Profile, most: int) -> None:
    whole, pruned = lay_out(base, head), lay_out(base, head, max_boxes=most)
    pruned.check()
    assert len(pruned.boxes) == min(most, len(whole.boxes))
    assert len(pruned.boxes) + pruned.hidden == len(whole.boxes)


@given(profiles, profiles, st.sampled_from(Width), st.integers(0, 12))
def test_what_is_left_out_is_counted_and_weighed(base: Profile, head: Profile, width: Width, most: int) -> None:
    tree = build_tree(base.costs, head.costs)
    layout = lay_out_tree(tree, width=width, max_boxes=most)
    assert len(layout.boxes) + layout.hidden == np.count_nonzero(tree.weight(width))
    picks: dict[Width, Callable[[int, int], int]] = {
        Width.MAX: max,
        Width.BASE: lambda base, _: base,
        Width.HEAD: lambda _, head: head,
    }
    pick = picks[width]
    shown = sum(pick(box.base_self, box.head_self) for box in layout.boxes)
    assert layout.hidden_share * layout.total == pytest.approx(layout.total - shown)


@given(profiles, profiles)
def test_swapped_sides_give_the_same_boxes_with_their_costs_swapped(base: Profile, head: Profile) -> None:
    there, back = lay_out(base, head), lay_out(head, base)
    assert len(there.boxes) == len(back.boxes)
    for one, other in zip(there.boxes, back.boxes, strict=True):
        assert (one.frame, one.parent, one.x, one.width) == (other.frame, other.parent, other.x, other.width)
        assert (one.delta, one.self_delta) == (-other.delta, -other.self_delta)


@given(profiles, profiles, st.randoms())
def test_order_of_the_input_does_not_matter(base: Profile, head: Profile, random: Random) -> None:
    shuffled = list(base.costs.items())
    random.shuffle(shuffled)
    assert lay_out(Profile.of(CPU, dict(shuffled)), head) == lay_out(base, head)


def test_of_equally_wide_boxes_those_nearer_to_the_root_are_drawn() -> None:
    one = Frame("m", "f")
    costs = {(Frame("m", "a"), one, one): 1, (Frame("m", "b"), one): 1}
    layout = lay_out(Profile.of(CPU, costs), NOTHING, max_boxes=4)
    assert [(box.frame.qualname, box.depth) for box in layout.boxes] == [("a", 0), ("f", 1), ("b", 0), ("f", 1)]


def test_own_cost_lies_right_of_the_callees(parse_tree: Parse) -> None:
    layout = lay_out(*parse_tree("m:r 50 50\n  m:a 20 20\n  m:b 30 30\n"))
    assert [box.x for box in layout.boxes] == pytest.approx([0.0, 0.0, 0.2])
