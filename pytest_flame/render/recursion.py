"""Folds recursion in pictures that would be too tall to read: repeated calls share one row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pytest_flame.render.layout import Box, Layout

FROM_LEVELS: Final = 60
"""Pictures of fewer levels show every call."""

_FEWEST: Final = 8
"""The least number of calls that share a row; fewer stay separate."""
_CHANGED: Final = 0.005
"""Change of self cost, as a share of the picture, that keeps a call visible."""


@dataclass(frozen=True, slots=True)
class FoldedLayout:
    layout: Layout
    repeats: dict[int, int]
    """Calls that share a box, by its place in the layout; only two or more."""

    @property
    def calls(self) -> int:
        """All calls that share a box: the sum of the boxes' ×N."""
        return sum(self.repeats.values())


def fold_recursion(layout: Layout) -> FoldedLayout:
    """Without the calls that only repeat their callers, where a function repeatedly leads to itself.

    A call is left out if, on a path without branches and without changes of self cost, its function occurred before;
    what it calls then sits on its caller.
    """
    if layout.levels < FROM_LEVELS:
        return FoldedLayout(layout, {})
    boxes = layout.boxes
    callees = _callees(boxes)
    stands_for: list[int] = []
    """For each box: itself, or the one it shares."""
    passed: list[dict[object, int]] = []
    """Functions on the unbranched path to it, and their boxes."""
    for index, box in enumerate(boxes):
        before = {} if box.parent is None or callees[box.parent] != 1 else passed[box.parent]
        changed = abs(box.self_delta) > _CHANGED * layout.total
        if changed or callees[index] != 1:
            stands_for.append(index)
            passed.append({})
        elif box.frame in before:
            stands_for.append(before[box.frame])
            passed.append(before)
        else:
            stands_for.append(index)
            passed.append({**before, box.frame: index})
    calls = Counter(stands_for)
    return _without(layout, [one if calls[one] >= _FEWEST else index for index, one in enumerate(stands_for)])


def _callees(boxes: Sequence[Box]) -> list[int]:
    count = [0] * len(boxes)
    for box in boxes:
        if box.parent is not None:
            count[box.parent] += 1
    return count


def _without(layout: Layout, stands_for: list[int]) -> FoldedLayout:
    place: dict[int, int] = {}
    repeats: dict[int, int] = {}
    nearest: list[int | None] = []
    """The drawn box of each one, or the nearest drawn below it."""
    kept: list[Box] = []
    for index, box in enumerate(layout.boxes):
        below = None if box.parent is None else nearest[box.parent]
        if stands_for[index] != index:
            shared = place[stands_for[index]]
            repeats[shared] = repeats.get(shared, 1) + 1
            nearest.append(below)
            continue
        place[index] = len(kept)
        nearest.append(len(kept))
        kept.append(replace(box, parent=below, depth=0 if below is None else kept[below].depth + 1))
    levels = 1 + max((box.depth for box in kept), default=-1)
    return FoldedLayout(replace(layout, boxes=tuple(kept), levels=levels), repeats)
