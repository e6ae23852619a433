"""The whole report with the keyboard alone: everything can be reached, seen to have the focus, used and left."""

from __future__ import annotations

import re
from pathlib import Path

from chromium import Visit, expect
from drawn import Graph

from pytest_flame.model import Judgement

TOKENIZE = "orders.parse:tokenize"
FOCUSED = """() => {
    const element = document.activeElement, style = getComputedStyle(element);
    const outlines = [element, element.parentElement, element.nextElementSibling].filter(Boolean).map(getComputedStyle);
    return {
        name: element.getAttribute("aria-label") || element.textContent.trim().slice(0, 60) || element.className,
        tag: element.tagName,
        inside: element.getBoundingClientRect().toJSON(),
        seen: outlines.some(style => style.outlineStyle !== "none" && style.outlineWidth !== "0px"),
    };
}"""


def test_every_stop_is_seen_and_none_holds_the_focus(visit: Visit, report: Path, regressed: Judgement) -> None:
    page = visit(report)
    Graph.of(page, regressed)
    stops = []
    for _ in range(400):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop["tag"] == "BODY":
            break
        stops.append(stop)
    else:
        raise AssertionError(f"the focus never left the page: {[stop['name'] for stop in stops[-10:]]}")
    assert [stop["name"] for stop in stops if not stop["seen"]] == []
    names = " ".join(stop["name"] for stop in stops)
    for reached in ("Filter tests", "Search frames", "Flame graph", "Copy name", "Callers and callees", TOKENIZE):
        assert reached in names


def test_a_reader_without_a_mouse(visit: Visit, report: Path, regressed: Judgement) -> None:
    """From the top of the page to the culprit's callers and back."""
    page = visit(report)
    graph = Graph.of(page, regressed)
    page.locator("body").press("/")
    expect(page.locator(":focus")).to_have_attribute("type", "search")
    graph.search.focus()
    page.keyboard.type("tokenize$")
    page.keyboard.press("Enter")
    expect(graph.spoken).to_contain_text("match 1 of 1")
    expect(graph.spoken).to_contain_text(TOKENIZE)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(graph.canvas).to_be_focused()

    # Towards the root, to a sibling, and back out to the leaves.
    page.keyboard.press("ArrowDown")
    expect(graph.spoken).to_contain_text("orders.parse:parse_order")
    page.keyboard.press("ArrowRight")
    expect(graph.spoken).to_contain_text("orders.rules:apply_discounts")
    page.keyboard.press("ArrowLeft")
    expect(graph.spoken).to_contain_text("orders.parse:parse_order")
    page.keyboard.press("ArrowUp")
    expect(graph.spoken).to_contain_text(TOKENIZE)
    expect(graph.tooltip).to_contain_text(TOKENIZE)

    page.keyboard.press("Enter")
    expect(graph.crumbs.last).to_have_text(TOKENIZE)
    page.keyboard.press("Backspace")
    expect(graph.crumbs.last).to_have_text("orders.parse:parse_order")
    page.keyboard.press("Escape")
    expect(graph.crumbs).to_have_count(1)
    expect(graph.tooltip).to_be_hidden()

    page.keyboard.press("c")
    expect(graph.spoken).to_contain_text("copied")

    tab = graph.section.get_by_role("tab", name="Functions")
    tab.focus()
    page.keyboard.press("ArrowRight")
    expect(graph.section.get_by_role("tab", name="Callers and callees")).to_be_focused()
    expect(graph.section.get_by_role("tabpanel", name="Callers and callees")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(graph.section.get_by_role("tabpanel", name="Functions")).to_be_visible()


def test_frames_are_spoken_with_their_costs(visit: Visit, report: Path, regressed: Judgement) -> None:
    graph = Graph.of(visit(report), regressed)
    expect(graph.canvas).to_have_attribute("aria-label", re.compile("Flame graph.*arrow keys"))
    graph.section.get_by_role("button", name=TOKENIZE, exact=True).first.press("Enter")
    graph.canvas.focus()
    spoken = graph.spoken.inner_text()
    for said in (TOKENIZE, "2.62 ms", "4.23 ms"):
        assert said in spoken


def test_typing_in_a_field_moves_nothing(visit: Visit, report: Path, regressed: Judgement) -> None:
    graph = Graph.of(visit(report), regressed)
    graph.search.focus()
    graph.page.keyboard.type("n/c")
    expect(graph.search).to_have_value("n/c")
    expect(graph.crumbs).to_have_count(1)
