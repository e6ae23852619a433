"""Which rounds a process runs, for how long, and what is counted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.measure.deadline import Patience, Pulse
from pytest_flame.measure.job import Plan
from pytest_flame.measure.rounds import (
    MAX_ITERATIONS,
    MAX_ROUNDS,
    MIN_ROUND_CPU_NS,
    MIN_ROUND_WALL_NS,
    SLOWDOWN_LIMIT,
    RoundsDone,
    Step,
    StepKind,
    rounds,
    which_sampled,
)
from pytest_flame.measure.turns import Turns
from pytest_flame.model import Process, Round
from pytest_flame.sampling.meter import Meter

NewMeter = Callable[..., Meter]
US, MS = 1_000, 1_000_000
ALONE = Turns(None, Pulse("", Patience()))


def drive(steps: Iterator[Step], clocks: Any, cpu_ns: int, *, waited_ns: int = 0, empty_ns: int = 0) -> list[Step]:
    """Runs each step on the fake clocks; an iteration of the body costs ``cpu_ns``."""
    run = []
    for step in steps:
        run.append(step)
        each = cpu_ns if step.kind is StepKind.BODY else empty_ns
        clocks.work(each * step.iterations, waited_ns=waited_ns * step.iterations if step.kind is StepKind.BODY else 0)
    return run


def measured(new_meter: NewMeter, clocks: Any, plan: Plan | None, *, time_s: float = 1.0, **costs: int) -> RoundsDone:
    progress = RoundsDone()
    drive(rounds(new_meter(), progress, plan, time_s, random.Random(1), ALONE, regions=False), clocks, **costs)
    return progress


# --- calibrating ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cpu_ns", [200, 3 * US, 170 * US, 7 * MS, 15 * MS])
def test_rounds_are_made_long_enough(new_meter: NewMeter, clocks: Any, cpu_ns: int) -> None:
    progress = measured(new_meter, clocks, None, cpu_ns=cpu_ns)
    assert progress.plan is not None
    assert MIN_ROUND_CPU_NS <= progress.plan.iterations * cpu_ns <= 3 * MIN_ROUND_CPU_NS
    assert progress.plan.rounds == int(1e9 / (progress.plan.iterations * cpu_ns))
    assert progress.round_wall_ns == progress.plan.iterations * cpu_ns
    assert progress.finished and progress.rounds == []


@pytest.mark.parametrize("cpu_ns", [30 * MS, 300 * MS])
def test_one_iteration_that_is_long_enough_is_believed_the_second_time(
    new_meter: NewMeter, clocks: Any, cpu_ns: int
) -> None:
    progress = measured(new_meter, clocks, None, cpu_ns=cpu_ns)
    assert progress.calls == 2
    assert progress.plan == Plan(iterations=1, rounds=int(1e9 / cpu_ns))


def test_a_very_long_iteration_is_believed_at_once(new_meter: NewMeter, clocks: Any) -> None:
    progress = measured(new_meter, clocks, None, cpu_ns=10 * MIN_ROUND_WALL_NS)
    assert progress.calls == 1
    assert progress.plan == Plan(iterations=1, rounds=1)


def test_a_body_that_waits_ends_its_rounds_by_the_wall_clock(new_meter: NewMeter, clocks: Any) -> None:
    progress = measured(new_meter, clocks, None, cpu_ns=10 * US, waited_ns=5 * MS)
    assert progress.plan is not None
    wall = progress.plan.iterations * (5 * MS + 10 * US)
    assert MIN_ROUND_WALL_NS <= wall <= 2 * MIN_ROUND_WALL_NS


def test_a_body_that_costs_nothing_ends_at_the_limit(new_meter: NewMeter, clocks: Any) -> None:
    progress = measured(new_meter, clocks, None, cpu_ns=0)
    assert progress.plan == Plan(MAX_ITERATIONS, MAX_ROUNDS)


def test_no_more_rounds_than_the_limit(new_meter: NewMeter, clocks: Any) -> None:
    progress = measured(new_meter, clocks, None, cpu_ns=MS, time_s=100.0)
    assert progress.plan is not None
    assert progress.plan.rounds == MAX_ROUNDS


def test_calibrating_never_samples(new_meter: NewMeter, clocks: Any, sampler: Any) -> None:
    measured(new_meter, clocks, None, cpu_ns=MS)
    assert sampler.calls == []


# --- the rounds that count -------------------------------------------------------------------------------------------


def test_every_planned_round_runs_the_same_iterations(new_meter: NewMeter, clocks: Any) -> None:
    progress = measured(new_meter, clocks, Plan(iterations=50, rounds=20), cpu_ns=MS)
    assert [(r.iterations, r.cpu_ns) for r in progress.rounds] == [(50, 50 * MS)] * 20
    assert progress.finished
    assert progress.calls == 1 + 21 * 50  # the first call, and a round that warms up


def test_the_round_that_warms_up_does_not_count(new_meter: NewMeter, clocks: Any) -> None:
    progress = RoundsDone()
    steps = rounds(new_meter(), progress, Plan(10, 3), 10.0, random.Random(1), ALONE, regions=False)
    for step in steps:
        if step.kind is StepKind.BODY:
            clocks.work((1000 if progress.calls < 10 else 1) * MS)
    assert progress.calls == 1 + 40
    assert [r.cpu_ns for r in progress.rounds] == [MS] * 3


@pytest.mark.parametrize("regions", [False, True])
@pytest.mark.parametrize(
    ("plan", "rest"),
    [
        pytest.param(Plan(10, 3), [3, 3, 3], id="before the rounds"),
        pytest.param(Plan(1, 3), [3, 3, 3], id="the round that warms up"),
        pytest.param(Plan(1, 2), [700, 3], id="a round that counts"),
    ],
)
def test_first_call_is_timed_alone_and_costs_no_second_one(
    new_meter: NewMeter, clocks: Any, plan: Plan, rest: list[int], regions: bool
) -> None:
    progress, meter, calls = RoundsDone(), new_meter(), 0
    for step in rounds(meter, progress, plan, 10.0, random.Random(1), ALONE, regions=regions):
        for _ in range(step.iterations if step.kind is StepKind.BODY else 0):
            if regions:
                meter.enter()
            clocks.work((3 if calls else 700) * MS)
            calls += 1
            if regions:
                meter.leave()
    assert progress.first_call_ns == 700 * MS
    assert [r.cpu_ns // r.iterations // MS for r in progress.rounds] == rest
    assert progress.calls == calls


def test_reading_the_clocks_is_no_part_of_the_first_call(new_meter: NewMeter, clocks: Any) -> None:
    clocks.reading_ns = 2 * US
    assert measured(new_meter, clocks, Plan(10, 3), cpu_ns=5 * US).first_call_ns == 5 * US
    only = measured(new_meter, clocks, Plan(1, 1), cpu_ns=5 * US)
    assert only.first_call_ns == only.rounds[0].cpu_ns == 5 * US


@pytest.mark.parametrize(("count", "bodies"), [(1, 1), (2, 2), (3, 4)])
def test_few_rounds_leave_the_warm_up_out(new_meter: NewMeter, clocks: Any, count: int, bodies: int) -> None:
    steps = drive(
        rounds(new_meter(), RoundsDone(), Plan(1, count), 10.0, random.Random(1), ALONE, regions=False), clocks, MS
    )
    assert sum(s.kind is StepKind.BODY for s in steps) == bodies


def test_without_a_warm_up_a_few_calls_tell_whether_the_round_is_too_long(new_meter: NewMeter, clocks: Any) -> None:
    plan = Plan(1600, 1)
    assert [r.iterations for r in measured(new_meter, clocks, plan, time_s=0.02, cpu_ns=10 * US).rounds] == [1600]
    slow = measured(new_meter, clocks, plan, time_s=0.02, cpu_ns=10 * MS)
    assert [r.iterations for r in slow.rounds] == [1]
    assert slow.calls == 3


def test_steps_too_short_to_be_timed_do_not_shorten_the_rounds(new_meter: NewMeter, clocks: Any) -> None:
    """Beginning a step costs more than a call of a small function."""
    progress, plan = RoundsDone(), Plan(iterations=500_000, rounds=4)
    for step in rounds(new_meter(), progress, plan, 0.1, random.Random(1), ALONE, regions=False):
        clocks.work(3 * US + 40 * step.iterations)
    assert [r.iterations for r in progress.rounds] == [500_000] * 4


def test_warming_up_begins_with_one_call_and_ends_where_a_round_does(new_meter: NewMeter, clocks: Any) -> None:
    steps = drive(
        rounds(new_meter(), RoundsDone(), Plan(100, 3), 10.0, random.Random(1), ALONE, regions=False), clocks, US
    )
    bodies = [step.iterations for step in steps if step.kind is StepKind.BODY]
    assert bodies == [1, 1, 1, 2, 4, 8, 16, 32, 36, 100, 100, 100]  # the first one is timed alone


@pytest.mark.parametrize(("cpu_ns", "iterations"), [(49 * MS, 40), (51 * MS, 9), (500 * MS, 1), (3000 * MS, 1)])
def test_a_side_far_slower_than_planned_gets_shorter_rounds(
    new_meter: NewMeter, clocks: Any, cpu_ns: int, iterations: int
) -> None:
    progress = measured(new_meter, clocks, Plan(40, 50), time_s=1.0, cpu_ns=cpu_ns)
    assert {r.iterations for r in progress.rounds} == {iterations}
    assert len(progress.rounds) >= 3
    assert progress.finished


def test_one_slow_call_at_the_beginning_shortens_nothing(new_meter: NewMeter, clocks: Any) -> None:
    progress = RoundsDone()
    for step in rounds(new_meter(), progress, Plan(40, 5), 1.0, random.Random(1), ALONE, regions=False, limit_s=30):
        if step.kind is StepKind.BODY:
            clocks.work(5000 * MS if progress.calls == 0 else MS)
    assert {r.iterations for r in progress.rounds} == {40}


def test_no_round_begins_that_would_end_too_late(new_meter: NewMeter, clocks: Any) -> None:
    """Calls of 7 s, 30 s for all of them."""
    progress = RoundsDone()
    steps = rounds(new_meter(), progress, Plan(40, 50), 1.0, random.Random(1), ALONE, regions=False, limit_s=30)
    drive(steps, clocks, 7000 * MS)
    assert [r.iterations for r in progress.rounds] == [1]
    assert clocks.wall_ns <= 30 * 1000 * MS
    assert progress.finished


def test_the_empty_loop_is_measured_where_there_are_enough_iterations(new_meter: NewMeter, clocks: Any) -> None:
    assert measured(new_meter, clocks, Plan(1000, 3), cpu_ns=US, empty_ns=25).loop_cost == 25_000
    assert measured(new_meter, clocks, Plan(99, 3), cpu_ns=US, empty_ns=25).loop_cost == 0


def test_the_empty_loop_is_short_however_many_iterations(new_meter: NewMeter, clocks: Any) -> None:
    steps = drive(
        rounds(new_meter(), RoundsDone(), Plan(10**6, 3), 1.0, random.Random(1), ALONE, regions=False), clocks, 20
    )
    empty = [s.iterations for s in steps if s.kind is StepKind.EMPTY]
    assert empty == [20_000] * 5


def test_a_process_that_takes_far_too_long_stops_after_three_rounds(new_meter: NewMeter, clocks: Any) -> None:
    slow = SLOWDOWN_LIMIT * 2 * 10**9
    progress = measured(new_meter, clocks, Plan(1, 50), time_s=1.0, cpu_ns=slow)
    assert len(progress.rounds) == 3
    assert progress.finished


def test_a_region_costs_what_empty_ones_cost(new_meter: NewMeter, clocks: Any) -> None:
    """``with flame:`` reads the clocks around each block: that is not the block's cost."""
    clocks.reading_ns = 700
    meter, progress = new_meter(), RoundsDone()
    for step in rounds(meter, progress, Plan(10, 4), 1.0, random.Random(1), ALONE, regions=True):
        assert step.kind is StepKind.BODY
        for _ in range(step.iterations):
            meter.enter()
            clocks.work(50 * US)
            meter.leave()
    assert meter.region_cost_ns == 700
    assert [r.cpu_ns for r in progress.rounds] == [500 * US] * 4
    assert progress.loop_cost == 0


