"""The changed functions of one test as a small tree for the terminal: figures, bars, callers above callees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pytest_flame.model import Judgement
from pytest_flame.render import units
from pytest_flame.render.layout import Tree
from pytest_flame.render.lines import Line, Markup
from pytest_flame.render.names import fit
from pytest_flame.render.picture import CULPRIT, Picture, culprit_nodes, differential_picture
from pytest_flame.render.text import cells

WIDTH: Final = 80
MOST: Final = 12
"""Rows: with its heading the tree fits half a classic terminal."""

_BAR: Final = 8
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_LEAST_SHARE: Final = 0.02
"""Share of the largest change: smaller changes are only counted."""
_SAME: Final = 0.1
_NARROWEST: Final = 12
_GREW: Final[Markup] = {"red": True}
_SHRANK: Final[Markup] = {"cyan": True}
_HEADS: Final = ("base", "head", "change")


def tree_lines(judgement: Judgement, *, width: int = WIDTH, most: int = MOST) -> list[Line]:
    """The largest significant changes, in at most ``width`` columns; empty if there are none.

    If nothing was tested, the largest differences. Chains of callers that pass the same change on are shortened to
    their two ends.
    """
    if judgement.comparison is None or judgement.base is None or judgement.head is None:
        return []
    picture = differential_picture(judgement)
    rows, left = _rows(picture, most)
    return _set(picture, rows, left, width) if rows else []


@dataclass(frozen=True, slots=True)
class _Row:
    node: int
    """-1: callers omitted."""
    branch: str
    """The tree lines that lead to it."""
    skipped: int = 0


def _rows(picture: Picture, most: int) -> tuple[list[_Row], int]:
    """The boxes that are shown, root first, and how many changed boxes are not."""
    tree = picture.tree
    delta = tree.head - tree.base
    real = np.array([picture.of(frame).real for frame in tree.frames], bool)[tree.frame] & (delta != 0)
    culprit = np.zeros(len(tree), bool)
    culprit[list(culprit_nodes(picture))] = True
    if not real.any():
        return [], 0
    size = np.abs(delta)
    candidates = np.flatnonzero(real & ((size >= _LEAST_SHARE * size[real].max()) | culprit))
    # Culprits first, then the largest; among equals the caller.
    ranked = candidates[np.lexsort((tree.depth[candidates], -size[candidates], ~culprit[candidates]))]
    chosen: set[int] = set()
    runs: dict[int, int] = {}
    for node in ranked.tolist():
        tried = sorted(chosen | {node})
        short, found = _shortened(tree, tried, delta, culprit)
        if len(short) + len(found) > most:
            break
        chosen.add(node)
        runs = found
    shown, runs = _shortened(tree, sorted(chosen), delta, culprit)
    return list(_branches(tree, shown, runs)), int(real.sum()) - len(chosen)


def _callers(tree: Tree, nodes: list[int]) -> dict[int, int]:
    """Each node's nearest caller among ``nodes``, which are in the tree's order; -1 for none."""
    found, open_ = {}, [-1]
    for node in nodes:
        while open_[-1] >= 0 and tree.end[open_[-1]] <= node:
            open_.pop()
        found[node] = open_[-1]
        open_.append(node)
    return found


def _shortened(
    tree: Tree, nodes: list[int], delta: NDArray[np.int64], culprit: NDArray[np.bool_]
) -> tuple[list[int], dict[int, int]]:
    """The nodes without those that only pass on the change of their single callee; how many are missing above each."""
    caller = _callers(tree, nodes)
    callees: dict[int, list[int]] = {}
    for node, above in caller.items():
        callees.setdefault(above, []).append(node)

    def passes(node: int) -> bool:
        below = callees.get(node, [])
        if caller[node] < 0 or len(below) != 1 or culprit[node]:
            return False
        one, other = int(delta[node]), int(delta[below[0]])
        return abs(one - other) <= _SAME * abs(one)

    dull = {node for node in nodes if passes(node)}
    # One line shows that callers are omitted; it has to save at least one.
    dull = {node for node in dull if caller[node] in dull or any(below in dull for below in callees[node])}
    kept = [node for node in nodes if node not in dull]
    runs: dict[int, int] = {}
    for node in kept:
        above, missing = caller[node], 0
        while above in dull:
            above, missing = caller[above], missing + 1
        if missing:
            runs[node] = missing
    return kept, runs


def _branches(tree: Tree, shown: list[int], runs: dict[int, int]) -> Iterator[_Row]:
    caller = _callers(tree, shown)
    last = {above: node for node, above in caller.items()}
    lead: dict[int, str] = {-1: ""}
    for node in shown:
        above = caller[node]
        indent = lead[above]
        if above < 0:
            lead[node] = ""
            yield _Row(node, "")
            continue
        ends = last[above] == node
        branch = indent + ("└ " if ends else "├ ")
        below = indent + ("  " if ends else "│ ")
        if skipped := runs.get(node, 0):
            yield _Row(-1, branch, skipped)
            branch, below = f"{below}└ ", f"{below}  "
        lead[node] = below
        yield _Row(node, branch)


def _set(picture: Picture, rows: list[_Row], left: int, width: int) -> list[Line]:
    tree = picture.tree
    delta = tree.head - tree.base
    figures = [_figures(picture, row.node) if row.node >= 0 else ("", "", "") for row in rows]
    sizes = [max(cells(text) for text in column) for column in zip(_HEADS, *figures, strict=True)]
    culprits = culprit_nodes(picture)
    largest = max(abs(int(delta[row.node])) for row in rows if row.node >= 0)
    room = max(width - sum(sizes) - 2 * len(sizes) - _BAR - 2, _NARROWEST)
    what = "changed functions" if picture.tested else "differences, not tested"
    heads = "  ".join(f"{head:>{size}}" for head, size in zip(_HEADS, sizes, strict=True))
    lines = [Line(f" {heads}  {what}, {picture.metric.noun}"[:width])]
    for row, texts in zip(rows, figures, strict=True):
        numbers = "  ".join(" " * (size - cells(text)) + text for text, size in zip(texts, sizes, strict=True))
        if row.node < 0:
            between = units.count(row.skipped, "caller")
            lines.append(Line(f" {numbers}  {' ' * _BAR} {row.branch}⋮ {between} omitted"[:width].rstrip()))
            continue
        change = int(delta[row.node])
        bar = _bar(abs(change) / largest)
        blamed = row.node in culprits
        name = _name(picture, row, room, blamed)
        markup = dict(_GREW if change > 0 else _SHRANK)
        if blamed:
            markup["bold"] = True
        lines.append(Line(f" {numbers}  {bar} {name}", markup))
    if left:
        lines.append(Line(f" and {units.count(left, 'smaller change')}"))
    return lines


def _figures(picture: Picture, node: int) -> tuple[str, str, str]:
    base, head = int(picture.tree.base[node]), int(picture.tree.head[node])
    metric = picture.metric
    texts = (*units.before_after(metric, base, head), units.signed_cost(metric, head - base))
    if metric.timed:
        return texts
    one, other, change = (text.rpartition(" ")[0] for text in texts)  # the heading gives the unit
    return one, other, change


def _name(picture: Picture, row: _Row, room: int, blamed: bool) -> str:
    tree = picture.tree
    frame = tree.frames[tree.frame[row.node]]
    marks = [CULPRIT] if blamed else []
    if picture.of(frame).moved:
        marks.append("MOVED")
    elif not tree.head[row.node]:
        marks.append("GONE")
    elif not tree.base[row.node]:
        marks.append("NEW")
    lead = "".join(f"{mark} " for mark in marks)
    # A branch that is too deep for the width keeps its end.
    branch = row.branch if cells(row.branch) <= room // 2 else "…" + row.branch[-(room // 2) :]
    return f"{branch}{lead}{fit(frame, room - cells(branch) - cells(lead))}"


def _bar(share: float) -> str:
    full, part = divmod(max(1, round(share * _BAR * 8)), 8)
    return f"{'█' * full}{_EIGHTHS[part].strip()}".ljust(_BAR)
