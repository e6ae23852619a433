"""Runs a test suite in this process and prints the CPU time of its tests' bodies, one way of looking at them or none.

python -m benchmarks.exact.suite exact tests/ -q
"""

from __future__ import annotations

import cProfile
import gc
import json
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from pytest_flame.exact.exact_recorder import ExactRecorder, Phase
from pytest_flame.model import Exact

# The editable install is imported before pytest is, of which it warns.
OPTIONS = ("-p", "no:cacheprovider", "-p", "no:flame", "-W", "ignore::pytest.PytestAssertRewriteWarning")


class Bodies:
    """A plugin. ``begin`` and ``end`` are called around every test's body, outside its clock."""

    def __init__(
        self, begin: Callable[[], None], end: Callable[[], None], collected: Callable[[], object] = gc.freeze
    ) -> None:
        self.cpu_ns = 0
        self.tests = 0
        self._begin = begin
        self._end = end
        self._collected = collected

    def pytest_collection_finish(self) -> None:
        self._collected()
        gc.freeze()  # as a process does from which tests are forked

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        self._begin()
        start = time.process_time_ns()
        try:
            return (yield)
        finally:
            self.cpu_ns += time.process_time_ns() - start
            self._end()
            self.tests += 1


def run(mode: str, arguments: list[str]) -> dict[str, Any]:
    exact: Exact | None = None
    recorder = ExactRecorder(Path.cwd())
    profile = cProfile.Profile()
    ways: dict[str, Bodies] = {
        "plain": Bodies(lambda: None, lambda: None),
        "exact": Bodies(lambda: recorder.phase(Phase.FIRST), lambda: recorder.phase(Phase.TEARDOWN), recorder.prepare),
        "cProfile": Bodies(profile.enable, profile.disable),
    }
    bodies = ways[mode]
    gc.disable()  # as the exact pass has it
    start = time.process_time_ns()
    if mode == "exact":
        recorder.begin()
    status = pytest.main([*OPTIONS, *arguments], plugins=[bodies])
    if mode == "exact":
        exact = recorder.finish()
    whole = time.process_time_ns() - start
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SystemExit(f"pytest ended with {status!r}")
    calls = sum(exact.first.functions.values()) if exact else 0
    unknown = exact.footprint.unknown if exact else ()
    return {"tests": bodies.tests, "body_ns": bodies.cpu_ns, "whole_ns": whole, "calls": calls, "unknown": unknown}


if __name__ == "__main__":
    json.dump(run(sys.argv[1], sys.argv[2:]), sys.stderr)
