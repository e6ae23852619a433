"""Debian's Chromium, driven by Playwright, for the tests that need a real browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    expect = sync_playwright = None  # type: ignore[assignment]  # what there is without it

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request

__all__ = ["Visit", "expect", "lacking", "launched", "open_all", "sync_playwright"]

NAMES = ("chromium", "chromium-browser", "google-chrome")


def lacking(what: str, fix: str) -> NoReturn:
    """Skips the test; fails it on a machine that is meant to have everything."""
    if os.environ.get("PYTEST_FLAME_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{what}, and PYTEST_FLAME_REQUIRE_BROWSER=1 requires it: {fix}")
    pytest.skip(f"{what} ({fix})")


@contextmanager
def launched() -> Iterator[Browser]:
    if sync_playwright is None:
        lacking("no Playwright found", "pip install playwright")
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        lacking("no Chromium found", "Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Visit:
    """``visit(file)`` opens a page in its own context and records what no page of ours may do: errors and warnings in
    the console, exceptions, dialogs, new windows, and loading anything but itself."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        # Tests read the colours of a canvas.
        self._allowed = [re.compile("willReadFrequently")]
        self._troubles: list[str] = []

    def __call__(
        self,
        file: Path,
        fragment: str = "",
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        scripts: bool = True,
        loads: bool = False,
    ) -> Page:
        """``loads``: the page may load other files."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(8_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._troubles.append(f"uncaught: {error}"))
        page.on("dialog", self._dialog)
        page.on("popup", lambda popup: self._troubles.append(f"popup: {popup.url}"))
        page.on("request", lambda request: self._request(request, file, loads))
        page.goto(file.as_uri() + fragment)
        return page

    def allow(self, pattern: str) -> None:
        """A problem that the page did not cause."""
        self._allowed.append(re.compile(pattern))

    def troubles(self) -> list[str]:
        return [trouble for trouble in self._troubles if not any(p.search(trouble) for p in self._allowed)]

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._troubles.append(f"console {message.type}: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self._troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request, file: Path, loads: bool) -> None:
        scheme, _, _ = request.url.partition(":")
        own = scheme in ("data", "blob", "about") or request.url.partition("#")[0] == file.as_uri()
        if not (own or (loads and scheme == "file")):
            self._troubles.append(f"request: {request.url}")


def open_all(page: Page) -> None:
    """Every test's section, as a reader opens them."""
    closed = page.locator("details:not([open]) > summary:visible")
    while closed.count():
        closed.first.click()
