"""Latencies are measured on real pages in a real browser; a file that is not such a picture is recognised."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from chromium import lacking, sync_playwright

from benchmarks.render import growth, latency


@pytest.fixture
def browser() -> None:
    if sync_playwright is None or not shutil.which("chromium"):
        lacking("no Playwright or no Chromium found", "pip install playwright; apt-get install chromium")


def test_a_page_of_the_project_answers(browser: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    growth.measure(200, 1, tmp_path)
    assert latency.main([str(tmp_path / "200.page.html"), "--steps", "3"]) == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[0] == "200.page.html"
    first_paint, drawn, busy = map(float, row[2:5])
    assert 0 < first_paint <= drawn
    assert busy > 0


def test_a_static_picture_answers_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    path.write_text("<svg><rect/></svg>", encoding="utf-8")
    assert latency.kind_of(path) is None


def test_missed_goals_are_named() -> None:
    def found(first_paint: float, zoom: float) -> latency.Answers:
        steps = {name: latency.Step([5.0, zoom if name == "zoom" else 6.0], [9.0]) for name in latency.STEPS}
        return latency.Answers("a.html", 10, first_paint, first_paint, 50.0, steps)

    assert list(latency.misses(found(100.0, 12.0))) == []
    assert list(latency.misses(found(501.0, 17.0))) == [
        "a.html: first paint took 501.0 ms, the goal is 500 ms",
        "a.html: zoom took 17.0 ms, the goal is 16 ms",
    ]
