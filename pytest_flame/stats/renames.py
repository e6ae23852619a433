"""Which new function is an old one under another name.

A function that vanished and one that appeared under the same caller count as one if their names or their work match.
Names: the function has the same name, and the class or the module around it a new one; for several functions of one
class or module that is practically certain, whatever they cost now, while a single one has to do the same work, too.
Work: they call the same functions for similar parts of their cost and cost about the same. Pairs are compared as one
function, so that a new name is not growth and does not hide growth; the report mentions the new name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from pytest_flame.model import Frame
from pytest_flame.stats.stack_table import SideCounts, StackTable
from pytest_flame.stats.student import Floats

ALIKE = 0.6
"""Share of both profiles of callees that has to agree."""
FACTOR = 3.0
"""If the costs differ by more than this, no name is guessed."""
SEVERAL = 2
"""This many functions of one class or module, found under the same names in another, are not a coincidence."""
_SEEN = 8.0
"""With fewer samples on its own side, a function may be missing on the other by chance."""
_CANDIDATES = 50
"""How many of a side's most expensive functions are paired by their work."""
_ITSELF, _OTHER = -1, -2

_Place = tuple[str, str]
"""Module, and class or enclosing function in it; empty for the module itself."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Ordered by strength of evidence: several functions of one class, then the name, then the work."""

    several: bool
    named: bool
    work: float
    new: int
    old: int
    moves: frozenset[tuple[_Place, _Place]] = frozenset()
    """Renames of a class or of a module that would explain it."""

    @property
    def rank(self) -> tuple[bool, bool, float, int, int]:
        return self.several, self.named, self.work, self.new, self.old


@dataclass(frozen=True)
class _Costs:
    """Inclusive cost per frame on each side, picoseconds, and how the frames spend it."""

    table: StackTable
    base: Floats
    head: Floats
    _profiles: dict[int, dict[int, float]] = field(default_factory=dict)

    @property
    def gone(self) -> Floats:
        return np.where(self.head == 0, self.base, 0.0)

    @property
    def new(self) -> Floats:
        return np.where(self.base == 0, self.head, 0.0)

    def profile(self, frame: int) -> dict[int, float]:
        """For a frame of one side only."""
        if frame not in self._profiles:
            counts = self.table.base if self.base[frame] > 0 else self.table.head
            kept = (self.base > 0) & (self.head > 0)
            self._profiles[frame] = _profile(self.table, counts, frame, kept)
        return self._profiles[frame]

    def work(self, new: int, old: int) -> float:
        """How similar two frames are in what they call and cost; 0 if they are not."""
        alike = sum(min(part, self.profile(new).get(callee, 0.0)) for callee, part in self.profile(old).items())
        near = _nearness(self.base[old], self.head[new])
        same_kind = self.table.frames[old].kind is self.table.frames[new].kind
        return alike * near if same_kind and alike >= ALIKE and near >= 1 / FACTOR else 0.0


def pair_renames(table: StackTable, base_cost: float, head_cost: float, least_cost: float) -> dict[int, int]:
    """New frames that seem renamed, with their previous frame.

    ``base`` and ``head`` are the costs of an iteration; for frames that cost less than ``least`` only the name
    is evidence.
    """
    if not table.paths:
        return {}
    costs = _Costs(table, _inclusive(table, table.base, base_cost), _inclusive(table, table.head, head_cost))
    pairs = {(pair.new, pair.old): pair for pair in _by_work(costs, least_cost)}
    pairs |= {
        (pair.new, pair.old): pair for pair in _by_name(costs, _one(table.base, base_cost), _one(table.head, head_cost))
    }
    return _matched(table, pairs.values())


