"""From the profiles of both sides to boxes: one tree of all their stacks, laid out as a flame graph.

The tree is a trie over frames, so a frame appears once under one caller whatever its siblings are called. A
box's width is the sum of its stacks' weights, so children always fit into their parent.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Set
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pytest_flame.errors import IntegrityError
from pytest_flame.model import Frame, Stack

MAX_BOXES: Final = 1500
"""Boxes of a static picture: about half a megabyte of SVG."""

_MOST: Final = 2**63 - 1
"""Sums are 64-bit integers: picoseconds up to 106 days an iteration."""

Indices = NDArray[np.int32]
Costs = NDArray[np.int64]


class Width(enum.Enum):
    """What a stack's weight is. ``MAX`` shows both sides at once: growth and what has gone."""

    MAX = "the larger of base and head"
    HEAD = "head"
    BASE = "base"


# --- the tree ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The union of both sides' stacks: a trie as columns, one entry a node.

    Nodes are in depth-first order, callers before callees, siblings in the order of their frames, so the subtree of
    ``n`` is ``n`` … ``end[n] - 1``. Costs are picoseconds per iteration. Equal profiles give equal columns, whatever
    the order of the mappings.
    """

    frames: tuple[Frame, ...]
    """Every frame once, sorted."""
    frame: Indices
    """Into ``frames``."""
    parent: Indices
    """The caller's node; -1 for a root."""
    depth: Indices
    """0 for a root."""
    end: Indices
    """One past the last node of the subtree."""
    base_self: Costs
    head_self: Costs
    base: Costs
    """Inclusive: exactly the node's self cost plus its children's."""
    head: Costs
    widest: Costs
    """Inclusive sum of the larger of ``base_self`` and ``head_self``: the width that shows both sides at once."""

    def __len__(self) -> int:
        return len(self.frame)

    def stack(self, node: int) -> Stack:
        """The node's frames, root first."""
        found = []
        while node >= 0:
            found.append(self.frames[self.frame[node]])
            node = int(self.parent[node])
        return tuple(reversed(found))

    def weight(self, width: Width) -> Costs:
        """Inclusive: the weight that the node's box is drawn with."""
        return {Width.MAX: self.widest, Width.HEAD: self.head, Width.BASE: self.base}[width]

    def self_weight(self, width: Width) -> Costs:
        if width is Width.MAX:
            return np.maximum(self.base_self, self.head_self)
        return self.head_self if width is Width.HEAD else self.base_self

    def total(self, width: Width) -> int:
        """The weight of the full width of a picture."""
        return int(self.weight(width)[self.parent < 0].sum())

    def left(self, width: Width) -> Costs:
        """Where each box begins: the weight of everything that ends before it. Self cost is to the right of the
        children."""
        ended = np.zeros(len(self) + 1, np.int64)
        np.add.at(ended, self.end, self.self_weight(width))
        left: Costs = np.cumsum(ended)[:-1]
        return left

    def check(self) -> None:
        nodes = np.arange(len(self))
        called = self.parent >= 0
        inner, caller = nodes[called], self.parent[called]
        if np.any(caller >= inner) or np.any(self.depth[inner] != self.depth[caller] + 1):
            raise IntegrityError("a node of the tree does not sit on its caller")
        if np.any(self.end <= nodes) or np.any(self.end[inner] > self.end[caller]):
            raise IntegrityError("a subtree reaches out of its caller's")
        for width in Width:
            whole, own = self.weight(width), self.self_weight(width)
            children = np.zeros_like(whole)
            np.add.at(children, caller, whole[inner])
            if np.any(own < 0) or np.any(whole != own + children):
                raise IntegrityError(f"a node's cost ({width.value}) is not its own and its children's")


