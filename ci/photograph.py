"""Takes a screenshot of a page in Chromium: photograph.py PAGE OUT.png [--dark] [--width=N] [--height=N]
[--at=FRAGMENT] [--of=SELECTOR] [--hover=NAME]. Needs `pip install playwright` and Debian's chromium."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--at", default="", help="fragment of the page's address: a test, a view, a zoom")
    parser.add_argument("--of", default="", help="only this element")
    parser.add_argument("--hover", default="", help="the frame whose tooltip is shown")
    options = parser.parse_args()
    executable = shutil.which("chromium") or parser.error("needs chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(
            viewport={"width": options.width, "height": options.height},
            color_scheme="dark" if options.dark else "light",
        )
        page.goto(options.page.resolve().as_uri() + options.at)
        # Graphs are drawn when they come near the viewport.
        section = page.locator(options.at.partition("&")[0] or "details.test[open]").first
        if options.at or options.hover:
            section.locator(".main-stage canvas[data-drawn]").wait_for()
        if options.hover:
            hover(page, section.locator(".main-stage canvas"), options.hover)
        target: Page | Locator = page.locator(options.of).first if options.of else page
        target.screenshot(path=options.out)
        browser.close()


def hover(page: Page, canvas: Locator, name: str) -> None:
    """Puts the pointer on the widest box of a function."""
    canvas.scroll_into_view_if_needed()
    bounds = canvas.bounding_box()
    assert bounds
    row = float(canvas.get_attribute("data-row") or 0)
    best: tuple[int, float, float] | None = None
    y = bounds["y"] + row / 2
    while y < bounds["y"] + bounds["height"]:
        xs = [bounds["x"] + step for step in range(2, int(bounds["width"]), 4)]
        under = canvas.evaluate(
            """(canvas, [xs, clientY, name]) => xs.filter(clientX => {
                canvas.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
                return document.querySelector("[role=tooltip] b")?.textContent === name;
            })""",
            [xs, y, name],
        )
        if under and (best is None or len(under) > best[0]):
            best = (len(under), under[len(under) // 2], y)
        y += row
    assert best, f"no box of {name} is drawn"
    page.mouse.move(*best[1:])


if __name__ == "__main__":
    main()
