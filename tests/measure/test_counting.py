"""Exact passes that cannot be started, and results without what they rest on."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_flame.measure.counting import HASH_SEEDS, Countable, Passes, count
from pytest_flame.measure.job import Job, Status, WorkerResult
from pytest_flame.model import Calls, Exact, Footprint


@dataclass
class Full:
    """A launcher on a machine where nothing can be started."""

    number: int
    root: Path = Path("/project")
    conditions: Path | None = None
    asked: int = 0

    def begin(self, job: Job, file: Path, timeout_s: float | None, prepared: object) -> Any:
        assert job.counts and job.hash_seed in HASH_SEEDS
        self.asked += 1
        raise OSError(self.number, "no room")


class Silent:
    def counted(self, done: int, executions: int) -> None:
        raise AssertionError("nothing was counted")


@pytest.mark.parametrize(("number", "fix"), [(errno.ENOSPC, "TMPDIR=DIR"), (errno.EAGAIN, "ulimit -u")])
def test_what_cannot_be_started_is_not_counted_and_said(number: int, fix: str) -> None:
    side: Any = Full(number)
    tests = [Countable(name, Path("test_it.py"), None, None, twice=True) for name in "ab"]
    passes, interrupted = count(tests, {"head": side}, Silent(), forks=True, max_time_s=None)
    assert not interrupted
    for name in "ab":
        (result,) = passes["head"].results[name]
        assert result.status is Status.UNUSABLE and "could not be started" in result.message
        assert fix in result.details
        assert passes["head"].footprints(name) is None
    assert side.asked == 2, "each test once"


def test_a_footprint_without_its_shared_part_is_no_footprint() -> None:
    """Two parts that are equal by chance would otherwise look like the same code."""
    calls = Calls({}, {})
    part = WorkerResult(Status.COUNTED, exact=Exact(Footprint({}, {}, {}), calls, None, rests_on="abc"))
    passes = Passes({"t": [part, part]}, {"t": 2}, {}, {"t": 0.0})
    with pytest.raises(KeyError):
        passes.footprints("t")