def build_tree(base: Mapping[Stack, int], head: Mapping[Stack, int]) -> Tree:
    """The union tree of two profiles: self cost by stack, picoseconds per iteration (or any whole unit).

    Raises ``IntegrityError`` for an empty stack, a negative cost, or sums beyond 64 bits.
    """
    stacks = [*base, *head]
    lengths = np.fromiter(map(len, stacks), np.int64, len(stacks))
    costs = _costs(base, head)
    if not all(stacks):
        raise IntegrityError("a profile holds an empty stack")
    frames, keys = _keys(stacks, lengths)
    order = sorted(set(keys))
    lengths = np.fromiter(map(len, order), np.int64, len(order)) // _KEY.itemsize
    flat = np.frombuffer(b"".join(order), _KEY)
    starts = np.cumsum(lengths) - lengths
    shared = _shared(flat, starts, lengths)

    # Each stack, in order, adds the nodes below the prefix it shares with the previous one; the last has its cost.
    added = lengths - shared
    last = np.cumsum(added) - 1
    first = last - added + 1
    nodes = np.arange(int(added.sum()))
    depth = nodes - np.repeat(first - shared, added)
    frame = flat[np.repeat(starts, added) + depth]
    parent = _parents(depth, first)
    end = _ends(parent)

    at = dict(zip(order, last.tolist(), strict=True))
    own = np.zeros((2, len(nodes)), np.int64)
    where = np.fromiter(map(at.__getitem__, keys), np.int64, len(keys))
    own[0, where[: len(base)]] = costs[: len(base)]
    own[1, where[len(base) :]] = costs[len(base) :]
    whole, wide = _inclusive(own, end), _inclusive(own.max(axis=0), end)
    return Tree(
        frames=frames,
        frame=frame.astype(np.int32),
        parent=parent.astype(np.int32),
        depth=depth.astype(np.int32),
        end=end.astype(np.int32),
        base_self=own[0],
        head_self=own[1],
        base=whole[0],
        head=whole[1],
        widest=wide,
    )


_KEY: Final = np.dtype(">u4")
"""Big-endian, so that stacks of frame numbers sort as bytes in the same order as frame by frame."""


def _costs(base: Mapping[Stack, int], head: Mapping[Stack, int]) -> Costs:
    values = [*base.values(), *head.values()]
    if values and min(values) < 0:
        raise IntegrityError(f"a cost of {min(values)} is less than nothing")
    if sum(values) > _MOST:
        raise IntegrityError(f"costs add up to {sum(values)}, more than 64 bits hold")
    return np.array(values, np.int64)


def _keys(stacks: list[Stack], lengths: NDArray[np.int64]) -> tuple[tuple[Frame, ...], list[bytes]]:
    """All frames, sorted, and each stack as their numbers.

    Equal frames are mostly one object, and comparing addresses is far cheaper than hashing frames.
    """
    objects = np.fromiter(chain.from_iterable(stacks), object, int(lengths.sum()))
    distinct, which = _distinct(np.frombuffer(objects, np.uint64))  # what id() says, without a call each
    somewhere = np.empty(len(distinct), np.intp)
    somewhere[which] = np.arange(len(which))
    pool: list[Frame] = objects[somewhere].tolist()
    frames = tuple(sorted(set(pool)))
    number = {frame: i for i, frame in enumerate(frames)}
    numbers = np.fromiter(map(number.__getitem__, pool), _KEY, len(pool))
    text = numbers[which].tobytes()
    ends = (np.cumsum(lengths) * _KEY.itemsize).tolist()
    return frames, [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _distinct(values: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """As ``np.unique(values, return_inverse=True)`` for many values, few of them distinct, several times faster.

    Nearly all are found immediately in a table of 16 or more slots for each (multiplicative hashing: Knuth, The Art of
    Computer Programming 3, 6.4).
    """
    ordered = np.sort(values)
    distinct = ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))[: len(values)]]
    bits = len(distinct).bit_length() + 4
    factor, shift = np.uint64(0x9E3779B97F4A7C15), np.uint64(64 - bits)
    table = np.zeros(1 << bits, np.intp)
    table[(distinct * factor) >> shift] = np.arange(len(distinct))
    which = table[(values * factor) >> shift]
    displaced = np.flatnonzero(distinct[which] != values)
    which[displaced] = np.searchsorted(distinct, values[displaced])
    return distinct, which


