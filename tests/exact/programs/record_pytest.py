"""Runs pytest in the folder given, with the recorder around the body of each test; prints the exact pass as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator

import pytest

from pytest_flame.baseline import exact_wire
from pytest_flame.exact.exact_recorder import ExactRecorder, Phase


class Recording:
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        recorder.phase(Phase.FIRST, pyfuncitem.obj.__code__)
        try:
            return (yield)
        finally:
            recorder.phase(Phase.TEARDOWN)


os.chdir(sys.argv[1])
recorder = ExactRecorder(sys.argv[1], scratch=["scratch"])
recorder.begin()
options = ["-q", "-p", "no:cacheprovider", "--basetemp=scratch", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
status = pytest.main([*options, "-p", "no:flame", "-p", "no:randomly"], plugins=[Recording()])
exact = recorder.finish()
if status:
    raise SystemExit(f"pytest ended with {status!r}")
print("\n" + exact_wire.encode(exact))
