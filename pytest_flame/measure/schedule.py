"""Measures many tests: one process, or one pair, of each in turn, in random order, until each has enough.

A burst of noise then affects one process of several tests instead of all processes of one. Each test's referee decides
when it has enough. In each turn, the processes of a side are forked from one interpreter, which is fresh for the turn:
starting it and importing the project costs more than most measurements.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from pytest_flame import clocks, fold
from pytest_flame.measure.agreement import Seen
from pytest_flame.measure.chosen_frames import ChosenFrames
from pytest_flame.measure.deadline import Patience, allowed_s
from pytest_flame.measure.job import Job, Plan, Status, WorkerResult
from pytest_flame.measure.launch import Launcher, Running, await_all, not_started
from pytest_flame.measure.planned import per_call_s, plan_like, rounds_s
from pytest_flame.measure.termination import termination_interrupts
from pytest_flame.measure.turns import Fifos
from pytest_flame.measure.workers import Prepared
from pytest_flame.model import CPU, Metric, Process, Recording
from pytest_flame.quantities import shown_seconds

BASE: Final = "base"
HEAD: Final = "head"
MIN_PROCESSES: Final = 3
"""Fewer say nothing about the spread between processes."""
MIN_PROCESSES_SLOW: Final = 5
"""A body too slow for the budget gets at least these."""


_TYPICAL: Final = 8
"""Processes or pairs that a test needs before its referee is satisfied, as far as is known before any is."""
_PRIOR: Final = 2
"""The number of tests that this guess is worth."""
_ENDS_BOTH: Final = frozenset({Status.NO_SAMPLER, Status.OUT_OF_TIME, Status.HUNG})
"""The other side need not be run."""


class Referee(Protocol):
    @property
    def next_share(self) -> float:
        """How long the next process or pair should be, as a share of a full one."""

    def wants_more(self, base: Recording | None, head: Recording) -> bool:
        """Called after each process of head or each pair, with all so far; ``base`` is None without pairs."""


@dataclass(frozen=True, slots=True)
class Target:
    """One test to measure. The iterations and hash seeds of ``stored`` are used, so that both sides run alike."""

    test_id: str
    file: Path
    processes: int
    """The maximum per side and per stage of the referee."""
    processes_given: bool
    time_s: float
    """The time for all these processes."""
    fresh: bool
    metric: Metric = CPU
    stored: Recording | None = None
    place: Path | None = None
    seen: Seen | None = None
    """The test as the run collected it; None: not compared."""
    priority: float = 0.0
    """If the run's time is limited, tests with a higher one are measured first."""
    referee: Callable[[int, Plan], Referee] | None = None
    """Called with the number of processes the budget allows, and the plan of a full one. Without it, they are all
    measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The outcome of one target: recordings (possibly of fewer processes than requested), or why there are none.

    ``base`` and ``head`` hold complete pairs only; ``base`` is None if head was measured alone.
    """

    test_id: str
    base: Recording | None
    head: Recording | None
    failure: WorkerResult | None
    failed_side: str
    """``base`` or ``head``."""
    asked: int
    wall_s: float
    complete: bool
    """The referee was satisfied, or the requested number was reached."""
    referee: Referee | None = None
    left: tuple[str, ...] = ()
    """Commands of processes that its workers left running, and that were killed."""
    own_processes: str | None = None
    """Why its workers were interpreters of their own instead of forks, if forks were wanted."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What all processes of a run share."""

    frequency_hz: int
    sampler: str
    cpus: tuple[int, ...]
    seed: int
    max_time_s: float | None
    kernel_frames: bool = False
    native_frames: bool = False
    deadline_s: float | None = None
    """Per process; None: derived from what base takes."""
    forks: bool = True
    """Workers are forked from prepared processes, as far as possible."""
    frames: ChosenFrames = field(default_factory=ChosenFrames)
    """What the project calls its functions, and leaves out."""
    in_turn: bool = True
    """The rounds of both sides of a pair alternate; otherwise one process runs after the other."""


@dataclass(frozen=True, slots=True)
class Launchers:
    """Starts the workers of each side; without ``base``, head is measured alone."""

    head: Launcher
    base: Launcher | None = None


class Progress(Protocol):
    def began(self, test_id: str, process: int, processes: int, left_s: float | None, *, pairs: bool = False) -> None:
        """A process or pair of a test starts; ``left_s`` is what the run still needs, if known."""

    def settled(self, done: int, tests: int) -> None:
        """So many of the tests that are measured need no more processes."""


