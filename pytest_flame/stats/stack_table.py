"""Two recordings as arrays: one column per stack of either side, one row per process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_flame.model import Frame, Process, Stack
from pytest_flame.stats.student import Floats

Mask: TypeAlias = NDArray[np.bool_]
"""A set of stacks: shape ``(stacks,)``."""
Ints: TypeAlias = NDArray[np.intp]
Path: TypeAlias = tuple[int, ...]
"""A stack as indices into ``StackTable.frames``, root first."""


@dataclass(frozen=True, slots=True)
class SideCounts:
    """Samples of one side: ``weights_ns`` of shape ``(processes, stacks)``, ``samples`` of shape ``(processes,)``.

    Weights are whole numbers stored as floats, so that sums over the same stacks are equal to the last bit.
    """

    weights_ns: Floats
    samples: Floats


@dataclass(frozen=True)
class Groups:
    """Sets of stacks, one after another: group ``i`` is ``columns[starts[i]:starts[i + 1]]``. None is empty."""

    columns: Ints
    starts: Ints

    def __len__(self) -> int:
        return len(self.starts)

    def sums(self, weights: Floats) -> Floats:
        """Sum of each group per process: shape ``(groups, processes)``."""
        if not len(self):
            return np.zeros((0, len(weights)))
        return np.ascontiguousarray(np.add.reduceat(weights[:, self.columns], self.starts, axis=1).T)

    def __getitem__(self, i: int) -> Ints:
        end = self.starts[i + 1] if i + 1 < len(self) else len(self.columns)
        return self.columns[self.starts[i] : end]


class StackTable:
    """The union of both sides' stacks, and which frames occur where.

    Frames are interned by identity first and by value second: a stack may be a thousand frames deep, and hashing a
    frame costs more than everything else done with it.
    """

    def __init__(self, base: Sequence[Process], head: Sequence[Process]) -> None:
        self.frames: list[Frame] = []
        self.before: dict[int, Frame] = {}
        """Names of renamed frames on the base side."""
        self.paths: list[Path] = []
        intern = _interner(self.frames)
        columns: dict[Path, int] = {}
        cells = [[_cells(p, intern, columns) for p in side] for side in (base, head)]
        self.paths = list(columns)
        self.base, self.head = (self._counts(side) for side in cells)

    def renamed(self, before: Mapping[int, int]) -> StackTable:
        """The same stacks with these frames (new → old) under their new names on both sides; equal stacks are
        merged."""
        if not before:
            return self
        gone = set(before.values())
        kept = [f for f in range(len(self.frames)) if f not in gone]
        index = {f: i for i, f in enumerate(kept)} | {old: kept.index(f) for f, old in before.items()}
        columns: dict[Path, int] = {}
        place = [columns.setdefault(tuple(map(index.__getitem__, path)), len(columns)) for path in self.paths]
        table = StackTable((), ())
        table.frames, table.paths = [self.frames[f] for f in kept], list(columns)
        table.before = {index[f]: self.frames[old] for f, old in before.items()}
        table.base, table.head = (_gathered(counts, place, len(columns)) for counts in (self.base, self.head))
        return table

    def _counts(self, cells: list[tuple[dict[int, int], int]]) -> SideCounts:
        weights = np.zeros((len(cells), len(self.paths)))
        for row, (cell, _) in zip(weights, cells, strict=True):
            row[list(cell.keys())] = list(cell.values())
        return SideCounts(weights, np.array([n for _, n in cells], dtype=np.float64))

    @cached_property
    def leaf(self) -> Ints:
        """Last frame of each stack: the cost is its self cost."""
        return np.array([path[-1] for path in self.paths], dtype=np.intp)

    @cached_property
    def root(self) -> int:
        """The test body: the first frame of most of the cost. −1 if there are no stacks."""
        if not self.paths:
            return -1
        first = np.array([path[0] for path in self.paths], dtype=np.intp)
        cost = self.base.weights_ns.sum(axis=0) + self.head.weights_ns.sum(axis=0)
        return int(np.bincount(first, weights=cost).argmax())

    @cached_property
    def within(self) -> Groups:
        """For each frame, the stacks it occurs in, however often."""
        return _groups(len(self.frames), ((frame, s) for s, path in enumerate(self.paths) for frame in set(path)))

    @cached_property
    def topmost(self) -> tuple[Groups, Ints]:
        """For each frame that is the last of some stack, those stacks; and which frames they are."""
        frames, leaf = np.unique(self.leaf, return_inverse=True)
        return _groups(len(frames), ((int(f), s) for s, f in enumerate(leaf))), frames

    def indexes(self, frames: Iterable[Frame]) -> set[int]:
        """The positions of these frames, as far as they occur."""
        wanted = set(frames)
        return {i for i, frame in enumerate(self.frames) if frame in wanted}

    def containing(self, frame: int) -> Mask:
        return self.mask(self.within[frame])

    def mask(self, columns: Ints | list[int]) -> Mask:
        mask = np.zeros(len(self.paths), dtype=np.bool_)
        mask[columns] = True
        return mask

    def outermost(self, frame: int) -> Ints:
        """Depth of the frame's first occurrence in each stack; −1 where it does not occur."""
        depths = np.full(len(self.paths), -1, dtype=np.intp)
        for s in self.within[frame]:
            depths[s] = self.paths[s].index(frame)
        return depths

    def callers(self, frame: int) -> Ints:
        """The caller of the frame's first occurrence, per stack; −1 if there is none or it does not occur."""
        callers = np.full(len(self.paths), -1, dtype=np.intp)
        for s in self.within[frame]:
            depth = self.paths[s].index(frame)
            if depth:
                callers[s] = self.paths[s][depth - 1]
        return callers

    def callees(self, frame: int) -> Ints:
        """The callee of the frame's last occurrence, per stack; the frame itself for its self cost, −1 if absent."""
        callees = np.full(len(self.paths), -1, dtype=np.intp)
        for s in self.within[frame]:
            below = _after_last(self.paths[s], frame)
            callees[s] = below[0] if below else frame
        return callees

    def nearest_above(self, frame: int, wanted: Mask) -> Ints:
        """The nearest ``wanted`` frame above the frame's last occurrence, per stack; −1 where there is none.

        ``wanted`` has shape ``(frames,)``.
        """
        nearest = np.full(len(self.paths), -1, dtype=np.intp)
        for s in self.within[frame]:
            path = self.paths[s]
            above = path[: len(path) - len(_after_last(path, frame)) - 1]
            nearest[s] = next((f for f in reversed(above) if wanted[f]), -1)
        return nearest


