"""Programs in a fresh interpreter, and what they leave behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sampled import PERF, refusal

from pytest_flame.formats import folded
from pytest_flame.model import Stack
from pytest_flame.profiling import program

LOADS = """
import os, sys, time

MS = 1_000_000

def spin(ns):
    end = time.thread_time_ns() + ns
    while time.thread_time_ns() < end:
        for _ in range(200):
            pass
"""


@pytest.fixture(params=["perf", "timer"])
def sampler(request: pytest.FixtureRequest) -> str:
    """The test runs with both kinds of sampler."""
    reason = refusal(PERF) if request.param == "perf" else None
    if reason is not None and os.environ.get("PYTEST_FLAME_REQUIRE_PERF") == "1":
        pytest.fail(f"PYTEST_FLAME_REQUIRE_PERF=1, and this machine refuses perf events: {reason}")
    if reason is not None:
        pytest.skip(f"this machine refuses perf events: {reason}")
    return str(request.param)


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where sessions put their folders; every test must leave it empty."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    deadline = time.monotonic() + 10
    while sessions(folder) and time.monotonic() < deadline:
        os.sched_yield()  # multiprocessing's own processes end after the program, and the last one cleans up
    assert sessions(folder) == []


def sessions(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith("pytest-flame-")]


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path, temporary: Path) -> Run:
    """``run(text, FLAME_PROFILE="out.folded", …)``: runs the text as ``app.py`` in its own folder to its end.

    Keywords are environment variables; without one, ``FLAME_PROFILE`` and its companions are unset.
    """

    def run_text(
        text: str, *, status: int = 0, command: tuple[str, ...] = ("app.py",), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "app.py").write_text(LOADS + textwrap.dedent(text), encoding="utf-8")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(program.OUTPUT)}
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment | {"TMPDIR": str(temporary)} | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
        return done

    return run_text


@pytest.fixture
def costs(tmp_path: Path) -> Callable[[], dict[Stack, int]]:
    """The contents of ``out.folded``, nanoseconds by stack."""
    return lambda: folded.loads((tmp_path / "out.folded").read_text(encoding="utf-8"))
