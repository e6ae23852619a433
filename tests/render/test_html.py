from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from pytest_flame.model import Judgement, RunResult
from pytest_flame.render import html
from pytest_flame.render.html import Pictures, result_html
from pytest_flame.render.rows import FRAMES_SHOWN, interval_bar

Golden = Callable[[str, str], None]

VOID = {"meta", "input", "br", "img", "link", "hr"}


class Page(HTMLParser):
    """Checks nesting and collects elements and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_page(golden: Golden, result: RunResult) -> None:
    """The markup; style, script and pictures have their own tests."""
    text = re.sub(r"<(style|script|template)\b[^>]*>.*?</\1>", r"<\1/>", result_html(result), flags=re.DOTALL)
    text = re.sub(r"<svg.*?</svg>", "<svg/>", text, flags=re.DOTALL)
    golden("index.html", re.sub(r"sha256-[\w+/=]+", "sha256-…", text))


def test_nothing_is_loaded_from_anywhere(result: RunResult) -> None:
    page = Page(result_html(result))
    assert [link["href"] for link in page.all("link")] == ["data:,"]  # or browsers ask a server for an icon
    assert not page.all("iframe") and not page.all("img")
    assert all("src" not in script for script in page.all("script"))
    assert not re.search(r"@import|url\((?!#)", result_html(result))


def test_only_the_pages_own_script_and_style_are_admitted(result: RunResult) -> None:
    page = Page(result_html(result))
    running = [script for script in page.all("script") if "type" not in script]
    assert len(running) == len(page.all("style")) == 1
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and "default-src 'none'" in policy and "unsafe" not in policy
    assert not any(name == "style" or name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_names_are_text(result: RunResult, hostile: Judgement) -> None:
    text = result_html(result)
    assert "<script>document" not in text and "{{ 7*7 }}" in text
    assert any("<script>document.title='owned'</script>" in piece for piece in Page(text).texts)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", text)


def test_every_row_leads_to_its_section(result: RunResult) -> None:
    page = Page(result_html(result))
    sections = [attributes["id"] for attributes in page.all("details")]
    rows = [link["href"] for link in page.all("a") if str(link.get("href", "")).startswith("#")]
    assert rows == [f"#{anchor}" for anchor in sections]
    assert len(rows) == len(result.judgements)


def test_ids_are_unique(result: RunResult) -> None:
    ids = [attributes["id"] for _, attributes in Page(result_html(result)).elements if "id" in attributes]
    assert len(set(ids)) == len(ids)


def test_failures_are_open_and_passes_closed(result: RunResult) -> None:
    for section in Page(result_html(result)).all("details"):
        assert ("open" in section) == (section["data-verdict"] in ("REGRESSED", "ERROR"))


def test_pictures_are_linked(result: RunResult, regressed: Judgement) -> None:
    text = result_html(result, {regressed.test_id: Pictures("a.diff.svg", None, "a.head.svg")})
    links = [link["href"] for link in Page(text).all("a") if str(link["href"]).endswith(".svg")]
    assert links == ["a.diff.svg", "a.head.svg"]


def test_pictures_beyond_the_budget_stay_in_their_files(
    monkeypatch: pytest.MonkeyPatch, result: RunResult, regressed: Judgement
) -> None:
    monkeypatch.setattr(html, "PICTURES_BUDGET", 10)
    page = Page(result_html(result, {regressed.test_id: Pictures("a.diff.svg")}))
    assert [image["src"] for image in page.all("img")] == ["a.diff.svg"]


def test_the_frame_table_is_the_largest_changes(regressed: Judgement, result: RunResult) -> None:
    comparison = regressed.comparison
    assert comparison is not None
    shuffled = comparison.frames[::-1]
    judgement = replace(regressed, comparison=replace(comparison, frames=shuffled))
    text = result_html(replace(result, judgements=(judgement,)))
    rows = re.findall(r'<td class="name"><code>([^<]*)</code>', text)
    assert len(rows) == FRAMES_SHOWN < len(shuffled)
    assert rows[0] == "orders.parse:tokenize"
    assert f"and {len(shuffled) - FRAMES_SHOWN} frames that changed less" in text


def test_an_empty_run_is_a_page(result: RunResult) -> None:
    assert "No test was measured." in Page(result_html(replace(result, judgements=()))).texts


def test_interval_bar_shows_where_it_goes_on(regressed: Judgement) -> None:
    comparison = regressed.comparison
    assert comparison is not None
    inside, beyond = interval_bar(comparison, 0.2), interval_bar(comparison, 0.1)
    assert "<path" not in inside and "<path" in beyond
    assert interval_bar(replace(comparison, high=float("inf")), 0.2).count("<path") == 1
