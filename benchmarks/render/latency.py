"""How fast the pictures respond, in headless Chromium: first paint, hover, zoom, search.

    python -m benchmarks.render.latency build/render/100000.*.html build/render/100000.*.svg [--steps 20]

Takes files that compare.py kept: report pages and SVGs of this project, SVGs of flamegraph.pl and inferno, pages of
CPython's profiler. Each is opened from disk, alone, without cache; then the pointer moves over boxes, boxes are clicked
(and the zoom reset), and words are searched for.

``busy`` is the time the page's main thread worked for one step: scripts, style, layout, recording of the paint
(Chromium's TaskDuration, minus the cost of reading it): what keeps the page from responding. ``shown`` is the time from
just before the input until the frame after it was drawn, without waiting for a screen (no frame rate limit). Median and
largest of all steps, milliseconds. Exit status 1 if a report page of this project misses ``--goals``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

SEARCHED = ("parse_[0-9]*7", "Reader", "to_dict", "__call__.*9$", "nothing like it")
GOALS_MS = {"first paint": 500.0, "hover": 16.0, "zoom": 16.0, "search": 50.0}
"""Goals for a page with 100,000 functions, so that it feels immediate."""
FLAGS = ["--no-sandbox", "--disable-gpu-vsync", "--disable-frame-rate-limit"]
STEPS = ("hover", "zoom", "search")
MANY = 10
"""Tests of a report that begins with an overview longer than the screen."""
QUIET_S, SETTLING_S = 0.15, 3.0

_PAINTED = (
    """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"""
)


@dataclass
class Step:
    busy_ms: list[float] = field(default_factory=list)
    shown_ms: list[float] = field(default_factory=list)


@dataclass
class Answers:
    name: str
    size: int
    first_paint_ms: float
    drawn_ms: float
    """Until the graph is on the screen; in a report of many tests, the overview."""
    opening_ms: float
    """The main thread's work until then."""
    steps: dict[str, Step]


