"""The exact pass over many tests: each is executed once on each side, and counted instead of timed.

Nothing is timed, so the sides run at the same time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from pytest_flame import clocks
from pytest_flame.baseline import exact_wire
from pytest_flame.baseline.json_text import parse
from pytest_flame.measure.agreement import Seen
from pytest_flame.measure.job import Job, Status, WorkerResult, shared_footprint
from pytest_flame.measure.launch import Launcher, Running, await_all, not_started
from pytest_flame.measure.termination import termination_interrupts
from pytest_flame.measure.workers import Prepared
from pytest_flame.model import Calls, Footprint, combined

HASH_SEEDS: Final = (1, 2)
"""Fixed, so that counts of different runs and machines can be compared. What differs between the two depends on the
order of hashes, or on something else that is not the same in every process."""


@dataclass(frozen=True, slots=True)
class Countable:
    """One test to count. ``twice``: its body can be called again with the same fixtures."""

    test_id: str
    file: Path
    place: Path | None
    seen: Seen | None
    twice: bool


@dataclass(frozen=True, slots=True)
class Passes:
    """The exact passes of one side. ``results``: test id → one for each of ``HASH_SEEDS``, in this order; fewer once
    one has failed, the time was over, or nothing more was to be found out. ``wanted``: how many it should have.
    ``shared``: digest → a footprint that results rest on."""

    results: Mapping[str, Sequence[WorkerResult]]
    wanted: Mapping[str, int]
    shared: Mapping[str, Footprint]
    wall_s: Mapping[str, float]

    def footprints(self, test_id: str) -> list[tuple[Footprint, Calls]] | None:
        """With the calls of the body, for each hash seed; None if the test was not counted as often as it should."""
        found = self.results[test_id]
        exact = [result.exact for result in found if result.exact is not None]
        if len(exact) < self.wanted[test_id]:
            return None
        return [
            (combined(self.shared[one.rests_on] if one.rests_on else None, one.footprint), one.again or one.first)
            for one in exact
        ]

    def body_ns(self, test_id: str) -> int | None:
        """CPU of the body at most; None if it was not counted."""
        found = [result.body_ns for result in self.results[test_id] if result.exact is not None]
        return min(found) if found else None


class Progress(Protocol):
    def counted(self, done: int, executions: int) -> None:
        """So many of the executions that are known to be needed are done."""


def count(
    tests: Sequence[Countable],
    sides: Mapping[str, Launcher],
    progress: Progress,
    *,
    forks: bool,
    max_time_s: float | None,
    enough: Callable[[str, Mapping[str, Passes]], bool] = lambda test_id, passes: False,
) -> tuple[dict[str, Passes], bool]:
    """By side; and whether Ctrl-C ended it early. ``enough`` is asked after each hash seed whether a test needs no
    other one."""
    end = None if max_time_s is None else clocks.monotonic() + max_time_s
    # A file is collected once for all of its tests.
    in_order = sorted(tests, key=lambda test: str(test.file))
    streams = {side: _Stream(in_order, launcher, forks, end) for side, launcher in sides.items()}
    interrupted = False
    try:
        with termination_interrupts():
            for seed in HASH_SEEDS:
                _count_with(seed, in_order, streams, progress)
                passes = {side: stream.passes() for side, stream in streams.items()}
                in_order = [test for test in in_order if not enough(test.test_id, passes)]
    except BaseException as e:
        for stream in streams.values():
            stream.kill()
        if not isinstance(e, KeyboardInterrupt):
            raise
        interrupted = True
    return {side: stream.passes() for side, stream in streams.items()}, interrupted


def _count_with(seed: int, tests: Sequence[Countable], streams: Mapping[str, _Stream], progress: Progress) -> None:
    started = [one for stream in streams.values() if (one := stream.begin(seed, tests)) is not None]

    def ended(one: Running) -> Running | None:
        following = next(stream for stream in streams.values() if stream.running is one).ended()
        needed = sum(sum(stream.wanted.values()) for stream in streams.values())
        progress.counted(sum(stream.done for stream in streams.values()), needed)
        return following

    await_all(started, ended)


class _Stream:
    """One side: its tests one after the other, with one hash seed after the other."""

    def __init__(self, tests: Sequence[Countable], launcher: Launcher, forks: bool, end: float | None) -> None:
        self._launcher = launcher
        self._forks = forks
        self._end = end
        self._seed = 0
        self._waiting: list[Countable] = []
        self._prepared: Prepared | None = None
        self._refused: dict[str, str] = {}
        self._test: Countable | None = None
        self.running: Running | None = None
        self.done = 0
        self.results: dict[str, list[WorkerResult]] = {test.test_id: [] for test in tests}
        self.wanted = {test.test_id: 0 for test in tests}
        self.wall_s = {test.test_id: 0.0 for test in tests}
        self.shared: dict[str, Footprint] = {}
        self._began = 0.0

    def passes(self) -> Passes:
        return Passes(self.results, self.wanted, self.shared, self.wall_s)

    def begin(self, seed: int, tests: Sequence[Countable]) -> Running | None:
        """Starts the first worker; None if there is nothing to do."""
        self._seed, self._waiting = seed, [*tests]
        for test in tests:
            self.wanted[test.test_id] += 1
        return self.next()

    def next(self) -> Running | None:
        """Starts the next worker; None at the end."""
        while self._waiting:
            test = self._waiting.pop(0)
            left_s = None if self._end is None else self._end - clocks.monotonic()
            failed = any(result.status is not Status.COUNTED for result in self.results[test.test_id])
            if failed or (left_s is not None and left_s <= 0):
                continue
            self._test, self._began = test, clocks.monotonic()
            job = Job(
                node_id=test.test_id,
                root=str(self._launcher.root),
                seed=0,
                hash_seed=self._seed,
                frequency_hz=0,
                sampler="",
                time_s=0.0,
                place=str(test.place or ""),
                seen=test.seen,
                conditions=str(self._launcher.conditions or ""),
                counts=True,
                twice=test.twice,
            )
            try:
                self.running = self._launcher.begin(job, test.file, left_s, self._prepared_for(self._seed))
            except OSError as e:
                self.results[test.test_id].append(not_started(e))
                continue
            return self.running
        self._close()
        return None

    def ended(self) -> Running | None:
        """Keeps the result of the current worker; starts the next one."""
        assert self.running is not None and self._test is not None
        self.running.__exit__()
        result, kept = self.running.outcome()
        test = self._test.test_id
        self.results[test].append(dataclasses.replace(result, left=kept.left))
        self.wall_s[test] += clocks.monotonic() - self._began
        self.done += 1
        if result.exact is not None and result.exact.rests_on not in ("", *self.shared):
            path = shared_footprint(str(self._launcher.scratch), result.exact.rests_on)
            self.shared[result.exact.rests_on] = exact_wire.decode_footprint(parse(path.read_text(encoding="utf-8")))
        return self.next()

    def kill(self) -> None:
        if self.running is not None:
            self.running.__exit__()
        if self._prepared is not None:
            self._prepared.kill()

    def _prepared_for(self, seed: int) -> Prepared | None:
        if not self._forks:
            return None
        if self._prepared is None or self._prepared.hash_seed != seed:
            self._close()
            self._prepared = Prepared(seed, refused=self._refused)
        return self._prepared

    def _close(self) -> None:
        if self._prepared is not None:
            self._prepared.close()
        self._prepared = None
