from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from shared_cases import CASES, path_of, tree_of

from pytest_flame.model import CPU, Frame
from pytest_flame.render.layout import lay_out
from pytest_flame.render.picture import Known, Picture, culprit_nodes, face

cases = pytest.mark.parametrize("case", CASES["trees"], ids=lambda case: case["says"])


def picture(case: Mapping[str, Any], *, culprits: tuple[str, ...] = ()) -> Picture:
    tree = tree_of(case)
    known = {frame: Known(real=True, culprit=frame.qualname in culprits) for frame in tree.frames}
    return Picture("t", "t", (), tree, True, case["totals"][0], "the test", known, CPU)


@cases
def test_culprits_are_pointed_at_where_the_scripts_point(case: Mapping[str, Any]) -> None:
    for name, paths in case["culprits"].items():
        blamed = picture(case, culprits=(name,))
        assert [path_of(blamed.tree, node) for node in sorted(culprit_nodes(blamed))] == paths


@cases
def test_changes_are_marked_as_the_scripts_mark_them(case: Mapping[str, Any]) -> None:
    shown = picture(case)
    assert [face(shown, box).mark for box in lay_out(shown.tree).boxes] == case["marks"]


def test_a_culprit_that_did_not_grow_there_is_not_pointed_at() -> None:
    case = {"base": {"a;f": 5, "b;f": 5}, "head": {"a;f": 4, "b;f": 9}, "totals": [10]}
    blamed = picture(case, culprits=("f",))
    assert [path_of(blamed.tree, node) for node in culprit_nodes(blamed)] == ["b;f"]
    assert blamed.culprits == {Frame("", "f")}
