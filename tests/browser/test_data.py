"""The page's own decoding: browsers without a decompressor, and data that are damaged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chromium import Visit, expect
from drawn import Graph
from playwright.sync_api import Page

from pytest_flame.model import Judgement

ANCHOR = "#test-2"


def without_decompressor(page: Page) -> None:
    page.add_init_script("delete window.DecompressionStream; delete Uint8Array.fromBase64;")
    page.reload()


def test_browsers_without_a_decompressor_show_the_same_graph(visit: Visit, report: Path, regressed: Judgement) -> None:
    usual = Graph.of(visit(report), regressed)
    expected = [row.inner_text() for row in usual.section.locator(".functions-panel tbody tr").all()]
    page = visit(report)
    without_decompressor(page)
    assert page.evaluate("typeof DecompressionStream") == "undefined"
    graph = Graph.of(page, regressed)
    assert [row.inner_text() for row in graph.section.locator(".functions-panel tbody tr").all()] == expected
    wide = {node: box for node, box in enumerate(graph.boxes()) if box.width >= 2}
    assert graph.names([box.middle for box in wide.values()]) == [graph.name(node) for node in wide]


@pytest.mark.parametrize("damage", ["short", "foreign", "empty"])
def test_damaged_data_are_said_and_the_picture_stays(visit: Visit, report: Path, tmp_path: Path, damage: str) -> None:
    def damaged(match: re.Match[str]) -> str:
        text = {"short": match[2][:400], "foreign": "not base64!", "empty": ""}[damage]
        return f"{match[1]}{text}</script>"

    page = tmp_path / "index.html"
    text = report.read_text(encoding="utf-8")
    page.write_text(re.sub(r'(class="graph"[^>]*>)([^<]*)</script>', damaged, text), encoding="utf-8")
    section = visit(page, ANCHOR).locator("#test-2")
    expect(section.locator(".graph-here .note")).to_contain_text("The graph cannot be shown")
    expect(section.locator(".static svg").first).to_be_visible()