def test_sampled_and_plain_rounds_are_counted(new_meter: NewMeter, clocks: Any, sampler: Any) -> None:
    progress = measured(new_meter, clocks, Plan(10, 30), cpu_ns=MS)
    assert sum(not r.sampled for r in progress.rounds) == 15
    assert sampler.calls.count("start") == sampler.calls.count("stop") == 15


@given(st.integers(1, 400), st.integers())
def test_every_other_round_is_sampled(count: int, seed: int) -> None:
    flags = which_sampled(count, random.Random(seed))
    assert len(flags) == count
    assert count > 1 or flags == [True]
    for start in range(0, count - 1, 2):
        assert sum(flags[start : start + 2]) == 1


def test_the_plain_round_has_no_fixed_place() -> None:
    found = {tuple(which_sampled(6, random.Random(seed))) for seed in range(200)}
    assert len(found) == 2**3


@given(st.integers(1, 400), st.integers(), st.integers(1, 400))
def test_a_process_that_ends_early_has_its_cost_from_the_same_kind_of_round(count: int, seed: int, ended: int) -> None:
    flags = which_sampled(count, random.Random(seed))
    ended = max(3, ended)  # the fewest after which a slow process ends
    whole, part = (Process(tuple(Round(1, 1, 1, sampled) for sampled in some), {}) for some in (flags, flags[:ended]))
    assert (whole.timing.plain_cost is None) is (part.timing.plain_cost is None) is (count == 1)


# --- a body that raises ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [1, 2, 10, 11, 25, 40])
def test_how_often_the_body_passed_is_known_when_it_raises(new_meter: NewMeter, clocks: Any, failing: int) -> None:
    """``failing``: the call, counted from one, that raises."""
    progress = RoundsDone()
    called = 0

    def body() -> None:
        nonlocal called
        called += 1
        clocks.work(MS)
        if called == failing:
            raise ValueError

    def run() -> None:
        for step in rounds(new_meter(), progress, Plan(10, 3), 10.0, random.Random(1), ALONE, regions=False):
            for _ in step.turns:
                if step.kind is StepKind.BODY:
                    body()

    with pytest.raises(ValueError):
        run()
    assert progress.passed() == failing - 1
    assert not progress.finished
