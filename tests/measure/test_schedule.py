"""What is measured when and with what, with workers that only record their jobs."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pytest_flame.measure.deadline import LEAST_S, UNKNOWN_S, Hang, Patience, Phase
from pytest_flame.measure.job import Job, Plan, Status, WorkerResult
from pytest_flame.measure.schedule import Launchers, Measured, RunSettings, Target, measure
from pytest_flame.measure.workers import Prepared
from pytest_flame.model import Frame, Process, Recording, Round, SamplerInfo, SourceLine, StackSample
from pytest_flame.quantities import shown_seconds

INFO = SamplerInfo("perf-sigtrap", "task-clock", True, 997)
ROOT = Frame("test_it", "test_it")
PLANS = {"base": Plan(7, 9), "head": Plan(70, 90)}
ROUND_NS = 20_000_000

Answer = Callable[[str, Job], WorkerResult | None]


def recording(side: str, job: Job) -> Recording:
    assert job.plan is not None
    rounds = (Round(job.plan.iterations, 10**6, ROUND_NS, True),)
    process = Process(rounds, {(ROOT,): StackSample(1, 10**6)}, hash_seed=job.hash_seed)
    return Recording(
        job.node_id,
        (process,),
        INFO,
        {},
        lines={ROOT: SourceLine(f"{side}.py", 1)},
        source_hashes={f"{side}.py": "0" * 64},
    )


@dataclass
class Workers:
    """Both sides' launchers. ``asked`` has side and job in the order in which they came."""

    answer: Answer = lambda side, job: None
    asked: list[tuple[str, Job]] = field(default_factory=list)

    def side(self, name: str) -> Side:
        return Side(name, self)

    @property
    def measured(self) -> list[tuple[str, Job]]:
        return [(side, job) for side, job in self.asked if job.plan is not None]

    def pairs(self, test_id: str = "t") -> list[tuple[tuple[str, Job], tuple[str, Job]]]:
        ran = [(side, job) for side, job in self.measured if job.node_id == test_id]
        return list(zip(ran[::2], ran[1::2], strict=True))


@dataclass
class Side:
    name: str
    workers: Workers
    root: Path = Path("/project")
    scratch: Path = Path("/scratch")
    conditions: Path | None = None

    def run(self, job: Job, file: Path, timeout_s: float | None, prepared: Prepared | None = None) -> WorkerResult:
        self.workers.asked.append((self.name, job))
        said = self.workers.answer(self.name, job)
        if said is not None:
            return said
        if job.plan is None:
            return WorkerResult(Status.CALIBRATED, plan=PLANS[self.name], round_wall_ns=ROUND_NS)
        return WorkerResult(Status.MEASURED, recording=recording(self.name, job))


class Silent:
    def began(self, test_id: str, process: int, processes: int, left_s: float | None, *, pairs: bool = False) -> None:
        pass

    def settled(self, done: int, tests: int) -> None:
        pass


@dataclass
class Enough:
    """A referee that is satisfied with this many; records what it was shown."""

    count: int
    next_share: float = 1.0
    shown: list[tuple[int | None, int]] = field(default_factory=list)

    def wants_more(self, base: Recording | None, head: Recording) -> bool:
        self.shown.append((None if base is None else len(base.processes), len(head.processes)))
        return len(head.processes) < self.count


def target(test_id: str = "t", processes: int = 4, **more: object) -> Target:
    fields = {"processes_given": True, "time_s": 1.0, "fresh": False} | more
    return Target(test_id, Path("test_it.py"), processes, **fields)  # type: ignore[arg-type]


def run(
    workers: Workers,
    targets: Sequence[Target],
    *,
    pairs: bool = True,
    seed: int = 1,
    max_time_s: float | None = None,
    deadline_s: float | None = None,
) -> tuple[list[Measured], bool]:
    places = Launchers(workers.side("head"), workers.side("base") if pairs else None)  # type: ignore[arg-type]
    return measure(
        targets, RunSettings(997, "auto", (), seed, max_time_s, deadline_s=deadline_s, in_turn=False), places, Silent()
    )


