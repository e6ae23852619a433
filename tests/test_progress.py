"""Progress: one line that is updated on a terminal, occasional plain lines in a log."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_flame import progress
from pytest_flame.progress import TerminalProgress, end_of, time_in_words


class Terminal:
    """What pytest's terminal reporter does with lines."""

    def __init__(self, *, isatty: bool) -> None:
        self.isatty = isatty
        self.moved: list[str] = []
        self.lines: list[str] = []

    def ensure_newline(self) -> None: ...

    def write(self, text: str) -> None: ...

    def rewrite(self, line: str, *, erase: bool) -> None:
        assert erase
        self.moved.append(line)

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def watched(terminal: Terminal | None, verbose: int = 0, tests: int = 2) -> TerminalProgress:
    manager = SimpleNamespace(get_plugin=lambda name: terminal if name == "terminalreporter" else None)
    config: Any = SimpleNamespace(pluginmanager=manager, option=SimpleNamespace(verbose=verbose))
    return TerminalProgress(config, tests)


def test_it_says_how_many_tests_are_settled() -> None:
    """Those that are proved, and of the measured ones those whose referee is satisfied."""
    terminal = Terminal(isatty=True)
    shown = watched(terminal, tests=50)
    shown.counted(30, 200)
    shown.settled(0, 13)
    shown.began("test_it.py::test_it", 1, 20, None, pairs=True)
    shown.settled(5, 13)
    shown.began("test_it.py::test_it", 2, 20, None, pairs=True)
    assert terminal.moved == [
        "flame: proving: 30 of 200 executions",
        "flame: 37 of 50 tests settled; test_it.py::test_it: pair 1 of up to 20",
        "flame: 42 of 50 tests settled; test_it.py::test_it: pair 2 of up to 20",
    ]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(progress, "clocks", SimpleNamespace(monotonic=lambda: now.s))
    return now


def test_line_moves_on_a_terminal_and_is_erased_at_the_end() -> None:
    terminal = Terminal(isatty=True)
    shown = watched(terminal)
    shown.began("test_it.py::test_it", 0, 10, None)
    shown.began("test_it.py::test_it", 3, 10, 200.4)
    shown.began("test_it.py::test_it", 3, 10, None, pairs=True)
    shown.began("test_it.py::test_it", 11, 10, None, pairs=True)
    shown.finished()
    assert terminal.lines == ["flame: measuring 2 tests"]
    assert terminal.moved == [
        "flame: test_it.py::test_it: calibrating",
        "flame: test_it.py::test_it: process 3 of 10, about 3 min 20 s left",
        "flame: test_it.py::test_it: pair 3 of up to 10",
        "flame: test_it.py::test_it: pair 11, to confirm what was found",
        "",
    ]


@pytest.mark.parametrize(("isatty", "verbose"), [(False, 0), (False, 2), (True, -1)])
def test_log_has_a_plain_line_now_and_then(clock: SimpleNamespace, isatty: bool, verbose: int) -> None:
    terminal = Terminal(isatty=isatty)
    shown = watched(terminal, verbose, tests=1)
    for second in range(40):
        clock.s = 100.0 + second
        shown.began("test_it.py::test_it", second + 1, 40, None)
    shown.finished()
    assert terminal.moved == []
    assert terminal.lines == [
        "flame: measuring 1 test",
        "flame: test_it.py::test_it: process 16 of 40",
        "flame: test_it.py::test_it: process 31 of 40",
    ]


def test_without_a_terminal_reporter_nothing_is_said() -> None:
    shown = watched(None)
    shown.began("test_it.py::test_it", 1, 2, 1.0)
    shown.finished()


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3661, "61 min 01 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert time_in_words(seconds) == text


def test_long_ids_keep_their_end() -> None:
    assert end_of("abcdef", 6) == "abcdef"
    assert end_of("abcdefg", 6) == "…cdefg"
