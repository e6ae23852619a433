"""What only a real browser can tell: does text fit, does the page, do scripts that are not ours stay out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flame.model import Judgement, RunResult
from pytest_flame.render.html import result_html
from pytest_flame.render.report import write_report
from pytest_flame.render.svg import differential_svg

Dump = Callable[..., str]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Dump:
    """``dump(page, width=1280)`` opens a file and returns the document as it is once scripts have run."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        if os.environ.get("PYTEST_FLAME_REQUIRE_BROWSER") == "1":
            pytest.fail("no Chromium found, and PYTEST_FLAME_REQUIRE_BROWSER=1 asks for one")
        pytest.skip("no Chromium found (Debian: apt-get install chromium)")
    profile = tmp_path_factory.mktemp("browser")

    def run(page: Path, width: int = 1280) -> str:
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={profile}",
            f"--window-size={width},900",
        ]
        command = [browser, *options, "--virtual-time-budget=3000", "--dump-dom", page.as_uri()]
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
        return done.stdout.decode("utf-8")

    return run


def probe(path: Path, page: str, script: str) -> Path:
    """The page without its policy, with a script of the test's at its end."""
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    path.write_text(page.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    return path


def found(document: str) -> str:
    match = re.search(r'data-found="([^"]*)"', document)
    assert match, "the probe did not run"
    return match.group(1)


def test_labels_fit_into_their_boxes(dump: Dump, tmp_path: Path, regressed: Judgement, hostile: Judgement) -> None:
    svgs = differential_svg(regressed) + differential_svg(hostile, prefix="h-")
    script = """
      const over = [];
      let labels = 0;
      for (const text of document.querySelectorAll("svg g > rect ~ text")) {
        const box = text.parentNode.querySelector("rect").getBBox(), words = text.getBBox();
        if (text.classList.contains("ink")) continue;
        labels += 1;
        if (words.x + words.width > box.x + box.width + 0.5) over.push(text.textContent);
      }
      for (const text of document.querySelectorAll("svg text.ink")) {
        const edge = text.ownerSVGElement.getBoundingClientRect().right;
        if (text.getBoundingClientRect().right > edge) over.push(text.textContent);
      }
      document.body.dataset.found = labels + ":" + over.join("|");"""
    page = probe(tmp_path / "fit.html", f"<!DOCTYPE html><meta charset=utf-8><body>{svgs}</body>", script)
    labels, over = found(dump(page)).split(":", 1)
    assert over == ""
    assert int(labels) > 15


@pytest.mark.parametrize("width", [500, 900, 1280, 1920])
def test_the_page_never_scrolls_sideways(dump: Dump, tmp_path: Path, result: RunResult, width: int) -> None:
    script = """
      for (const test of document.querySelectorAll("details")) test.open = true;
      document.body.dataset.found = document.documentElement.scrollWidth - document.documentElement.clientWidth;"""
    page = probe(tmp_path / "wide.html", result_html(result), script)
    assert found(dump(page, width=width)) == "0"


def test_own_script_runs_and_no_other(dump: Dump, tmp_path: Path, result: RunResult) -> None:
    index = write_report(result, tmp_path)
    page = index.read_text(encoding="utf-8").replace("</main>", "<script>document.title = 'owned'</script></main>")
    (tmp_path / "injected.html").write_text(page, encoding="utf-8")
    document = dump(tmp_path / "injected.html")
    assert "8 tests</output>" in document
    assert "<title>owned" not in document
    assert "<title>8 tests: 2 regressed" in document


def test_without_scripts_everything_still_stands(dump: Dump, tmp_path: Path, result: RunResult) -> None:
    page = re.sub(r"script-src [^\"]*", "script-src 'none'", result_html(result))
    (tmp_path / "static.html").write_text(page, encoding="utf-8")
    document = dump(tmp_path / "static.html")
    assert '<div class="filter" hidden="">' in document
    assert document.count('<svg xmlns="http://www.w3.org/2000/svg"') == 5
    assert "orders.parse:tokenize" in document


def test_filter_and_sort(dump: Dump, tmp_path: Path, result: RunResult) -> None:
    script = """
      const words = document.querySelector("input[type=search]");
      words.value = "orders tokenize";
      words.dispatchEvent(new Event("input"));
      const shown = [...document.querySelectorAll("tr[data-test]")].filter(row => !row.hidden).length;
      words.value = "";
      words.dispatchEvent(new Event("input"));
      document.querySelectorAll(".tests th button")[3].click();
      const first = document.querySelector(".tests tbody tr").dataset.test;
      document.body.dataset.found = shown + " " + first.includes("test_x.py");"""
    page = probe(tmp_path / "filter.html", result_html(result), script)
    assert found(dump(page)) == "1 true"


def test_a_link_opens_its_section(dump: Dump, tmp_path: Path, result: RunResult) -> None:
    script = """
      location.hash = "#test-8";
      addEventListener("hashchange", () => {
        document.body.dataset.found = document.getElementById("test-8").open;
      });"""
    page = probe(tmp_path / "link.html", result_html(result), script)
    assert found(dump(page)) == "true"
