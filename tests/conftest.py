"""Fixtures every folder of tests may use."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is the machine's affair: a busy one is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["pytester"]

SAMPLERS = Path(__file__).with_name("sampling")
"""Its tests count ticks and compare shares of time."""

Golden = Callable[[str, str], None]

# A shell that starts the tests in the background ignores Ctrl-C for them, and so would every process they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the golden files with what the code gives now")


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Waits until no test of another process has to be alone; ``alone``: until no other test runs."""
    with Path(__file__).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(SAMPLERS):
            item.add_marker("alone")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if not hasattr(item.config, "workerinput"):
        return (yield)
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def other_plugins_stay_out() -> Iterator[None]:
    """Keeps other plugins out of the pytest processes that tests start: they add options and warnings, and are slow.
    Those processes are also not part of a distributed run."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        monkeypatch.setenv("PYTEST_PLUGINS", "pytest_flame.plugin")
        for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
            monkeypatch.delenv(name)
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """``golden(name, text)`` compares text with ``golden/name`` beside the test; ``--bless`` records it instead."""
    folder = Path(request.path).parent / "golden"

    def compare(name: str, text: str) -> None:
        file = folder / name
        if request.config.getoption("--bless"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
            return
        assert file.exists(), f"no golden file {file}: record it with `pytest tests --bless` and read it"
        recorded = file.read_bytes().decode("utf-8")
        assert text == recorded, f"differs from {file}; if that is right, record it with `pytest tests --bless`"

    return compare
