"""The static pictures as a browser draws them: alone, as an image of another page, in the page without scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chromium import Visit, expect, open_all


@pytest.fixture(scope="session")
def pictures(report: Path) -> list[Path]:
    found = sorted(report.parent.glob("*.diff.svg"))
    assert len(found) == 6
    return found


def test_labels_fit_into_their_boxes(visit: Visit, pictures: list[Path]) -> None:
    labels = 0
    for picture in pictures:
        page = visit(picture)
        boxes = page.evaluate(
            """() => [...document.querySelectorAll("g[pointer-events] > text")].map(text => {
                const words = text.getBoundingClientRect(), row = text.parentNode.previousElementSibling;
                const box = [...row.querySelectorAll("rect")].map(rect => rect.getBoundingClientRect())
                    .find(rect => rect.left <= words.left && words.left < rect.right);
                return [text.textContent, words.right - box.right];
            })"""
        )
        assert [text for text, over in boxes if over > 0.5] == []
        labels += len(boxes)
    assert labels > 15


def test_all_text_is_inside_the_picture(visit: Visit, pictures: list[Path]) -> None:
    for picture in pictures:
        page = visit(picture)
        outside = page.evaluate(
            """() => {
                const edge = document.documentElement.getBoundingClientRect();
                return [...document.querySelectorAll("text")].filter(text => {
                    const box = text.getBoundingClientRect();
                    return box.right > edge.right + 0.5 || box.left < edge.left - 0.5 || box.bottom > edge.bottom + 0.5;
                }).map(text => text.textContent);
            }"""
        )
        assert outside == []


def test_pictures_are_drawn_as_images(visit: Visit, pictures: list[Path], tmp_path: Path) -> None:
    """As a pull request shows them: an image can load nothing and run nothing, and what it draws is not blank."""
    page_file = tmp_path / "pull-request.html"
    images = "".join(f'<img alt="" src="{picture.as_uri()}">' for picture in pictures)
    page_file.write_text(f"<!DOCTYPE html><meta charset=utf-8><link rel=icon href=data:,>{images}", encoding="utf-8")
    page = visit(page_file, loads=True)
    sizes = page.evaluate("() => [...document.images].map(image => [image.complete, image.naturalWidth > 500])")
    assert sizes == [[True, True]] * len(pictures)


def test_without_scripts_everything_still_stands(visit: Visit, report: Path) -> None:
    page = visit(report, scripts=False)
    open_all(page)
    expect(page.locator("h1")).to_contain_text("2 of 9 tests regressed")
    expect(page.locator(".filter")).to_be_hidden()
    expect(page.locator(".picture svg").first).to_be_visible()
    expect(page.locator(".picture svg")).to_have_count(7)
    expect(page.locator("table.frames:visible", has_text="orders.parse:tokenize").first).to_be_visible()
    expect(page.locator("canvas:visible")).to_have_count(0)


def test_where_a_policy_blocks_scripts_the_picture_still_shows(visit: Visit, report: Path, tmp_path: Path) -> None:
    text = report.read_text(encoding="utf-8")
    blocked = re.sub(r"script-src [^\"]*", "script-src 'none'", text, count=1)
    assert blocked != text
    page_file = tmp_path / "index.html"
    page_file.write_text(blocked, encoding="utf-8")
    visit.allow("Content Security Policy")
    page = visit(page_file)
    open_all(page)
    expect(page.locator(".picture svg").first).to_be_visible()
