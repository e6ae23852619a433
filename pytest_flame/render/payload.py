"""A test's graph as embedded in the report page: compact columns, compressed, decoded by the page when viewed.

A block is base64 of raw deflate (RFC 1951) of: the length of a JSON head (four bytes, little-endian), the head, and
columns of unsigned LEB128 numbers, one after the other:

- for each frame of the pool: its module's index less the one before it, one more than its path's index (0: unknown)
  and its line;
- for each node of the tree, in depth-first order: how many levels the path falls back before it, its frame, its own
  cost before and after.

Names are sorted and share prefixes: each starts with one character whose code minus 32 is the number of characters it
takes from the previous name. Costs are whole numbers of ``unit`` picoseconds: for times a power of ten, so that the
whole has eight or nine digits; they are rounded along the tree, so that every subtree is within one unit of its exact
cost. Counts from other tools are exact.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pytest_flame.model import Change, Comparison, Frame, FrameDelta, Judgement, Metric, SourceLine
from pytest_flame.render import colour, units, words
from pytest_flame.render.drawn import Drawn
from pytest_flame.render.homes import home_of
from pytest_flame.render.layout import Tree
from pytest_flame.render.listing import Listing
from pytest_flame.render.text import printable

_DIGITS: Final = 8
"""Digits of the whole cost; samples have fewer."""
_INTERVAL_DIGITS: Final = 4
_SHARED: Final = 94
"""The longest shared prefix: its length is one printable ASCII character."""
_REAL, _CULPRIT, _MOVED = 1, 2, 4
_FUNCTIONS_KNOWN: Final = 20_000
"""The most functions with intervals, largest changes first: about 40 bytes each."""


@dataclass(frozen=True, slots=True)
class Block:
    """One graph, encoded. ``size`` is that of the decompressed data, bytes."""

    text: str
    size: int
    nodes: int


def graph_block(judgement: Judgement, drawn: Drawn, *, listings: Sequence[Listing] = ()) -> Block:
    """One test's graph; ``listings`` are the sources to show."""
    comparison, tree = drawn.comparison, drawn.tree
    if tree is None:
        raise ValueError(f"{judgement.test_id}: there is no recording to draw")
    lines = _lines(judgement)
    unit = _unit(tree, drawn.metric)
    index = {frame: number for number, frame in enumerate(tree.frames)}
    modules = sorted({frame.module for frame in tree.frames})
    module_index = {module: number for number, module in enumerate(modules)}
    first_of = {frame.module: frame for frame in reversed(tree.frames)}
    placed = {frame.module: lines[frame] for frame in tree.frames if frame in lines}
    paths = sorted({words.shown_path(lines[frame].path) for frame in tree.frames if frame in lines})
    path_index = {path: number + 1 for number, path in enumerate(paths)}
    functions, said = _functions(comparison, index)
    culprits = [delta.frame for delta in comparison.culprits] if comparison else []
    head = {
        "unit": unit,
        "profile": {
            "amount": units.plain(drawn.metric),
            "sides": 2 if comparison else 1,
            "tested": comparison is not None and comparison.tested,
            "base": comparison.base if comparison else 0,
            "head": comparison.head if comparison else int(tree.head[tree.parent < 0].sum()),
            "culprits": [index[frame] for frame in culprits if frame in index],
            "sourceless": "The source of this function is not in this report.",
        },
        "modules": pack_names(modules),
        "qualnames": pack_names([frame.qualname for frame in tree.frames]),
        "homes": [home_of(first_of[module], placed.get(module)).value for module in modules],
        "tones": "".join(str(colour.tone(frame)) for frame in tree.frames),
        "paths": pack_names(paths),
        "words": said,
        "functions": functions,
        "sources": [_source(listing, index[listing.frame]) for listing in listings if listing.frame in index],
        "nodes": len(tree),
    }
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    places = [lines.get(frame) for frame in tree.frames]
    columns = [
        _steps([module_index[frame.module] for frame in tree.frames]),
        [path_index[words.shown_path(place.path)] if place else 0 for place in places],
        [place.line if place else 0 for place in places],
        np.concatenate(([0], tree.depth[:-1] + 1 - tree.depth[1:])) if len(tree) else [],
        tree.frame,
        scaled(tree.base_self, unit),
        scaled(tree.head_self, unit),
    ]
    data = len(text).to_bytes(4, "little") + text + b"".join(leb128(np.asarray(c, np.int64)) for c in columns)
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    return Block(base64.b64encode(packed).decode("ascii"), len(data), len(tree))


