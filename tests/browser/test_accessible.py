"""axe-core finds nothing serious in any view of the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chromium import Visit, expect, lacking, open_all
from drawn import Graph

from pytest_flame.model import Judgement

if TYPE_CHECKING:
    from playwright.sync_api import Page


def findings(page: Page) -> list[str]:
    """Serious and critical ones, with the elements they are about."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        lacking("no axe-core found", "pip install axe-playwright-python")
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['impact']} {rule['id']}: {rule['help']}: {[node['html'][:200] for node in rule['nodes'][:5]]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


each_look = pytest.mark.parametrize(
    ("dark", "width"), [(False, 1280), (True, 1280), (False, 375)], ids=["light", "dark", "narrow"]
)


@each_look
def test_the_page(visit: Visit, report: Path, dark: bool, width: int) -> None:
    page = visit(report, dark=dark, width=width)
    open_all(page)
    assert findings(page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_interactive_svg(visit: Visit, report: Path, dark: bool) -> None:
    for file in sorted(report.parent.glob("*.interactive.svg"))[:2]:
        page = visit(file, dark=dark)
        page.locator("#graph").focus()
        assert findings(page) == []


@each_look
@pytest.mark.parametrize("tab", ["Callers and callees", "Source"])
def test_a_graph_in_use(visit: Visit, report: Path, regressed: Judgement, tab: str, dark: bool, width: int) -> None:
    """Zoomed, searched, with its tooltip."""
    graph = Graph.of(visit(report, dark=dark, width=width), regressed)
    graph.section.get_by_role("tab", name=tab).click()
    graph.search.fill("parse(")
    graph.search.fill("token")
    graph.search.press("Enter")
    graph.canvas.press("Enter")
    graph.canvas.press("ArrowDown")
    expect(graph.tooltip).to_be_visible()
    assert findings(graph.page) == []
