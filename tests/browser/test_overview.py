"""The overview: tests, verdicts, effects and culprits, filtered, sorted and linked."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import Visit, expect, open_all

ROWS = "table.tests tbody tr"


@pytest.mark.parametrize("width", [375, 500, 900, 1280, 1920])
def test_the_page_never_scrolls_sideways(visit: Visit, report: Path, width: int) -> None:
    page = visit(report, width=width)
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_filter(visit: Visit, report: Path) -> None:
    page = visit(report)
    search = page.get_by_role("searchbox", name="Filter tests and culprits")
    shown = page.locator(f"{ROWS}:visible")
    expect(shown).to_have_count(9)
    search.fill("test_parse tokenize")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("tests/test_orders.py::test_parse")
    expect(page.locator(".filter output")).to_have_text("1 test")
    search.fill("")
    page.get_by_label("passed tests").uncheck()
    expect(shown).to_have_count(8)
    expect(shown.filter(has_text="PASS")).to_have_count(0)


def test_sort_by_effect(visit: Visit, report: Path) -> None:
    page = visit(report)
    head = page.get_by_role("columnheader", name="Effect")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(page.locator(ROWS).first).to_contain_text("test_x.py")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(page.locator(ROWS).first).not_to_contain_text("test_x.py")


def test_a_link_opens_its_section(visit: Visit, report: Path) -> None:
    page = visit(report)
    link = page.get_by_role("link", name="tests/test_orders.py::test_render")
    section = page.locator(link.get_attribute("href") or "")
    expect(section).not_to_have_attribute("open", "")
    link.click()
    expect(section).to_have_attribute("open", "")
    expect(section.locator("summary")).to_be_in_viewport()


def test_an_address_with_a_fragment_opens_its_section(visit: Visit, report: Path) -> None:
    page = visit(report, "#test-9")
    expect(page.locator("#test-9")).to_have_attribute("open", "")


@pytest.mark.parametrize("fragment", ["#nothing", "#%", "#test-999", "#<img src=x onerror=alert(1)>", "#test-1?at=%zz"])
def test_a_fragment_that_names_nothing_does_nothing(visit: Visit, report: Path, fragment: str) -> None:
    page = visit(report, fragment)
    expect(page.locator(ROWS)).to_have_count(9)