def test_both_sides_of_a_pair_are_asked_for_the_same() -> None:
    workers = Workers()
    run(workers, [target(processes=8)])
    assert len(workers.pairs()) == 8
    for (one_side, one), (other_side, other) in workers.pairs():
        assert {one_side, other_side} == {"base", "head"}
        assert one == other
        assert one.plan == PLANS["base"], "base's plan is both sides'"
    hash_seeds = {job.hash_seed for _, job in workers.measured}
    seeds = {job.seed for _, job in workers.measured}
    assert len(hash_seeds) == len(seeds) == 8, "and each pair for something else"


def test_sides_of_a_pair_run_in_random_order() -> None:
    workers = Workers()
    run(workers, [target(processes=20)])
    first = [one for (one, _), _ in workers.pairs()]
    assert 4 <= first.count("base") <= 16
    runs = sum(a != b for a, b in itertools.pairwise(first))
    assert 3 <= runs <= 16, "neither in blocks nor by turns"


def test_tests_take_turns_of_one_pair() -> None:
    workers = Workers()
    run(workers, [target(name) for name in "abc"])
    turns = [job.node_id for _, job in workers.measured][::2]
    for i in range(0, 12, 3):
        assert set(turns[i : i + 3]) == set("abc")


def test_what_a_test_is_measured_with_does_not_depend_on_the_others() -> None:
    alone, together = Workers(), Workers()
    run(alone, [target("a")])
    run(together, [target("b"), target("a"), target("c")])
    assert [(s, j) for s, j in together.asked if j.node_id == "a"] == alone.asked


def test_another_seed_draws_everything_anew() -> None:
    one, other = Workers(), Workers()
    run(one, [target()], seed=1)
    run(other, [target()], seed=2)
    assert not {j.hash_seed for _, j in one.measured} & {j.hash_seed for _, j in other.measured}


def test_whole_pairs_are_pooled_side_by_side() -> None:
    workers = Workers()
    ((measured,), interrupted) = run(workers, [target(processes=3)])
    assert not interrupted
    assert measured.complete
    assert measured.base is not None
    assert measured.head is not None
    seeds = [one.hash_seed for (_, one), _ in workers.pairs()]
    assert [p.hash_seed for p in measured.base.processes] == [p.hash_seed for p in measured.head.processes] == seeds
    assert set(measured.base.source_hashes) == {"base.py"}
    assert set(measured.head.source_hashes) == {"head.py"}


