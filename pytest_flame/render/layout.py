"""From the profiles of both sides to boxes: one tree of all their stacks, laid out as a flame graph.

The tree is a trie over frames, so a frame appears once under one caller whatever its siblings are called. A
box's width is the sum of its stacks' weights, hence children always fit in their parent.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import Final

from pytest_flame.errors import IntegrityError
from pytest_flame.model import Frame, Profile

MAX_BOXES: Final = 1500
"""Boxes of a static picture: about half a megabyte of SVG."""


class Width(enum.Enum):
    """What a stack's weight is. ``MAX`` shows everything of both sides at once: growth and what has gone."""

    MAX = "the larger of base and head"
    HEAD = "head"
    BASE = "base"


@dataclass(frozen=True, slots=True)
class Box:
    """One frame under one chain of callers. ``x`` and ``width`` are shares of the picture, 0..1; depth 0 is the root.

    Costs are picoseconds per iteration, inclusive unless ``self`` is in the name.
    """

    frame: Frame
    parent: int | None
    """Index of the caller's box; callers come before callees."""
    depth: int
    x: float
    width: float
    base_self_ps: int
    head_self_ps: int
    base_ps: int
    head_ps: int

    @property
    def delta_ps(self) -> int:
        return self.head_ps - self.base_ps

    @property
    def self_delta_ps(self) -> int:
        return self.head_self_ps - self.base_self_ps


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes in depth-first order, siblings by name. ``hidden`` boxes, ``hidden_share`` of the width, were left out."""

    boxes: tuple[Box, ...]
    levels: int
    total_ps: int
    """What the full width stands for."""
    hidden: int
    hidden_share: float

    def check(self) -> None:
        for index, box in enumerate(self.boxes):
            if box.parent is None:
                continue
            caller = self.boxes[box.parent]
            inside = caller.x - 1e-9 <= box.x and box.x + box.width <= caller.x + caller.width + 1e-9
            if box.parent >= index or box.depth != caller.depth + 1 or not inside:
                raise IntegrityError(f"box of {box.frame} does not sit on its caller {caller.frame}")


def lay_out(
    base: Profile,
    head: Profile,
    *,
    width: Width = Width.MAX,
    max_boxes: int = MAX_BOXES,
    min_width: float = 0.0,
    keep: Set[Frame] = frozenset(),
) -> Layout:
    """Union of both profiles as boxes, the widest ``max_boxes`` of them.

    Boxes narrower than ``min_width`` are left out too, but frames in ``keep`` (with their callers) come first
    and are never too narrow. Equal input gives equal output, whatever the order of the mappings.
    """
    nodes = _trie(base, head, _WEIGHTS[width])
    total = sum(node.weight for node in nodes if node.parent is None)
    if not total:
        return Layout((), levels=0, total_ps=0, hidden=0, hidden_share=0.0)
    visible = [node for node in nodes if node.weight]
    _prioritise(visible, total, keep)
    # A caller's priority is at least its callee's, so the first so many are always whole branches.
    ranked = sorted(visible, key=lambda node: (-node.priority, node.depth, node.frame))
    drawn = {id(node) for node in ranked[:max_boxes] if node.priority >= min_width}
    boxes = _place([node for node in visible if node.parent is None], drawn, total)
    hidden = [node for node in visible if id(node) not in drawn]
    return Layout(
        boxes=tuple(boxes),
        levels=1 + max((box.depth for box in boxes), default=-1),
        total_ps=total,
        hidden=len(hidden),
        hidden_share=sum(node.self_weight for node in hidden) / total,
    )


Weight = Callable[[int, int], int]
_WEIGHTS: Final[dict[Width, Weight]] = {
    Width.MAX: max,
    Width.HEAD: lambda _base, head: head,
    Width.BASE: lambda base, _head: base,
}


@dataclass(slots=True, eq=False)
class _Node:
    frame: Frame
    parent: _Node | None
    depth: int
    children: dict[Frame, _Node] = field(default_factory=dict)
    base_self: int = 0
    head_self: int = 0
    base: int = 0
    head: int = 0
    self_weight: int = 0
    weight: int = 0
    priority: float = 0.0


def _trie(base: Profile, head: Profile, weight: Weight) -> list[_Node]:
    """Every node of the union tree with its sums, callers before callees."""
    roots: dict[Frame, _Node] = {}
    nodes: list[_Node] = []
    for stack in sorted(base.costs.keys() | head.costs.keys()):
        parent, siblings = None, roots
        for depth, frame in enumerate(stack):
            node = siblings.get(frame)
            if node is None:
                node = siblings[frame] = _Node(frame, parent, depth)
                nodes.append(node)
            parent, siblings = node, node.children
        assert parent is not None, "profiles hold no empty stack"
        parent.base_self = base.costs.get(stack, 0)
        parent.head_self = head.costs.get(stack, 0)
    for node in reversed(nodes):
        node.self_weight = weight(node.base_self, node.head_self)
        node.base += node.base_self
        node.head += node.head_self
        node.weight += node.self_weight
        if node.parent is not None:
            node.parent.base += node.base
            node.parent.head += node.head
            node.parent.weight += node.weight
    return nodes


def _prioritise(nodes: list[_Node], total: int, keep: Set[Frame]) -> None:
    for node in reversed(nodes):
        own = node.weight / total + (1.0 if node.frame in keep else 0.0)
        node.priority = max(node.priority, own)
        if node.parent is not None:
            node.parent.priority = max(node.parent.priority, node.priority)


def _place(roots: list[_Node], drawn: Set[int], total: int) -> list[Box]:
    boxes: list[Box] = []
    waiting: list[tuple[_Node, int, int | None]] = []

    def queue(siblings: list[_Node], start: int, parent: int | None) -> None:
        placed = []
        for node in sorted(siblings, key=lambda n: n.frame):
            placed.append((node, start, parent))
            start += node.weight
        waiting.extend(reversed(placed))

    queue(roots, 0, None)
    while waiting:
        node, start, parent = waiting.pop()
        if id(node) not in drawn:
            continue
        boxes.append(
            Box(
                frame=node.frame,
                parent=parent,
                depth=node.depth,
                x=start / total,
                width=node.weight / total,
                base_self_ps=node.base_self,
                head_self_ps=node.head_self,
                base_ps=node.base,
                head_ps=node.head,
            )
        )
        queue(list(node.children.values()), start, len(boxes) - 1)
    return boxes
