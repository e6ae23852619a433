from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flame.model import Frame, Profile
from pytest_flame.render.layout import Layout, Width, build_tree, lay_out
from pytest_flame.render.recursion import FROM_LEVELS, fold_recursion

Parse = Callable[[str], tuple[Profile, Profile]]


def tower(names: list[str], changed: int | None = None) -> str:
    return "".join(f"{'  ' * i}m:{name} 5 {5 + (i == changed) * 400}\n" for i, name in enumerate(names))


def laid_out(sides: tuple[Profile, Profile]) -> Layout:
    return lay_out(build_tree(sides[0].costs, sides[1].costs), max_boxes=10_000)


def shown(layout: Layout) -> list[tuple[str, int]]:
    return [(box.frame.qualname, box.depth) for box in layout.boxes]


def test_pictures_of_ordinary_depth_stay_as_they_are(parse_tree: Parse) -> None:
    layout = laid_out(parse_tree(tower(["walk"] * (FROM_LEVELS - 1))))
    assert fold_recursion(layout).layout is layout


def test_a_function_that_calls_itself_gets_one_row(parse_tree: Parse) -> None:
    folded = fold_recursion(laid_out(parse_tree(tower(["test", *["walk"] * 998, "leaf"]))))
    assert shown(folded.layout) == [("test", 0), ("walk", 1), ("leaf", 2)]
    assert folded.repeats == {1: 998}
    assert folded.calls == 998


def test_functions_that_call_each_other_get_a_row_each(parse_tree: Parse) -> None:
    folded = fold_recursion(laid_out(parse_tree(tower(["test", *["walk", "listcomp"] * 100, "leaf"]))))
    assert shown(folded.layout) == [("test", 0), ("walk", 1), ("listcomp", 2), ("leaf", 3)]
    assert folded.repeats == {1: 100, 2: 100}


def test_a_call_that_changed_stays_in_sight(parse_tree: Parse) -> None:
    folded = fold_recursion(laid_out(parse_tree(tower(["test", *["walk"] * 100, "leaf"], changed=60))))
    assert shown(folded.layout) == [("test", 0), ("walk", 1), ("walk", 2), ("walk", 3), ("leaf", 4)]
    assert folded.layout.boxes[2].self_delta == 400_000_000
    assert folded.repeats == {1: 59, 3: 40}


def test_a_few_calls_and_where_ways_part_stay_apart(parse_tree: Parse) -> None:
    text = tower(["test", *["walk"] * 3, *(f"f{i}" for i in range(FROM_LEVELS))])
    assert fold_recursion(laid_out(parse_tree(text))).repeats == {}


def test_folded_boxes_keep_cost_and_place(parse_tree: Parse) -> None:
    layout = laid_out(parse_tree(tower(["test", *["walk"] * 98, "leaf"])))
    folded = fold_recursion(layout).layout
    before = {box.node: (box.x, box.width, box.base, box.head) for box in layout.boxes}
    assert all(before[box.node] == (box.x, box.width, box.base, box.head) for box in folded.boxes)


names = st.lists(st.sampled_from("abc"), min_size=FROM_LEVELS, max_size=90)


@settings(max_examples=60)
@given(st.lists(names, min_size=1, max_size=4), st.sampled_from(Width))
def test_what_is_folded_is_a_layout_again(stacks: list[list[str]], width: Width) -> None:
    costs = {tuple(Frame("m", name) for name in stack): 10**6 for stack in stacks}
    layout = lay_out(build_tree(costs, costs), width=width)
    folded = fold_recursion(layout)
    folded.layout.check()
    gone = sum(folded.repeats.values()) - len(folded.repeats)
    assert len(folded.layout.boxes) + gone == len(layout.boxes)
    assert folded.layout.levels <= layout.levels