def test_limited_time_is_spent_on_what_is_most_suspicious(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process takes ten seconds; there is time for about six pairs."""
    now = itertools.count(0, 5)
    monkeypatch.setattr("pytest_flame.measure.schedule.clocks.monotonic", lambda: next(now))
    workers = Workers()
    targets = [
        target(name, 4, priority=priority, referee=lambda most, plan: Enough(4))
        for name, priority in (("a", 0.1), ("b", 3.0), ("c", 0.2))
    ]
    measured, _ = run(workers, targets, max_time_s=400)
    done = {one.test_id: len(one.head.processes) if one.head else 0 for one in measured}
    assert done["b"] == 4, done
    assert done["b"] >= done["c"] >= done["a"], done
    assert sum(done.values()) < 12, done


def test_head_alone_has_no_base() -> None:
    workers = Workers()
    ((measured,), _) = run(workers, [target(processes=3)], pairs=False)
    assert measured.base is None
    assert measured.head is not None
    assert [side for side, _ in workers.measured] == ["head"] * 3
    assert {job.plan for _, job in workers.measured} == {PLANS["head"]}


def test_stored_recording_lends_its_iterations_and_hash_seeds() -> None:
    stored = recording("base", Job("t", "/", 0, 41, 997, "auto", 1.0, plan=Plan(13, 5)))
    workers = Workers()
    run(workers, [target(processes=4, stored=stored)], pairs=False)
    assert workers.asked == workers.measured, "nothing is calibrated"
    assert {job.plan for _, job in workers.measured} == {Plan(13, round(0.25e9 / ROUND_NS))}
    assert {job.hash_seed for _, job in workers.measured} == {41}
    assert len({job.seed for _, job in workers.measured}) == 4


# --- the referee ------------------------------------------------------------------------------------------------------


def test_referee_ends_its_test_and_no_other() -> None:
    workers, referee = Workers(), Enough(2)
    few = target("a", processes=9, referee=lambda most, plan: referee)
    a, b = run(workers, [few, target("b", processes=5)])[0]
    assert referee.shown == [(1, 1), (2, 2)]
    assert (a.complete, a.referee) == (True, referee)
    assert len(workers.pairs("a")) == 2
    assert len(workers.pairs("b")) == 5
    assert b.referee is None


def test_referee_may_want_more_than_was_asked_for() -> None:
    workers = Workers()
    run(workers, [target(processes=3, referee=lambda most, plan: Enough(2 * most))])
    assert len(workers.pairs()) == 6


def test_a_referee_may_want_short_pairs() -> None:
    full = Plan(7, 20)

    def answer(side: str, job: Job) -> WorkerResult | None:
        return WorkerResult(Status.CALIBRATED, plan=full, round_wall_ns=ROUND_NS) if job.plan is None else None

    workers = Workers(answer)
    run(workers, [target(processes=4, time_s=1.0, referee=lambda most, plan: Enough(2, next_share=0.5))])
    assert {(job.plan, job.time_s) for _, job in workers.measured} == {(Plan(7, 10), 0.125)}


@pytest.mark.parametrize(
    ("rounds", "share", "expected"),
    [(25, 0.4, 10), (25, 1.0, 25), (400, 0.4, 160), (20, 0.1, 8), (8, 0.4, 8), (3, 0.4, 3), (1, 0.4, 1)],
)
def test_a_short_process_has_fewer_rounds_but_enough_of_them(rounds: int, share: float, expected: int) -> None:
    """An even number, so that as many are sampled as not; a process of few rounds is not shortened."""
    assert Plan(7, rounds).shortened(share) == Plan(7, expected)


def test_referee_is_told_what_the_budget_allows() -> None:
    told: list[int] = []

    def referee(most: int, plan: Plan) -> Enough:
        told.append(most)
        return Enough(1)

    round_s = ROUND_NS / 1e9
    for time_s in (100.0, 7.5 * round_s, round_s / 10):
        run(Workers(), [target(processes=10, processes_given=False, time_s=time_s, referee=referee)])
    assert told == [10, 7, 5]


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["base", "head"])
@pytest.mark.parametrize("calibrating", [True, False])
def test_failure_says_on_which_side(side: str, calibrating: bool) -> None:
    failed = WorkerResult(Status.FAILED, "assert 0")

    def answer(at: str, job: Job) -> WorkerResult | None:
        return failed if at == side and job.node_id == "a" and (job.plan is None) is calibrating else None

    workers = Workers(answer)
    a, b = run(workers, [target("a"), target("b")])[0]
    assert (a.failure, a.failed_side) == (failed, side)
    assert (a.base, a.head, a.complete) == (None, None, False)
    assert (b.failure, b.complete) == (None, True)


@pytest.mark.parametrize("status", [Status.SKIPPED, Status.FAILED])
def test_what_fails_on_both_sides_is_heads_affair(status: Status) -> None:
    workers = Workers(lambda side, job: WorkerResult(status, side))
    ((measured,), _) = run(workers, [target()])
    assert [side for side, _ in workers.asked] == ["base", "head"]
    assert measured.failed_side == "head"
    assert measured.failure == WorkerResult(status, "head")


def hang_of(phase: Phase = Phase.CALLING) -> WorkerResult:
    return WorkerResult(Status.HUNG, "", "stacks", hang=Hang(phase, 30.0, 1, 1))


@pytest.mark.parametrize("calibrating", [True, False])
def test_head_that_hangs_is_told_what_base_took_and_the_others_go_on(calibrating: bool) -> None:
    def answer(side: str, job: Job) -> WorkerResult | None:
        hangs = side == "head" and job.node_id == "a" and (job.plan is None) is calibrating
        return hang_of() if hangs else None

    a, b = run(Workers(answer), [target("a"), target("b")])[0]
    assert a.failure is not None and a.failed_side == "head"
    assert a.failure.status is Status.HUNG
    assert a.failure.message == f"base took {shown_seconds(ROUND_NS / 1e9 / 7)}, head did not return in 30 s"
    assert a.failure.details.startswith("stacks") and "--flame-deadline" in a.failure.details
    assert (b.failure, b.complete) == (None, True)


def test_what_hangs_on_base_is_not_tried_on_head() -> None:
    workers = Workers(lambda side, job: hang_of() if side == "base" else None)
    ((measured,), _) = run(workers, [target()])
    assert [side for side, _ in workers.asked] == ["base"]
    assert measured.failed_side == "base"
    assert measured.failure is not None
    assert measured.failure.message == "the test did not return in 30 s"


def test_head_is_waited_for_by_what_base_took(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 50))  # each process takes 50 s
    monkeypatch.setattr("pytest_flame.measure.schedule.clocks.monotonic", lambda: next(now))
    workers = Workers()
    run(workers, [target(processes=1)])
    (_, first), (_, calibrating), *measuring = workers.asked
    assert first.patience == Patience(UNKNOWN_S, UNKNOWN_S)
    assert {calibrating.patience, *(job.patience for _, job in measuring)} == {Patience(1000, 1000)}


def test_stored_recording_tells_how_long_its_calls_may_take() -> None:
    """And nothing from before them."""
    stored = recording("base", Job("t", "/", 0, 41, 997, "auto", 1.0, plan=Plan(13, 5)))
    long = replace(stored.processes[0], rounds=(Round(13, 10**6, 4 * 10**9, True),))
    workers = Workers()
    run(workers, [target(processes=2, stored=replace(stored, processes=(long,)))], pairs=False)
    (_, first), (_, second) = workers.asked
    assert first.patience == Patience(UNKNOWN_S, 80)
    assert second.patience == Patience(LEAST_S, 80), "the first one's own start is known then"


def test_deadline_that_was_asked_for_is_everybodys() -> None:
    workers = Workers()
    run(workers, [target()], deadline_s=7.0)
    assert {job.patience for _, job in workers.asked} == {Patience(7, 7, 7)}


@pytest.mark.parametrize(
    ("number", "said", "advice"),
    [(errno.ENOSPC, "No space left", "TMPDIR=DIR"), (errno.EMFILE, "Too many open files", "ulimit -n")],
)
def test_process_that_cannot_be_started_is_its_tests_error_and_nobody_elses(
    number: int, said: str, advice: str
) -> None:
    def answer(side: str, job: Job) -> WorkerResult | None:
        if job.node_id == "a" and job.plan is not None:
            raise OSError(number, os.strerror(number), "/tmp/job.json")
        return None

    a, b = run(Workers(answer), [target("a"), target("b")])[0]
    assert a.failure is not None and a.failure.status is Status.UNUSABLE
    assert said in a.failure.message and "/tmp/job.json" in a.failure.message
    assert advice in a.failure.details
    assert (b.failure, b.complete) == (None, True)


def test_half_a_pair_does_not_count() -> None:
    def answer(side: str, job: Job) -> WorkerResult | None:
        late = len(workers.measured) >= 5
        return WorkerResult(Status.DIED, "gone") if side == "head" and late else None

    workers = Workers(answer)
    ((measured,), _) = run(workers, [target(processes=9)])
    assert measured.base is not None
    assert measured.head is not None
    assert len(measured.base.processes) == len(measured.head.processes) == 2


def test_without_a_sampler_nothing_else_is_tried() -> None:
    workers = Workers(lambda side, job: WorkerResult(Status.NO_SAMPLER, "none"))
    measured, _ = run(workers, [target("a"), target("b")])
    assert len(workers.asked) == 1
    assert [m.failure and m.failure.status for m in measured] == [Status.NO_SAMPLER] * 2


def test_no_worker_starts_when_the_time_is_spent() -> None:
    workers = Workers()
    ((measured,), interrupted) = run(workers, [target()], max_time_s=0)
    assert workers.asked == []
    assert measured.failure is not None
    assert measured.failure.status is Status.OUT_OF_TIME
    assert not interrupted


def test_ctrl_c_keeps_whole_pairs() -> None:
    def answer(side: str, job: Job) -> WorkerResult | None:
        if len(workers.measured) == 6:
            raise KeyboardInterrupt
        return None

    workers = Workers(answer)
    ((measured,), interrupted) = run(workers, [target(processes=9)])
    assert interrupted
    assert not measured.complete
    assert measured.base is not None
    assert measured.head is not None
    assert len(measured.base.processes) == len(measured.head.processes) == 2