def _unit(tree: Tree, metric: Metric) -> int:
    if metric.scale != 1 or not metric.timed:
        return int(np.gcd.reduce(np.concatenate((tree.base_self, tree.head_self)))) or 1
    total = int(tree.widest[tree.parent < 0].sum())
    return int(10 ** max(0, len(str(total)) - _DIGITS - 1))


def pack_names(names: Iterable[str]) -> str:
    """One name per line, each with the length of the prefix it shares with the previous one."""
    packed, before = [], ""
    for name in map(printable, names):
        shared = 0
        for one, other in zip(before[:_SHARED], name, strict=False):
            # JavaScript counts characters beyond the basic plane twice.
            if one != other or ord(one) > 0xFFFF:
                break
            shared += 1
        packed.append(chr(32 + shared) + name[shared:])
        before = name
    return "\n".join(packed)


def scaled(costs: NDArray[np.int64], unit: int) -> NDArray[np.int64]:
    """Costs in whole units. Any run of them adds up to within one unit of its exact sum."""
    if unit == 1:
        return costs
    return _steps(np.cumsum(costs) // unit)


def leb128(values: NDArray[np.int64]) -> bytes:
    """Unsigned LEB128 (DWARF 5, section 7.6) of numbers ≥ 0, one after the other."""
    lengths = np.ones(len(values), np.int64)
    for bits in range(7, 63, 7):
        lengths += values >= 1 << bits
    starts = np.cumsum(lengths) - lengths
    encoded = np.zeros(int(lengths.sum()), np.uint8)
    for place in range(int(lengths.max(initial=0))):
        reaching = lengths > place
        part = (values[reaching] >> (7 * place)) & 127
        more = lengths[reaching] > place + 1
        encoded[starts[reaching] + place] = part | (more << 7)
    return encoded.tobytes()


def _steps(values: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """The differences of consecutive values."""
    steps = np.array(values, np.int64)
    steps[1:] -= steps[:-1].copy()
    return steps


def _lines(judgement: Judgement) -> dict[Frame, SourceLine]:
    """Head's places, and base's for functions that head does not have; the comparison may have others."""
    sides = [side.lines for side in (judgement.base, judgement.head) if side is not None]
    deltas = judgement.comparison.frames if judgement.comparison is not None else ()
    known = {delta.frame: delta.line for delta in deltas if delta.line is not None}
    return {**known, **{frame: line for lines in sides for frame, line in lines.items()}}


def _functions(comparison: Comparison | None, index: Mapping[Frame, int]) -> tuple[dict[str, list[Any]], list[str]]:
    """Details of each function, as columns, and the sentences they refer to."""
    deltas = comparison.frames[:_FUNCTIONS_KNOWN] if comparison else ()
    # Culprits have more details.
    culprits = {delta.frame: delta for delta in comparison.culprits} if comparison else {}
    deltas = tuple(culprits.get(delta.frame, delta) for delta in deltas)
    known = sorted(((index[delta.frame], delta) for delta in deltas if delta.frame in index), key=lambda row: row[0])
    sentences: dict[str, int] = {}

    def sentence(delta: FrameDelta) -> int:
        text = printable(words.what_happened(delta) + words.in_diff(delta))
        return sentences.setdefault(text, len(sentences))

    columns: dict[str, list[Any]] = {
        "frame": [number for number, _ in known],
        "flags": [_flags(delta, culprits) for _, delta in known],
        "low": [_short(delta.low) for _, delta in known],
        "high": [_short(delta.high) for _, delta in known],
        "self_low": [_short(delta.self_low) for _, delta in known],
        "self_high": [_short(delta.self_high) for _, delta in known],
        "p": [round(delta.p_adjusted, 4) for _, delta in known],
        "blind": [None if delta.blind is None else _short(delta.blind) for _, delta in known],
        "calls": [None if delta.calls is None else [*delta.calls] for _, delta in known],
        "words": [sentence(delta) for _, delta in known],
    }
    return columns, list(sentences)


def _flags(delta: FrameDelta, culprits: Collection[Frame]) -> int:
    real = delta.significant or delta.over_threshold
    moved = delta.change is Change.MOVED
    return _REAL * real | _CULPRIT * (delta.frame in culprits) | _MOVED * moved


def _source(listing: Listing, frame: int) -> dict[str, Any]:
    rows = [[one.before, one.after, one.text, one.base, one.head, one.tag] for one in listing.lines]
    return {"frame": frame, "note": printable(listing.note), "rows": rows}


def _short(value: float) -> int | None:
    """With the digits that are shown; None if not finite, since JSON cannot represent it."""
    if not math.isfinite(value):
        return None
    digits = len(str(abs(int(value))))
    return round(int(value), min(0, _INTERVAL_DIGITS - digits))
