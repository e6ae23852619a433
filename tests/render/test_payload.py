"""The block with a graph is read back here as its description says, independently of the page's script."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.model import CPU, SAMPLES, Frame, Judgement, Profile, RunResult, SourceLine
from pytest_flame.render.drawn import Drawn
from pytest_flame.render.layout import build_tree
from pytest_flame.render.listing import ListedLine, Listing
from pytest_flame.render.payload import graph_block, leb128, pack_names, scaled
from pytest_flame.render.text import printable

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("aab\U0001f525注."), max_size=120)


def numbers(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            yield value
            value = shift = 0


def unpacked(text: str) -> list[str]:
    names, before = [], ""
    for entry in text.split("\n") if text else []:
        before = before[: ord(entry[0]) - 32] + entry[1:]
        names.append(before)
    return names


class Read:
    """A block, decoded."""

    def __init__(self, text: str, size: int) -> None:
        data = zlib.decompress(base64.b64decode(text), wbits=-15)
        assert len(data) == size
        length = int.from_bytes(data[:4], "little")
        self.head: dict[str, Any] = json.loads(data[4 : 4 + length])
        rest = numbers(data[4 + length :])
        qualnames, modules = unpacked(self.head["qualnames"]), unpacked(self.head["modules"])
        index = np.cumsum([next(rest) for _ in qualnames])
        self.frames = [Frame(modules[i], name) for i, name in zip(index, qualnames, strict=True)]
        self.paths = [next(rest) for _ in qualnames]
        self.lines = [next(rest) for _ in qualnames]
        columns = [[next(rest) for _ in range(self.head["nodes"])] for _ in range(4)]
        assert next(rest, None) is None
        up, frame, base, head = columns
        path: list[Frame] = []
        self.costs: dict[tuple[Frame, ...], tuple[int, int]] = {}
        for at, back in enumerate(up):
            if at:
                del path[len(path) - back :]
            path.append(self.frames[frame[at]])
            self.costs[tuple(path)] = base[at] * self.head["unit"], head[at] * self.head["unit"]


def test_a_block_holds_the_tree_exactly(regressed: Judgement) -> None:
    drawn = Drawn.of(regressed)
    assert drawn.tree is not None and drawn.base is not None and drawn.head is not None
    block = graph_block(regressed, drawn)
    read = Read(block.text, block.size)
    tree = drawn.tree
    expected = {tree.stack(n): (int(tree.base_self[n]), int(tree.head_self[n])) for n in range(len(tree))}
    printed = {tuple(Frame(printable(f.module), printable(f.qualname)) for f in s): c for s, c in expected.items()}
    assert read.head["unit"] == 100  # 11.87 ms: eleven digits, and nine are kept
    assert read.costs.keys() == printed.keys()
    for stack, costs in printed.items():
        assert all(abs(a - b) <= 100 for a, b in zip(read.costs[stack], costs, strict=True))
    assert block.nodes == len(tree)


def test_what_is_known_of_functions_goes_with_them(regressed: Judgement) -> None:
    block = graph_block(regressed, Drawn.of(regressed))
    read = Read(block.text, block.size)
    known = read.head["functions"]
    rows = {read.frames[frame].name: row for row, frame in enumerate(known["frame"])}
    row = rows["orders.parse:tokenize"]
    assert known["flags"][row] & 3 == 3
    assert read.head["words"][known["words"][row]] == "62 % slower under every caller (changed in this diff)"
    comparison = regressed.comparison
    assert comparison is not None
    delta = next(d for d in comparison.frames if d.frame.name == "orders.parse:tokenize")
    assert known["low"][row] == pytest.approx(delta.low, rel=1e-3)
    assert known["high"][row] == pytest.approx(delta.high, rel=1e-3)
    assert not known["flags"][rows["orders.store:Session.save"]] & 1
    assert [read.frames[i].name for i in read.head["profile"]["culprits"]] == ["orders.parse:tokenize"]
    index = [frame.name for frame in read.frames].index("orders.parse:tokenize")
    assert unpacked(read.head["paths"])[read.paths[index] - 1] == "orders/parse.py"


def test_one_side_alone(result: RunResult) -> None:
    judgement = next(j for j in result.judgements if j.comparison is None and j.head is not None)
    block = graph_block(judgement, Drawn.of(judgement))
    read = Read(block.text, block.size)
    assert read.head["profile"]["sides"] == 1 and not read.head["profile"]["tested"]
    assert all(base == 0 for base, _ in read.costs.values())


def test_nothing_to_draw_is_an_error(regressed: Judgement) -> None:
    bare = replace(regressed, base=None, head=None, comparison=None)
    with pytest.raises(ValueError, match="no recording"):
        graph_block(bare, Drawn.of(bare))


def test_listings_of_functions_that_are_not_in_the_tree_are_left_out(regressed: Judgement) -> None:
    shown = Listing(Frame("orders.parse", "tokenize"), "orders/parse.py", (ListedLine(1, 2, "x\x1b", 3, 4, " "),))
    block = graph_block(regressed, Drawn.of(regressed), listings=(shown, replace(shown, frame=Frame("a", "b"))))
    (source,) = Read(block.text, block.size).head["sources"]
    assert source["rows"] == [[1, 2, "x\x1b", 3, 4, " "]]


def test_counts_of_other_tools_are_exact(make_judgement: Callable[..., Judgement], regressed: Judgement) -> None:
    assert regressed.base and regressed.head and regressed.comparison
    base, head = (replace(side, metric=SAMPLES) for side in (regressed.base, regressed.head))
    regressed = replace(regressed, base=base, head=head, comparison=replace(regressed.comparison, metric=SAMPLES))
    block = graph_block(regressed, Drawn.of(regressed))
    read = Read(block.text, block.size)
    drawn = Drawn.of(regressed)
    assert drawn.tree is not None
    assert sum(base for base, _ in read.costs.values()) == int(drawn.tree.base[0])
    assert read.head["profile"]["amount"] == {"axis": "samples", "noun": "sample", "per": 1000}


def test_culprits_places_come_from_what_was_compared(regressed: Judgement) -> None:
    head = regressed.head
    assert head is not None
    moved = replace(regressed, head=replace(head, lines={Frame("orders.parse", "tokenize"): SourceLine("new.py", 7)}))
    block = graph_block(moved, Drawn.of(moved))
    read = Read(block.text, block.size)
    index = [frame.name for frame in read.frames].index("orders.parse:tokenize")
    assert unpacked(read.head["paths"])[read.paths[index] - 1] == "new.py"
    assert read.lines[index] == 7


@given(st.lists(st.integers(0, 2**62), max_size=50))
def test_leb128(values: list[int]) -> None:
    assert list(numbers(leb128(np.array(values, np.int64)))) == values


@given(st.lists(NAMES, max_size=30))
def test_names_unpack_as_they_are_printed(names: list[str]) -> None:
    ordered = sorted(names)
    assert unpacked(pack_names(ordered)) == [printable(name) for name in ordered]


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60), st.sampled_from([1, 10, 1000, 10**6]))
def test_every_run_of_scaled_costs_is_within_one_unit(costs: list[int], unit: int) -> None:
    units_of = scaled(np.array(costs, np.int64), unit)
    assert np.all(units_of >= 0)
    exact, rounded = np.cumsum([0, *costs]), np.cumsum([0, *units_of]) * unit
    for start in range(0, len(costs), 7):
        assert np.all(np.abs((exact[start:] - exact[start]) - (rounded[start:] - rounded[start])) <= unit)


def test_an_empty_tree_is_a_block(regressed: Judgement) -> None:
    nothing = Drawn(None, Profile.of(CPU, {}), None, build_tree({}, {}))
    block = graph_block(replace(regressed, comparison=None), nothing)
    assert Read(block.text, block.size).costs == {}
