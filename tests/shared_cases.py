"""What Python and the scripts of pages and pictures must agree on: ``shared_cases.json``, which the tests of both
read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_flame.model import CPU, Frame, Metric, Stack
from pytest_flame.render.colour import GREY
from pytest_flame.render.layout import Tree, build_tree
from pytest_flame.render.picture import Face

CASES: Final[Mapping[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""
- ``amounts``: what costs are, and how they read; lists of arguments with the text behind them
- ``percent``, ``signed_percent``, ``p_value``, ``count``: the same, of plain numbers
- ``names``, ``labels``: columns of room and what is shown in them
- ``trees``: costs by stack, and of the tree each node's path, self cost of base and head, inclusive cost of base, head
  and the wider of both; the same of the whole; left edges (widest); of each function self and inclusive cost, base and
  head; the nodes that are pointed at where the function is a culprit; each node's mark; searches with the number of
  functions and the shares found (base, head, widest)
"""


def metric_of(case: Mapping[str, Any]) -> Metric:
    noun = case["noun"]
    return Metric(f"{noun}s", noun, f"{noun}s", scale=case["per"]) if noun else CPU


def frame_of(case: Mapping[str, Any]) -> Frame:
    return Frame(case["module"], case["qualname"])


def face_of(case: Mapping[str, Any]) -> Face:
    return Face(GREY, mark=case["mark"], change=case["change"], culprit=case["culprit"], calls=case["calls"])


def stack_of(path: str) -> Stack:
    return tuple(Frame("", name) for name in path.split(";"))


def tree_of(case: Mapping[str, Any]) -> Tree:
    base, head = ({stack_of(path): cost for path, cost in case[side].items()} for side in ("base", "head"))
    return build_tree(base, head)


def path_of(tree: Tree, node: int) -> str:
    return ";".join(frame.qualname for frame in tree.stack(node))