def _shared(flat: NDArray[np.uint32], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many callers each stack shares with the previous one."""
    shared = np.zeros(len(starts), np.int64)
    active, depth = np.arange(1, len(starts)), 0
    while active.size:
        active = active[(lengths[active] > depth) & (lengths[active - 1] > depth)]
        active = active[flat[starts[active] + depth] == flat[starts[active - 1] + depth]]
        depth += 1
        shared[active] = depth
    return shared


def _parents(depth: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """A node's caller is the one before it; for the first of its stack, the latest one a level above."""
    count = len(depth)
    parent = np.arange(-1, count - 1)
    order = np.argsort(depth, kind="stable")
    places = depth[order] * count + order
    above = order[np.searchsorted(places, (depth[first] - 1) * count + first) - 1]
    parent[first] = np.where(depth[first] > 0, above, -1)
    return parent


def _ends(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """A subtree ends where the next sibling begins, or where its caller's does."""
    count = len(parent)
    order = np.argsort(parent, kind="stable")
    siblings = parent[order[:-1]] == parent[order[1:]]
    known = np.full(count + 1, -1)
    known[order[:-1][siblings]] = order[1:][siblings]
    known[count] = count
    # A node without a next sibling uses its caller's end; each pass doubles how far up this reaches.
    ask = np.append(np.where(parent < 0, count, parent), count)
    ask = np.where(known >= 0, np.arange(count + 1), ask)
    while np.any(known[ask] < 0):
        ask = ask[ask]
    end: NDArray[np.int64] = known[ask][:count]
    return end


def _inclusive(own: NDArray[np.int64], end: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    before = np.concatenate([np.zeros((*own.shape[:-1], 1), np.int64), np.cumsum(own, axis=-1)], axis=-1)
    whole: NDArray[np.int64] = before[..., end] - before[..., :-1]
    return whole


# --- the picture -------------------------------------------------------------------------------------------


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
    base_self: int
    head_self: int
    base: int
    head: int
    node: int
    """Which one of the tree it is."""

    @property
    def delta(self) -> int:
        return self.head - self.base

    @property
    def self_delta(self) -> int:
        return self.head_self - self.base_self


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes in depth-first order, siblings by name. ``hidden`` boxes, ``hidden_share`` of the width, are left out."""

    boxes: tuple[Box, ...]
    levels: int
    total: int
    """The weight of the full width."""
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
    tree: Tree,
    *,
    width: Width = Width.MAX,
    max_boxes: int = MAX_BOXES,
    min_width: float = 0.0,
    keep: Set[Frame] = frozenset(),
) -> Layout:
    """The tree as boxes, the widest ``max_boxes`` of them.

    Boxes narrower than ``min_width`` are left out, too, but frames in ``keep`` (with their callers) come first and are
    never too narrow.
    """
    total = tree.total(width)
    if not total:
        return Layout((), levels=0, total=0, hidden=0, hidden_share=0.0)
    weight = tree.weight(width)
    drawn = _drawn(tree, weight, total, max_boxes, min_width, keep)
    visible = int(np.count_nonzero(weight))
    shown = int(tree.self_weight(width)[drawn].sum())
    return Layout(
        boxes=_boxes(tree, drawn, tree.left(width)[drawn] / total, weight[drawn] / total),
        levels=1 + int(tree.depth[drawn].max(initial=-1)),
        total=total,
        hidden=visible - len(drawn),
        hidden_share=(total - shown) / total,
    )


def _drawn(
    tree: Tree, weight: Costs, total: int, max_boxes: int, min_width: float, keep: Set[Frame]
) -> NDArray[np.int64]:
    """The nodes to draw, in the tree's order: whole branches, since a caller is at least as wide as its callee."""
    kept = _leading_to(tree, keep) & (weight > 0)
    candidates = np.flatnonzero(kept | ((weight > 0) & (weight / total >= min_width)))
    # Among equals the one nearer to the root.
    ranked = candidates[np.lexsort((tree.depth[candidates], -weight[candidates], ~kept[candidates]))]
    return np.sort(ranked[: max(max_boxes, 0)])


def _leading_to(tree: Tree, keep: Set[Frame]) -> NDArray[np.bool_]:
    """Whether some frame of ``keep`` lies in the node's subtree."""
    wanted = np.fromiter((frame in keep for frame in tree.frames), np.int64, len(tree.frames))
    return _inclusive(wanted[tree.frame], tree.end) > 0


def _boxes(tree: Tree, drawn: NDArray[np.int64], x: NDArray[np.float64], width: NDArray[np.float64]) -> tuple[Box, ...]:
    index = {-1: None, **{node: i for i, node in enumerate(drawn.tolist())}}
    return tuple(
        Box(tree.frames[frame], index[parent], *numbers)
        for frame, parent, *numbers in zip(
            tree.frame[drawn].tolist(),
            tree.parent[drawn].tolist(),
            tree.depth[drawn].tolist(),
            x.tolist(),
            width.tolist(),
            tree.base_self[drawn].tolist(),
            tree.head_self[drawn].tolist(),
            tree.base[drawn].tolist(),
            tree.head[drawn].tolist(),
            drawn.tolist(),
            strict=True,
        )
    )
