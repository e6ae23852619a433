"""A stored plan is believed within bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_flame.measure.job import Plan
from pytest_flame.measure.planned import per_call_s, plan_like, rounds_s, unbelievable
from pytest_flame.measure.rounds import MAX_ITERATIONS, MAX_ROUNDS
from pytest_flame.model import Frame, Process, Recording, Round, SamplerInfo, Stack, StackSample

MS = 1_000_000
STACKS: dict[Stack, StackSample] = {(Frame("m", "f"),): StackSample(1, MS)}


def recording(*rounds: Round) -> Recording:
    info = SamplerInfo("perf-sigtrap", "task-clock", True, 997)
    return Recording("t", (Process(rounds, STACKS), Process(rounds[:1], STACKS)), info, {})


GOOD = recording(Round(40, 20 * MS, 21 * MS, True), Round(40, 20 * MS, 19 * MS, True), Round(10, MS, MS, True))


def test_plan_is_the_recordings_own() -> None:
    assert plan_like(GOOD, 0.5)[0] == Plan(40, 25)
    assert plan_like(GOOD, 1e6)[0].rounds == MAX_ROUNDS
    assert unbelievable(GOOD) is None


def test_base_took_what_its_rounds_say() -> None:
    assert rounds_s(GOOD) == pytest.approx(0.041)
    assert per_call_s(GOOD) == pytest.approx(0.062 / 130)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"iterations": 10**12}, "1,000,000,000,000 iterations"),
        ({"calls": 3 * 10**12}, "1,000,000,000,000 iterations"),
        ({"iterations": MAX_ITERATIONS, "cpu_ns": 3 * MS, "wall_ns": 3 * MS}, "50,000,000 iterations in 1,000,000 ns"),
        ({"wall_ns": 10**18}, "more than a day"),
    ],
)
def test_impossible_rounds_are_not_believed(broken: dict[str, int], said: str) -> None:
    process = GOOD.processes[0]
    first = replace(process, rounds=(), told=replace(process.timing, **broken))
    assert said in str(unbelievable(replace(GOOD, processes=(GOOD.processes[1], first))))
