"""A function's source with its costs, and where its links lead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from chromium import Visit, expect
from drawn import Graph

from pytest_flame.links import EDITORS, Links, relative_root
from pytest_flame.model import Frame, Judgement, RunResult, SourceLine
from pytest_flame.render.report import write_report

TOKENIZE = Frame("orders.parse", "tokenize")
BEFORE = "def tokenize(text):\n    return text.split()\n"
HOSTILE = "</script><script>document.title=1</script>"
AFTER = f"def tokenize(text):\n    text = str(text) + '{HOSTILE}'\n    return text.split()\n"
COMMIT = "1a2b3c4d" * 5


class Texts:
    def base(self, judgement: Judgement, path: str) -> str | None:
        return BEFORE if path == "my orders/parse.py" else None

    def head(self, judgement: Judgement, path: str) -> str | None:
        return AFTER if path == "my orders/parse.py" else None


@pytest.fixture
def measured(regressed: Judgement) -> Judgement:
    place = {TOKENIZE: SourceLine("my orders/parse.py", 1)}
    assert regressed.base is not None and regressed.head is not None
    base = replace(regressed.base, lines=place, line_weights={TOKENIZE: {2: 1}})
    head = replace(regressed.head, lines=place, line_weights={TOKENIZE: {2: 3, 3: 1}})
    return replace(regressed, base=base, head=head)


@pytest.fixture
def graph(visit: Visit, result: RunResult, measured: Judgement, tmp_path: Path) -> Graph:
    root = tmp_path / "my shop"
    links = Links(
        source="https://git.example/shop/blob/{commit}/{path}#L{line}",
        editor=EDITORS["vscode"],
        commit=COMMIT,
        prefix="sub/",
        root=relative_root(root / "flame-report", root),
    )
    page = write_report(replace(result, judgements=(measured,)), root / "flame-report", texts=Texts(), links=links)
    return Graph.of(visit(page), measured)


def test_each_line_has_its_cost_before_and_after(graph: Graph) -> None:
    graph.section.locator(".to-source").click()
    panel = graph.section.locator(".source-panel")
    expect(panel.locator("h4")).to_have_text("Source of orders.parse:tokenize")
    rows = [row.locator("td").all_inner_texts() for row in panel.locator("tbody tr").all()]
    assert [row[:5] for row in rows] == [
        ["1", "1", "", "", ""],
        ["", "2", "", "2.20 ms", "+2.20 ms"],
        ["2", "3", "1.31 ms", "732.5 µs", "−577.5 µs"],
    ]
    assert "</script><script>" in rows[1][5]
    assert graph.page.title() != "1"
    expect(panel.locator("tr.added")).to_have_count(1)


def test_functions_without_source_say_so(graph: Graph) -> None:
    graph.section.get_by_role("button", name="orders.store:Session.save", exact=True).click()
    expect(graph.section.locator(".to-source")).to_be_disabled()
    graph.section.get_by_role("tab", name="Source").click()
    expect(graph.section.locator(".source-panel")).to_contain_text("The source of this function is not in this report")


def test_links_lead_to_the_repository_and_the_editor(graph: Graph, tmp_path: Path) -> None:
    links = graph.section.locator(".function .links a")
    expect(links).to_have_text(["Open source", "Open in editor"])
    assert links.nth(0).get_attribute("href") == f"https://git.example/shop/blob/{COMMIT}/sub/my%20orders/parse.py#L1"
    file = (tmp_path / "my shop" / "my orders" / "parse.py").as_posix().replace(" ", "%20")
    assert links.nth(1).get_attribute("href") == f"vscode://file{file}:1"


def test_a_report_names_nobodys_folders(graph: Graph, tmp_path: Path) -> None:
    assert str(tmp_path) not in (tmp_path / "my shop" / "flame-report" / "index.html").read_text(encoding="utf-8")
