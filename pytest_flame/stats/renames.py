"""Which new function is an old one under another name.

A function that vanished and one that appeared under the same caller, that call the same functions for like parts of
their cost and cost about the same, are taken for one. It is said in words; whether the cost is equivalent is
decided elsewhere.
"""

from __future__ import annotations

import numpy as np

from pytest_flame.stats.frames import FrameTests
from pytest_flame.stats.student import Floats
from pytest_flame.stats.table import Counts, StackTable

ALIKE = 0.6
"""Part of both profiles of callees that has to agree."""
FACTOR = 3.0
"""Farther apart in cost than this, no name is worth guessing."""
_CANDIDATES = 50
"""A side's dearest; who renames more functions at once reads no single pair."""
_ITSELF, _OTHER = -1, -2


def pair_renames(tests: FrameTests) -> dict[int, int]:
    """Of the new frames that cost more than the bound those that seem renamed, with the frame each was before."""
    table = tests.gauge.table
    base, head = tests.inclusive.base, tests.inclusive.head
    gone = _dearest(np.where(head == 0, base, 0.0), tests.bound)
    new = _dearest(np.where(base == 0, head, 0.0), tests.bound)
    kept = (base > 0) & (head > 0)
    before = {f: _profile(table, table.base, f, kept) for f in gone}
    after = {f: _profile(table, table.head, f, kept) for f in new}
    above = {f: set(map(int, table.callers(f))) for f in (*gone, *new)}
    scores: dict[tuple[int, int], float] = {}
    for old in gone:
        for anew in new:
            alike = sum(min(part, after[anew].get(callee, 0.0)) for callee, part in before[old].items())
            nearness = min(base[old], head[anew]) / max(base[old], head[anew])
            same_kind = table.frames[old].kind is table.frames[anew].kind
            if same_kind and alike >= ALIKE and nearness >= 1 / FACTOR:
                scores[anew, old] = alike * nearness
    pairs: dict[int, int] = {}
    # Callers may themselves be renamed: each pair found can make siblings of others.
    while siblings := [p for p in scores if _siblings(above[p[0]], above[p[1]], pairs)]:
        anew, old = max(siblings, key=lambda p: (scores[p], p))
        pairs[anew] = old
        scores = {p: score for p, score in scores.items() if p[0] != anew and p[1] != old}
    return pairs


def _dearest(costs: Floats, least: float) -> list[int]:
    order = np.argsort(-costs, kind="stable")[:_CANDIDATES]
    return [int(f) for f in order if costs[f] > least]


def _profile(table: StackTable, counts: Counts, frame: int, kept: np.ndarray) -> dict[int, float]:
    """Parts of a frame's cost by callee; callees of one side only are all the same."""
    profile: dict[int, float] = {}
    weights = counts.weights_ns.sum(axis=0)
    callees = table.callees(frame)
    for s in table.within[frame]:
        callee = int(callees[s])
        key = _ITSELF if callee == frame else callee if kept[callee] else _OTHER
        profile[key] = profile.get(key, 0.0) + float(weights[s])
    whole = sum(profile.values())
    return {key: cost / whole for key, cost in profile.items()} if whole else {}


def _siblings(new: set[int], old: set[int], pairs: dict[int, int]) -> bool:
    return bool({pairs.get(caller, caller) for caller in new} & old - {-1})