def _gathered(counts: SideCounts, place: Sequence[int], columns: int) -> SideCounts:
    weights = np.zeros((len(counts.weights_ns), columns))
    np.add.at(weights.T, list(place), counts.weights_ns.T)
    return replace(counts, weights_ns=weights)


def _after_last(path: Path, frame: int) -> Path:
    return path[len(path) - path[::-1].index(frame) :]


def _interner(frames: list[Frame]) -> Callable[[Stack], Path]:
    by_identity: dict[int, int] = {}
    by_value: dict[Frame, int] = {}

    def intern(stack: Stack) -> Path:
        try:
            return tuple(map(by_identity.__getitem__, map(id, stack)))
        except KeyError:
            for frame in stack:
                if id(frame) not in by_identity:
                    by_identity[id(frame)] = by_value.setdefault(frame, len(by_value))
                    if len(by_value) > len(frames):
                        frames.append(frame)
            return tuple(map(by_identity.__getitem__, map(id, stack)))

    return intern


def _cells(process: Process, intern: Callable[[Stack], Path], columns: dict[Path, int]) -> tuple[dict[int, int], int]:
    """Weight by column of one process, and its number of samples."""
    cell: dict[int, int] = {}
    samples = 0
    for stack, sample in process.stacks.items():
        samples += sample.count
        if sample.weight_ns:
            cell[columns.setdefault(intern(stack), len(columns))] = sample.weight_ns
    return cell, samples


def _groups(count: int, pairs: Iterable[tuple[int, int]]) -> Groups:
    array = np.fromiter((x for pair in pairs for x in pair), dtype=np.intp).reshape(-1, 2)
    order = np.lexsort((array[:, 1], array[:, 0]))
    return Groups(array[order, 1], np.searchsorted(array[order, 0], np.arange(count)))