def _matched(table: StackTable, pairs: Iterable[_Pair]) -> dict[int, int]:
    """The best first, each frame once. Callers may themselves be renamed: each pair can make siblings of others."""
    waiting = sorted(pairs, key=lambda pair: pair.rank, reverse=True)
    above = {f: set(map(int, table.callers(f))) for pair in waiting for f in (pair.new, pair.old)}
    found: dict[int, int] = {}
    moves: set[tuple[_Place, _Place]] = set()
    while pair := next((p for p in waiting if not moves.isdisjoint(p.moves) or _siblings(p, above, found)), None):
        found[pair.new] = pair.old
        moves |= pair.moves if pair.several else frozenset()
        waiting = [p for p in waiting if p.new != pair.new and p.old != pair.old]
    return found


def _siblings(pair: _Pair, above: dict[int, set[int]], found: dict[int, int]) -> bool:
    return bool({found.get(caller, caller) for caller in above[pair.new]} & above[pair.old] - {-1})


def _by_work(costs: _Costs, least_cost: float) -> Iterator[_Pair]:
    new = _most_expensive(costs.new, least_cost)[:_CANDIDATES]
    for old in _most_expensive(costs.gone, least_cost)[:_CANDIDATES]:
        yield from (_Pair(False, False, work, f, old) for f in new if (work := costs.work(f, old)))


def _by_name(costs: _Costs, base_sample: float, head_sample: float) -> Iterator[_Pair]:
    frames = costs.table.frames
    called: dict[str, list[int]] = defaultdict(list)
    for f in _most_expensive(costs.new, _SEEN * head_sample):
        called[_name(frames[f])].append(f)
    same = [
        (f, old, _moves(frames[old], frames[f]))
        for old in _most_expensive(costs.gone, _SEEN * base_sample)
        for f in called[_name(frames[old])]
    ]
    shown = Counter(move for _, _, moves in same for move in moves)
    for f, old, moves in same:
        if several := frozenset(move for move in moves if shown[move] >= SEVERAL):
            yield _Pair(True, True, _nearness(costs.base[old], costs.head[f]), f, old, several)
        elif work := costs.work(f, old):
            yield _Pair(False, True, work, f, old)


def _moves(old: Frame, new: Frame) -> frozenset[tuple[_Place, _Place]]:
    """Of its class, within the module or with it; of the module if the rest of the name is unchanged."""
    moves = {((old.module, _scope(old)), (new.module, _scope(new)))}
    if old.qualname == new.qualname:
        moves.add(((old.module, "*"), (new.module, "*")))
    return frozenset(moves)


def _name(frame: Frame) -> str:
    return frame.qualname.rpartition(".")[2]


def _scope(frame: Frame) -> str:
    return frame.qualname.rpartition(".")[0]


def _nearness(a: float, b: float) -> float:
    return float(min(a, b) / max(a, b))


def _one(counts: SideCounts, whole_cost: float) -> float:
    """The weight of one sample of this side, picoseconds."""
    return whole_cost / max(float(counts.samples.sum()), 1.0)


def _inclusive(table: StackTable, counts: SideCounts, whole_cost: float) -> Floats:
    weights = counts.weights_ns.sum(axis=0, keepdims=True)
    return np.asarray(table.within.sums(weights)[:, 0] * (whole_cost / max(float(weights.sum()), 1.0)))


def _most_expensive(costs: Floats, least: float) -> list[int]:
    order = np.argsort(-costs, kind="stable")
    return [int(f) for f in order if costs[f] > least]


def _profile(table: StackTable, counts: SideCounts, frame: int, kept: np.ndarray) -> dict[int, float]:
    """Shares of a frame's cost by callee; callees of one side only are treated as the same."""
    profile: dict[int, float] = {}
    weights = counts.weights_ns.sum(axis=0)
    callees = table.callees(frame)
    for s in table.within[frame]:
        callee = int(callees[s])
        key = _ITSELF if callee == frame else callee if kept[callee] else _OTHER
        profile[key] = profile.get(key, 0.0) + float(weights[s])
    whole = sum(profile.values())
    return {key: cost / whole for key, cost in profile.items()} if whole else {}
