"""Progress of measuring: one updating line on a terminal, occasional plain lines in a log."""

from __future__ import annotations

from typing import Any, Final

import pytest

from pytest_flame import clocks
from pytest_flame.render.text import printable

LOG_EVERY_S: Final = 15.0


class TerminalProgress:
    def __init__(self, config: pytest.Config, tests: int) -> None:
        self._reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._moving = self._reporter is not None and self._reporter.isatty and not config.option.verbose < 0
        self._logged = clocks.monotonic()
        self._wrote = False
        self._tests = tests
        self._counts = ""
        if self._reporter is not None:
            self._reporter.ensure_newline()
            self._reporter.write_line(f"flame: measuring {tests} test{'s' if tests != 1 else ''}")

    def began(self, test_id: str, process: int, processes: int, left_s: float | None, *, pairs: bool = False) -> None:
        if self._reporter is None:
            return
        step = _pair(process, processes) if pairs else f"process {process} of {processes}"
        step = step if process else "calibrating"
        test_id = printable(test_id)
        left = "" if left_s is None else f", about {time_in_words(left_s)} left"
        counts = f"{self._counts}; " if self._counts else ""
        if self._moving:
            self._reporter.rewrite(f"flame: {counts}{end_of(test_id, 60)}: {step}{left}", erase=True)
            self._wrote = True
        elif clocks.monotonic() - self._logged >= LOG_EVERY_S:
            self._logged = clocks.monotonic()
            self._reporter.write_line(f"flame: {counts}{test_id}: {step}{left}")

    def settled(self, done: int, tests: int) -> None:
        """Of the tests that are measured; the others are proved, or were settled before."""
        settled = self._tests - tests + done
        self._counts = f"{settled} of {self._tests} tests settled" if settled else ""

    def counted(self, done: int, executions: int) -> None:
        """Executions of the exact pass, on all sides, as far as they are known to be needed."""
        if self._reporter is None:
            return
        if self._moving:
            self._reporter.rewrite(f"flame: proving: {done} of {executions} executions", erase=True)
            self._wrote = True
        elif clocks.monotonic() - self._logged >= LOG_EVERY_S:
            self._logged = clocks.monotonic()
            self._reporter.write_line(f"flame: proving: {done} of {executions} executions")

    def finished(self) -> None:
        if self._wrote:
            self._reporter.rewrite("", erase=True)
            self._reporter.write("\r")


def _pair(pair: int, pairs: int) -> str:
    """Beyond the requested number, a test that looked slower is being measured again."""
    return f"pair {pair} of up to {pairs}" if pair <= pairs else f"pair {pair}, to confirm what was found"


def time_in_words(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def end_of(text: str, width: int) -> str:
    """The end of a long text: the end of a test id says more than its beginning."""
    return text if len(text) <= width else "…" + text[-(width - 1) :]
