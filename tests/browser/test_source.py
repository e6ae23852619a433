"""A function's source with the cost of each line on both sides, and the ways to the file itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from chromium import Visit, expect
from drawn import Graph

from pytest_flame.links import EDITORS, Links
from pytest_flame.model import Frame, Judgement, Recording, RunResult, SourceLine
from pytest_flame.render.report import write_report

TOKENIZE = Frame.parse("orders.parse:tokenize")
PLACE = SourceLine("orders/parse.py", 3)
BEFORE = """import re

def tokenize(text):
    return re.split(" ", text)
"""
AFTER = """import re

def tokenize(text):
    text = "<b>" + text
    return re.split(" ", text)
"""


class Sources:
    def base(self, judgement: Judgement, path: str) -> str | None:
        return BEFORE if path == PLACE.path else None

    def head(self, judgement: Judgement, path: str) -> str | None:
        return AFTER if path == PLACE.path else None


@pytest.fixture
def sourced(regressed: Judgement) -> Judgement:
    def side(recording: Recording | None, weights: dict[int, int]) -> Recording:
        assert recording
        return replace(recording, lines={TOKENIZE: PLACE}, line_weights={TOKENIZE: weights})

    return replace(regressed, base=side(regressed.base, {4: 1}), head=side(regressed.head, {4: 1, 5: 3}))


@pytest.fixture
def linked(sourced: Judgement, result: RunResult, tmp_path: Path) -> Path:
    links = Links(
        source="https://example.org/{commit}/{path}#L{line}",
        editor=EDITORS["vscode"],
        commit="abc123",
        root="../my code",
    )
    return write_report(replace(result, judgements=(sourced,)), tmp_path / "report", texts=Sources(), links=links)


def test_lines_stand_beside_each_other_with_their_costs(visit: Visit, linked: Path, sourced: Judgement) -> None:
    graph = Graph.of(visit(linked), sourced)
    graph.section.get_by_role("button", name=TOKENIZE.name, exact=True).first.click()
    graph.section.locator(".function").get_by_role("button", name="Source").click()
    table = graph.section.locator("table.source")
    rows = [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in table.locator("tbody tr").all()]
    by_code = {row[-1]: row[:-1] for row in rows}
    added = next(row for code, row in by_code.items() if '"<b>" + text' in code)
    kept = next(row for code, row in by_code.items() if "re.split" in code)
    # Self cost is 1.31 ms before, all on line 4, and 2.93 ms after, a quarter of it on the new line.
    assert kept[:4] == ["4", "5", "1.31 ms", "2.20 ms"]
    assert added[:4] == ["", "4", "", "732.5 µs"]
    expect(table.locator("tr.added")).to_have_count(1)
    assert table.locator("tr.added b").count() == 0


def test_links_lead_to_the_line(visit: Visit, linked: Path, sourced: Judgement) -> None:
    graph = Graph.of(visit(linked), sourced)
    graph.section.get_by_role("button", name=TOKENIZE.name, exact=True).first.click()
    source = graph.section.get_by_role("link", name="Open source")
    expect(source).to_have_attribute("href", "https://example.org/abc123/orders/parse.py#L3")
    expect(source).to_have_attribute("rel", "noreferrer")
    file = linked.parent.parent / "my code/orders/parse.py"
    editor = graph.section.get_by_role("link", name="Open in editor")
    assert (editor.get_attribute("href") or "").startswith("vscode://file/")
    assert (editor.get_attribute("href") or "").endswith(f"{file.name}:3")


def test_a_function_without_source_says_so(visit: Visit, linked: Path, sourced: Judgement) -> None:
    graph = Graph.of(visit(linked), sourced)
    graph.section.get_by_role("button", name="orders.api:handle_batch", exact=True).first.click()
    expect(graph.section.locator(".function").get_by_role("button", name="Source")).to_be_disabled()
