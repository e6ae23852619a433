"""Measuring many tests: one process of each in turn, in random order, until each has all of its processes.

A burst of noise then touches one process of several tests instead of all processes of one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import signal
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from pytest_flame.measure.job import Job, Plan, Status, WorkerResult
from pytest_flame.measure.launch import Launcher
from pytest_flame.measure.rounds import MAX_ROUNDS
from pytest_flame.model import Process, Recording

MIN_PROCESSES: Final = 3
"""Fewer say nothing about the spread between processes."""
MIN_PROCESSES_SLOW: Final = 5
"""A body too slow for the budget gets at least these."""


@dataclass(frozen=True, slots=True)
class Target:
    """One test to measure. ``base`` lends its iterations and hash seeds, so that both sides run alike."""

    test_id: str
    file: Path
    processes: int
    processes_given: bool
    time_s: float
    fresh: bool
    base: Recording | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one target: a recording (maybe of fewer processes than asked), or why there is none."""

    test_id: str
    recording: Recording | None
    failure: WorkerResult | None
    asked: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class How:
    """What all processes of a run share."""

    frequency_hz: int
    sampler: str
    cpus: tuple[int, ...]
    seed: int
    max_time_s: float | None


class Progress(Protocol):
    def began(self, test_id: str, process: int, processes: int, left_s: float | None) -> None:
        """A process of a test starts; ``left_s`` is what the run still needs, where it is known."""


@dataclass
class _State:
    target: Target
    rng: random.Random
    plan: Plan | None = None
    processes: int = 0
    results: list[Recording] = field(default_factory=list)
    failure: WorkerResult | None = None
    wall_s: float = 0.0

    @property
    def wanting(self) -> bool:
        return self.failure is None and len(self.results) < self.processes


def measure(targets: Sequence[Target], how: How, launcher: Launcher, progress: Progress) -> tuple[list[Measured], bool]:
    """Returns what was measured, in the targets' order, and whether Ctrl-C ended it early."""
    # Seeded by the test's own id: its result must not depend on which other tests were selected.
    states = [_State(t, random.Random(f"{how.seed}/{t.test_id}"), processes=t.processes) for t in targets]
    order = random.Random(how.seed)
    clock = _Clock(how.max_time_s)
    interrupted = False
    try:
        with _termination_interrupts():
            for state in states:
                _set_up(state, how, launcher, clock, progress)
                if state.failure is not None and state.failure.status is Status.NO_SAMPLER:
                    for other in states:
                        other.failure = state.failure
                    break
            while waiting := [s for s in states if s.wanting]:
                order.shuffle(waiting)
                for state in waiting:
                    _one_process(state, how, launcher, clock, progress, states)
    except KeyboardInterrupt:
        interrupted = True
    return [
        Measured(s.target.test_id, _pooled(s.results), s.failure, s.processes, s.wall_s) for s in states
    ], interrupted


@contextlib.contextmanager
def _termination_interrupts() -> Iterator[None]:
    """What ends a run from outside (a cancelled job, a closed terminal) ends it as Ctrl-C does: no worker stays."""
    taken: list[signal.Signals] = []
    try:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is signal.SIG_DFL:
                    taken.append(number)
                    signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def plan_like(base: Recording, time_s: float) -> tuple[Plan, float]:
    """The plan of a stored recording, its number of rounds fitted to the time at hand; and a round's seconds."""
    rounds = [r for p in base.processes for r in p.rounds]
    round_s = max(statistics.median(r.wall_ns for r in rounds) / 1e9, 1e-6)
    iterations = rounds[0].iterations
    return Plan(iterations, max(1, min(MAX_ROUNDS, int(time_s / round_s)))), round_s


class _Clock:
    def __init__(self, max_time_s: float | None) -> None:
        self._end = None if max_time_s is None else time.monotonic() + max_time_s
        self._per_process: list[float] = []

    def left(self) -> float | None:
        return None if self._end is None else self._end - time.monotonic()

    def note(self, seconds: float) -> None:
        self._per_process.append(seconds)

    def estimate(self, processes: int) -> float | None:
        return statistics.fmean(self._per_process) * processes if self._per_process else None


def _set_up(state: _State, how: How, launcher: Launcher, clock: _Clock, progress: Progress) -> None:
    """Find the plan: the base's where there is one, calibrated in a process of its own otherwise."""
    target = state.target
    if target.base is not None and target.base.fresh == target.fresh:
        state.plan, round_s = plan_like(target.base, target.time_s / target.processes)
    else:
        progress.began(target.test_id, 0, state.processes, None)
        result = _run(state, how, launcher, clock, None)
        if result.status is not Status.CALIBRATED:
            state.failure = result
            return
        state.plan, round_s = result.plan, result.round_wall_ns / 1e9
    if not target.processes_given:
        affordable = int(target.time_s / round_s)
        state.processes = max(min(target.processes, MIN_PROCESSES_SLOW), min(target.processes, affordable))


def _one_process(
    state: _State, how: How, launcher: Launcher, clock: _Clock, progress: Progress, states: Sequence[_State]
) -> None:
    left = sum(s.processes - len(s.results) for s in states if s.wanting)
    progress.began(state.target.test_id, len(state.results) + 1, state.processes, clock.estimate(left))
    began = time.monotonic()
    result = _run(state, how, launcher, clock, state.plan)
    clock.note(time.monotonic() - began)
    if result.recording is None:
        state.failure = result
    else:
        state.results.append(result.recording)


def _run(state: _State, how: How, launcher: Launcher, clock: _Clock, plan: Plan | None) -> WorkerResult:
    target, index = state.target, len(state.results)
    left = clock.left()
    if left is not None and left <= 0:
        return WorkerResult(Status.OUT_OF_TIME, "the run's time was spent (--flame-max-time)")
    base_processes: tuple[Process, ...] = target.base.processes if target.base is not None else ()
    drawn = state.rng.randrange(1 << 32)
    job = Job(
        node_id=target.test_id,
        root=str(launcher.root),
        result=str(launcher.scratch / "result.json"),
        seed=state.rng.randrange(1 << 32),
        hash_seed=base_processes[index % len(base_processes)].hash_seed if base_processes else drawn,
        frequency_hz=how.frequency_hz,
        sampler=how.sampler,
        time_s=target.time_s / target.processes,
        fresh=target.fresh,
        cpus=how.cpus,
        plan=plan,
    )
    began = time.monotonic()
    try:
        return launcher.run(job, target.file, left)
    finally:
        state.wall_s += time.monotonic() - began


def _pooled(recordings: list[Recording]) -> Recording | None:
    if not recordings:
        return None
    lines = {frame: line for r in reversed(recordings) for frame, line in r.lines.items()}
    sources = {path: digest for r in recordings for path, digest in r.source_hashes.items()}
    return dataclasses.replace(
        recordings[0],
        processes=tuple(p for r in recordings for p in r.processes),
        lines=lines,
        source_hashes=sources,
    )
