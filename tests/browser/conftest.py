"""Fixtures of the tests in a real browser. Any test in which a page does something forbidden fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chromium import Visit, launched

# The recordings that all renderers are tested with.
from render.conftest import hostile, make_judgement, regressed, result

from pytest_flame.model import RunResult
from pytest_flame.render.report import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["hostile", "make_judgement", "regressed", "result"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module of tests: Playwright keeps an event loop running, which other tests must not see."""
    with launched() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    visit = Visit(browser)
    yield visit
    visit.close()
    assert visit.troubles() == []


@pytest.fixture(scope="session")
def report(result: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with one test of each verdict, one of them with hostile names everywhere."""
    return write_report(result, tmp_path_factory.mktemp("report"))
