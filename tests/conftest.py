"""Fixtures that every folder of tests may use."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis.strategies import none

# How long an example takes depends on the machine: a busy one is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["pytester", "leftovers"]

LONGEST = [Path(__file__).with_name(name) for name in ("plugin", "browser", "sampling", "trees", "stats", "profiling")]
"""Folders, by the time their tests take."""

Golden = Callable[[str, str], None]

# A shell that starts the tests in the background ignores Ctrl-C for them, and so would every process they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the golden files with what the code gives now")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first: the processes that share the tests finish at about the same time."""

    def place(item: pytest.Item) -> int:
        return next((i for i, folder in enumerate(LONGEST) if folder in item.path.parents), len(LONGEST))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay to the end: without them every garbage collection is ten times as fast."""
    given(none())(lambda _: None)()  # hypothesis warns, on 3.14, if its generator's owner is frozen before it has one
    gc.collect()
    gc.freeze()


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
    """``golden(name, text)`` compares text with ``golden/name`` next to the test; ``--bless`` records it instead."""
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
