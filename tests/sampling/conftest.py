"""The rungs as fixtures, a check that nothing is left behind, and scripts in a fresh interpreter."""

from __future__ import annotations

import functools
import gc
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_meter import clocks, new_meter, sampler
from sampled import PERF, PERF_KERNEL, PERF_USER, TIMER, held, refusal

from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.symbols.kernel import KernelSymbols

__all__ = ["clocks", "new_meter", "sampler"]

TESTS = Path(__file__).parents[1]


def require(info: SamplerInfo) -> SamplerInfo:
    """Skips where perf events are refused; fails there when PYTEST_FLAME_REQUIRE_PERF=1 says they must work."""
    reason = refusal(info)
    if reason is not None and os.environ.get("PYTEST_FLAME_REQUIRE_PERF") == "1":
        pytest.fail(f"PYTEST_FLAME_REQUIRE_PERF=1, and this machine refuses perf events: {reason}")
    if reason is not None:
        pytest.skip(f"this machine refuses perf events: {reason}")
    return info


@pytest.fixture
def perf_required() -> SamplerInfo:
    return require(PERF)


@pytest.fixture
def perf_user_required() -> SamplerInfo:
    return require(PERF_USER)


@pytest.fixture
def perf_kernel_required() -> SamplerInfo:
    return require(PERF_KERNEL)


@pytest.fixture(params=["perf", "kernel frames", "timer"])
def rung(request: pytest.FixtureRequest) -> SamplerInfo:
    """The test runs on both rungs, on perf events with and without rings."""
    info = {"perf": PERF, "kernel frames": PERF_KERNEL, "timer": TIMER}[request.param]
    return info if info == TIMER else require(info)


@pytest.fixture(scope="session", autouse=True)
def kernel_names_are_read_once() -> Iterator[None]:
    """Hundreds of thousands, the same for every sampler of this process."""
    real = KernelSymbols.open
    once = functools.cache(real)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(KernelSymbols, "open", lambda *where: real(*where) if where else once())
        yield


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Every test releases its descriptors, threads, signal handlers and children."""
    before = at_rest()
    yield
    after = at_rest()
    deadline = time.monotonic() + 1
    while left(before, after) and time.monotonic() < deadline:
        os.sched_yield()  # a joined thread stays listed until the kernel is done with it
        after = at_rest()
    assert not left(before, after)


def left(before: dict[str, set[object]], after: dict[str, set[object]]) -> dict[str, set[object]]:
    """What exists now and did not before. The sampler keeps its handlers while other threads exist: an earlier test's
    may be removed only now."""
    return {kind: things for kind in after if (things := after[kind] - before[kind])}


def at_rest() -> dict[str, set[object]]:
    """What is held after removing the handlers that had to stay while there were other threads."""
    gc.collect()
    for info in (PERF_USER, TIMER):
        refusal(info)
    return held()


Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_script() -> Script:
    """Runs Python text in a fresh interpreter that can import ``sampled``; keywords go to ``subprocess.run``."""

    def run(text: str, *, status: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        setup = f"import os, sys, time\nsys.path.insert(0, {str(TESTS)!r})\n"
        command = [sys.executable, "-c", setup + textwrap.dedent(text)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
        assert done.returncode == status, done.stderr
        return done

    return run