class Clock:
    """The cost of a step. ``main`` is the main thread's work since the page was opened."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})  # CPU: a busy machine disturbs it little
        self.reading_ms = 0.0

    def main(self) -> float:
        metrics = self.session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(float(metric["value"]) for metric in metrics if metric["name"] == "TaskDuration")

    def settle(self) -> float:
        """Waits until the page has nothing left to do."""
        before, began = self.main(), time.perf_counter()
        while time.perf_counter() - began < SETTLING_S:
            time.sleep(QUIET_S)
            now = self.main()
            if now - before < 1.0:
                return now
            before = now
        return before

    def measure(self, step: Step, act: Callable[[], object]) -> None:
        before = self.settle()
        began = time.perf_counter()
        act()
        self.page.evaluate(_PAINTED)
        step.shown_ms.append(1000 * (time.perf_counter() - began))
        step.busy_ms.append(max(0.0, self.settle() - before - self.reading_ms))

    def calibrate(self) -> None:
        """Subtracts the apparent cost of a step that does nothing from every later one."""
        idle = []
        for _ in range(5):
            before = self.settle()
            self.page.evaluate(_PAINTED)
            idle.append(self.settle() - before)
        self.reading_ms = statistics.median(idle)


# --- the pictures: where their boxes are, and how they are searched ------------------------------------------------


@dataclass(frozen=True)
class Kind:
    name: str
    marker: str
    """A regular expression that only such a file matches."""
    graph: str
    """What is hovered and clicked."""
    drawn: str
    """What exists once the graph is drawn."""
    search: Callable[[Page, str], object]
    reset: Callable[[Page], object]


def _type(selector: str) -> Callable[[Page, str], object]:
    return lambda page, words: page.locator(selector).first.fill(words)


def _run(script: str) -> Callable[[Page], object]:
    return lambda page: page.evaluate(script)


KINDS = (
    Kind(
        "report page",
        r'<script type="application/octet-stream" class="graph"',
        "canvas",
        "canvas[data-drawn]",
        _type("details.test input[type=search]"),
        lambda page: page.keyboard.press("Escape"),
    ),
    Kind(
        "interactive SVG",
        r'<g id="toolbar"',
        "#graph",
        "#graph rect",
        _type("input[type=search]"),
        lambda page: page.keyboard.press("Escape"),
    ),
    Kind(
        "flamegraph.pl's SVG",
        r'<g id="frames"|<svg id="frames"',
        "#frames",
        "#frames rect",
        lambda page, words: page.evaluate("words => search(words)", words),
        _run("() => unzoom()"),
    ),
    Kind(
        "CPython's page",
        r"d3-flame-graph|d3-flamegraph",
        "svg.d3-flame-graph",
        "svg.d3-flame-graph rect",
        _type("#search-input"),
        _run("() => resetZoom()"),
    ),
)


def kind_of(path: Path) -> Kind | None:
    text = path.read_text(encoding="utf-8")
    return next((kind for kind in KINDS if re.search(kind.marker, text)), None)


# --- one file --------------------------------------------------------------------------------------------------


def answers(browser: Browser, path: Path, kind: Kind, steps: int) -> Answers:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    clock = Clock(page)
    visit(page, path, kind)
    drawn = float(page.evaluate(_PAINTED))
    paints = page.evaluate("() => performance.getEntriesByType('paint').map(e => [e.name, e.startTime])")
    first = min((start for _, start in paints), default=drawn)
    opening = clock.settle()
    if page.locator("details.test").count():
        # In a long report the graphs are below the screen and are drawn when they come into view.
        page.locator("details.test").first.scroll_into_view_if_needed()
    page.locator(kind.drawn).first.wait_for(state="attached", timeout=120_000)
    clock.calibrate()
    hover, zoom, reset, search = Step(), Step(), Step(), Step()
    for x, y in spots(page, kind, steps):
        clock.measure(hover, partial(page.mouse.move, x, y))
    for x, y in list(spots(page, kind, steps))[: max(3, steps // 3)]:
        page.mouse.move(x, y)
        clock.measure(zoom, partial(page.mouse.click, x, y))
        clock.measure(reset, lambda: kind.reset(page))
    for words in SEARCHED:
        clock.measure(search, partial(kind.search, page, words))
    context.close()
    found = {"hover": hover, "zoom": zoom, "reset": reset, "search": search}
    return Answers(path.name, path.stat().st_size, first, drawn, opening, found)


def visit(page: Page, path: Path, kind: Kind) -> None:
    page.goto(path.resolve().as_uri())
    if page.locator("details.test").count() and not page.locator("details.test[open]").count():
        page.locator("details.test > summary").first.click()
    if page.locator("details.test").count() < MANY:
        page.locator(kind.drawn).first.wait_for(state="attached", timeout=120_000)


def spots(page: Page, kind: Kind, count: int) -> Iterator[tuple[float, float]]:
    """Places on the graph, spread over its width and its lower rows, where the boxes are wide enough to be hit."""
    graph = page.locator(kind.graph).first
    graph.scroll_into_view_if_needed()
    box = graph.bounding_box()
    assert box is not None, f"{kind.name} shows no graph"
    bottom = min(box["y"] + box["height"], 890.0)
    for step in range(count):
        yield box["x"] + box["width"] * (0.07 + 0.86 * ((step * 7) % count) / count), bottom - 30 - 17 * (step % 12)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--browser", default=shutil.which("chromium") or "chromium")
    parser.add_argument("--goals", action="store_true", help="fail where a report page misses its goals")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    missed: list[str] = []
    print(f"{'':46}{'MB':>7}{'paint':>7}{'drawn':>7}{'busy':>7}", end="")
    print("".join(f"{f'{name}: busy':>16}{'shown':>14}" for name in STEPS))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.browser, args=FLAGS)
        for path in options.files:
            kind = kind_of(path)
            if kind is None:
                print(f"{path.name[:45]:46}{path.stat().st_size / 1e6:7.2f}  does not respond: it has no script")
                continue
            found = answers(browser, path, kind, options.steps)
            print(row(found), flush=True)
            if kind is KINDS[0]:
                missed += misses(found)
        browser.close()
    for miss in missed:
        print(miss)
    return 1 if missed and options.goals else 0


def row(found: Answers) -> str:
    parts = [f"{found.name[:45]:46}{found.size / 1e6:7.2f}{found.first_paint_ms:7.0f}{found.drawn_ms:7.0f}"]
    parts.append(f"{found.opening_ms:7.0f}")
    for name in STEPS:
        step = found.steps[name]
        parts.append(f"{median_and_most(step.busy_ms):>16}{median_and_most(step.shown_ms):>14}")
    return "".join(parts)


def median_and_most(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.{1 if value < 100 else 0}f}" for value in (statistics.median(values), max(values)))


def misses(found: Answers) -> Iterator[str]:
    measured = {"first paint": found.first_paint_ms, **{name: max(step.busy_ms) for name, step in found.steps.items()}}
    for name, goal in GOALS_MS.items():
        if measured[name] > goal:
            yield f"{found.name}: {name} took {measured[name]:.1f} ms, the goal is {goal:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
