"""The table of tools: real commands are run, their files are counted, and a tool that fails is reported."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from benchmarks.render import compare


@pytest.fixture
def small(tmp_path: Path) -> compare.Input:
    return compare.made_up(60, tmp_path)


def test_both_sides_are_written_and_counted(small: compare.Input) -> None:
    assert small.base is not None
    assert small.base.read_text(encoding="utf-8") != small.head.read_text(encoding="utf-8")
    assert small.nodes == 60
    assert 0 < small.head_nodes <= 60


@pytest.mark.parametrize("name", ["flame draw, svg, static", "flame draw, svg", "flame draw, html"])
def test_what_the_project_draws_is_counted_whole(small: compare.Input, tmp_path: Path, name: str) -> None:
    options = argparse.Namespace(perl=None, inferno=None, cpython=None)
    tool = next(tool for tool in compare.tools(options) if tool.name == name)
    cost = compare.measure(tool, small, tmp_path, repeats=1)
    least = 1 if "static" in name else small.head_nodes  # the static picture leaves out what is thinner than a hair
    assert least <= cost.boxes <= small.head_nodes
    assert cost.size > cost.packed > 0
    assert cost.cpu_s > 0


def test_standard_output_is_the_file_where_a_tool_names_none(small: compare.Input, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('<title>all</title><title>a</title>')"]
    tool = compare.Tool("prints", "svg", lambda of, result: command, compare.titles, False)
    assert compare.measure(tool, small, tmp_path, repeats=2).boxes == 1


def test_a_tool_that_fails_is_told_with_its_last_words(small: compare.Input, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
    tool = compare.Tool("fails", "svg", lambda of, result: command, compare.titles, False)
    with pytest.raises(compare.Broken, match="exit status 1: no such thing"):
        compare.measure(tool, small, tmp_path, repeats=1)


def test_counts() -> None:
    assert compare.titles("<title>all</title><title>a</title><title>b</title>") == 2
    assert compare.boxes('<title>t</title><rect width="3"><title>a</title></rect><rect width="3"/>') == 1
    assert compare.lines('{"lineno": 1, "x": [{"lineno":2}]} node.lineno = 3') == 2
    assert compare.carried('<script data-size="9" data-nodes="7"></script><script data-nodes="5">') == 12
    assert compare.scripted('<script type="application/json" id="data">{"depth": [0, 1, 1]}</script>') == 3