@dataclass
class _State:
    target: Target
    rng: random.Random
    plan: Plan | None = None
    processes: int = 0
    base: list[Recording] = field(default_factory=list)
    head: list[Recording] = field(default_factory=list)
    failure: WorkerResult | None = None
    failed_side: str = HEAD
    wall_s: float = 0.0
    referee: Referee | None = None
    satisfied: bool = False
    left: dict[str, None] = field(default_factory=dict)
    """In the order they were met."""
    took_s: dict[str, float] = field(default_factory=dict)
    """By side: the time of its longest process so far, from start to end."""
    base_call_s: float | None = None
    """Wall time of one call of the body on base."""
    own_processes: str | None = None

    @property
    def wanting(self) -> bool:
        return self.failure is None and not self.satisfied

    @property
    def next_plan(self) -> Plan | None:
        if self.plan is None or self.referee is None or self.referee.next_share == 1:
            return self.plan
        return self.plan.shortened(self.referee.next_share)

    def fail(self, side: str, result: WorkerResult) -> None:
        self.failure, self.failed_side = result, side

    def measured(self) -> Measured:
        return Measured(
            self.target.test_id,
            _pooled(self.base),
            _pooled(self.head),
            self.failure,
            self.failed_side,
            self.processes,
            self.wall_s,
            self.satisfied,
            self.referee,
            tuple(self.left),
            self.own_processes,
        )


def measure(
    targets: Sequence[Target], how: RunSettings, places: Launchers, progress: Progress
) -> tuple[list[Measured], bool]:
    """Returns what was measured, in the targets' order, and whether Ctrl-C ended it early."""
    # Seeded by the test's own id: its result must not depend on which other tests were selected.
    states = [_State(t, random.Random(f"{how.seed}/{t.test_id}"), processes=t.processes) for t in targets]
    order = random.Random(how.seed)
    run = _Run(how, places, _Clock(how.max_time_s), progress, states)
    interrupted = False
    try:
        with termination_interrupts():
            with run.one_turn():
                for state in states:
                    run.set_up(state)
                    if state.failure is not None and state.failure.status is Status.NO_SAMPLER:
                        for other in states:
                            other.failure = state.failure
                        break
            while waiting := [s for s in states if s.wanting]:
                progress.settled(len(states) - len(waiting), len(states))
                with run.one_turn():
                    for state in _shuffled(run.affordable(waiting), order):
                        run.turn(state)
    except KeyboardInterrupt:
        interrupted = True
    return [state.measured() for state in states], interrupted


def _shuffled(states: Sequence[_State], order: random.Random) -> list[_State]:
    """In random order, but the tests of a file together: it is collected once for all of them."""
    files: dict[Path, list[_State]] = {}
    for state in states:
        files.setdefault(state.target.file, []).append(state)
    groups = [*files.values()]
    order.shuffle(groups)
    for group in groups:
        order.shuffle(group)
    return [state for group in groups for state in group]


class _Clock:
    def __init__(self, max_time_s: float | None) -> None:
        self._end = None if max_time_s is None else clocks.monotonic() + max_time_s
        self._per_process: list[float] = []

    def left(self) -> float | None:
        return None if self._end is None else self._end - clocks.monotonic()

    def note(self, seconds: float) -> None:
        self._per_process.append(seconds)

    def estimate(self, processes: float) -> float | None:
        return statistics.fmean(self._per_process) * processes if self._per_process else None


@dataclass
class _Run:
    """What all turns share."""

    how: RunSettings
    places: Launchers
    clock: _Clock
    progress: Progress
    states: Sequence[_State]
    prepared: dict[str, Prepared] = field(default_factory=dict)
    """By side."""
    refused: dict[str, dict[str, str]] = field(default_factory=lambda: {BASE: {}, HEAD: {}})
    """By side and file: why its tests can't be forked."""

    @contextlib.contextmanager
    def one_turn(self) -> Iterator[None]:
        """The prepared processes of a turn are used for no other one."""
        try:
            yield
        except BaseException:
            for prepared in self.prepared.values():
                prepared.kill()
            raise
        finally:
            for prepared in self.prepared.values():
                prepared.close()
            self.prepared.clear()

    def affordable(self, waiting: list[_State]) -> list[_State]:
        """Those that the time left is enough for, as far as is known, by priority: rather some verdicts than none."""
        left_s = self.clock.left()
        per_process_s = self.clock.estimate(1)
        if left_s is None or per_process_s is None:
            return waiting
        chosen: list[_State] = []
        for state in sorted(waiting, key=lambda state: -state.target.priority):
            left_s -= per_process_s * self._expected_left(state)
            if left_s < 0 and chosen:
                break
            chosen.append(state)
        return chosen

    def _expected_left(self, state: _State) -> float:
        """Processes or pairs that a test still needs: as many as those that are done needed, on average."""
        if state.referee is None:
            return max(1.0, state.processes - len(state.head))
        needed = [len(other.head) for other in self.states if other.satisfied]
        typical = (sum(needed) + _TYPICAL * _PRIOR) / (len(needed) + _PRIOR)
        return max(1.0, min(typical, state.processes) - len(state.head))

    def _prepared(self, side: str, hash_seed: int) -> Prepared | None:
        if not self.how.forks:
            return None
        found = self.prepared.get(side)
        if found is None or found.hash_seed != hash_seed:
            if found is not None:
                found.close()
            found = self.prepared[side] = Prepared(hash_seed, refused=self.refused[side])
        return found

    def set_up(self, state: _State) -> None:
        """Find the plan: a stored recording's if there is one, otherwise calibrated, on both sides of a pair.

        Base's is used for both: the change is in head. Base goes first: its time sets head's deadline. Calibrating head
        as well shows early that it runs, and treats both sides' bytecode caches alike.
        """
        target = state.target
        if target.stored is not None:
            state.base_call_s = per_call_s(target.stored)
        like = target.stored if target.stored is not None and target.stored.fresh == target.fresh else None
        if like is not None and like.metric == target.metric == CPU:
            state.plan, round_s = plan_like(like, target.time_s / target.processes)
        else:
            found: dict[str, WorkerResult] = {}
            for side in (BASE, HEAD) if self.places.base is not None else (HEAD,):
                self.progress.began(target.test_id, 0, state.processes, None)
                found[side] = self._run(state, side, self._job(state, None))
                if found[side].status in _ENDS_BOTH:
                    break
                plan = found[side].plan
                if side == BASE and plan is not None:
                    state.base_call_s = found[side].round_wall_ns / 1e9 / plan.iterations
            # Head's own failure comes first: a failure on both sides is not about base.
            failed = [side for side in (HEAD, BASE) if side in found and found[side].status is not Status.CALIBRATED]
            if failed:
                state.fail(failed[0], found[failed[0]])
                return
            result = found.get(BASE, found[HEAD])
            state.plan, round_s = result.plan, max(result.round_wall_ns, 1) / 1e9
        if not target.processes_given:
            affordable = int(target.time_s / round_s)
            state.processes = max(min(target.processes, MIN_PROCESSES_SLOW), min(target.processes, affordable))
        assert state.plan is not None
        state.referee = target.referee(state.processes, state.plan) if target.referee is not None else None

    def turn(self, state: _State) -> None:
        """One process of head, or one pair in random order with everything drawn alike for both."""
        left = sum(self._expected_left(s) for s in self.states if s.wanting)
        self.progress.began(
            state.target.test_id,
            len(state.head) + 1,
            state.processes,
            self.clock.estimate(left),
            pairs=self.places.base is not None,
        )
        job = self._job(state, state.next_plan)
        sides = [HEAD] if self.places.base is None else [BASE, HEAD]
        state.rng.shuffle(sides)
        began = clocks.monotonic()
        done: dict[str, Recording] = {}
        # One after the other until one fails, or both in turn: then either may have failed.
        in_turn = self._run_in_turn(state, sides, job) if len(sides) == 2 and self.how.in_turn else {}
        for side in sides:
            result = in_turn.get(side) or self._run(state, side, job)
            if result.recording is None:
                state.fail(side, result)
                return
            done[side] = self.how.frames.recording(result.recording)
        self.clock.note(clocks.monotonic() - began)
        state.head.append(done[HEAD])
        if BASE in done:
            state.base.append(done[BASE])
        head = _pooled(state.head)
        assert head is not None
        if state.referee is None:
            state.satisfied = len(state.head) >= state.processes
        else:
            state.satisfied = not state.referee.wants_more(_pooled(state.base), head)

    def _job(self, state: _State, plan: Plan | None) -> Job:
        target, launcher, index = state.target, self.places.head, len(state.head)
        lent: tuple[Process, ...] = target.stored.processes if target.stored is not None else ()
        share = 1.0 if plan is None or state.plan is None else plan.rounds / state.plan.rounds
        drawn = random.Random(f"{self.how.seed}/{'calibration' if plan is None else index}").randrange(1 << 32)
        return Job(
            node_id=target.test_id,
            root=str(launcher.root),
            seed=state.rng.randrange(1 << 32),
            hash_seed=lent[index % len(lent)].hash_seed if lent else drawn,
            frequency_hz=self.how.frequency_hz,
            sampler=self.how.sampler,
            time_s=share * target.time_s / target.processes,
            fresh=target.fresh,
            metric=target.metric.name,
            cpus=self.how.cpus,
            plan=plan,
            kernel_frames=self.how.kernel_frames,
            native_frames=self.how.native_frames,
            place=str(target.place or ""),
            seen=target.seen,
            conditions=str(launcher.conditions or ""),
        )

    def _run(self, state: _State, side: str, job: Job) -> WorkerResult:
        left = self.clock.left()
        if left is not None and left <= 0:
            return WorkerResult(Status.OUT_OF_TIME, "the run's time limit was reached (--flame-max-time)")
        job = dataclasses.replace(job, patience=self._patience(state, side))
        began = clocks.monotonic()
        try:
            result = self._launcher(side).run(job, state.target.file, left, self._prepared(side, job.hash_seed))
        except OSError as e:
            result = not_started(e)
        finally:
            took_s = clocks.monotonic() - began
            state.wall_s += took_s
        return self._noted(state, side, result, took_s)

    def _run_in_turn(self, state: _State, sides: Sequence[str], job: Job) -> dict[str, WorkerResult]:
        """Both sides, the first of ``sides`` in the first turn."""
        left = self.clock.left()
        if left is not None and left <= 0:
            return {}
        began = clocks.monotonic()
        running: dict[str, Running] = {}
        results: dict[str, WorkerResult] = {}
        try:
            with contextlib.ExitStack() as ends:
                fifos = Fifos(self.places.head.scratch)
                ends.callback(fifos.close)
                turns = dict(zip(sides, (fifos.first, fifos.second), strict=True))
                for side in sides:
                    patience = dataclasses.replace(self._patience(state, side), both_sides=True)
                    own = dataclasses.replace(job, patience=patience, turns=turns[side])
                    prepared = self._prepared(side, job.hash_seed)
                    started = self._launcher(side).begin(own, state.target.file, left, prepared)
                    running[side] = ends.enter_context(started)

                def ended(one: Running) -> None:
                    (other,) = (side for side in sides if running[side] is not one)
                    fifos.leave_alone(turns[other])

                await_all([running[side] for side in sides], ended)
            for side in sides:
                results[side] = self._launcher(side).checked(running[side], self.clock.left())
        except OSError as e:
            results = dict.fromkeys(sides, not_started(e))
        finally:
            took_s = clocks.monotonic() - began
            state.wall_s += took_s
        return {side: self._noted(state, side, result, took_s) for side, result in results.items()}

    def _launcher(self, side: str) -> Launcher:
        launcher = self.places.base if side == BASE else self.places.head
        assert launcher is not None
        return launcher

    def _noted(self, state: _State, side: str, result: WorkerResult, took_s: float) -> WorkerResult:
        state.left |= dict.fromkeys(result.left)
        state.own_processes = state.own_processes or result.own_process
        if result.status is Status.HUNG:
            return self._hung(state, side, result)
        state.took_s[side] = max(took_s, state.took_s.get(side, 0.0))
        return result

    def _patience(self, state: _State, side: str) -> Patience:
        """Head's limit comes from what base took, that of base and of a test without one from what they took before."""
        if self.how.deadline_s is not None:
            return Patience.asked_for(self.how.deadline_s)
        stored = state.target.stored
        known_s = state.took_s.get(BASE if self.places.base is not None else side)
        calls_s = known_s if stored is None else max(known_s or 0.0, rounds_s(stored))
        return Patience(allowed_s(known_s), allowed_s(calls_s))

    def _hung(self, state: _State, side: str, result: WorkerResult) -> WorkerResult:
        assert result.hang is not None
        if side == BASE or state.base_call_s is None:
            message = f"the test {result.hang.words}"
        else:
            message = f"base took {shown_seconds(state.base_call_s)}, head {result.hang.words}"
        more = "its process and everything it started were killed; --flame-deadline=SECONDS sets another limit"
        return dataclasses.replace(result, message=message, details="\n\n".join(filter(None, (result.details, more))))


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
        line_weights=fold.pooled_lines(r.line_weights for r in recordings),
    )
