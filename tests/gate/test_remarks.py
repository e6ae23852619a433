from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_flame.gate.remarks import comparison_warnings, recording_warnings
from pytest_flame.model import CPU, FIRST_CALL, Metric, Process, Recording, Round, SamplerInfo

INFO = SamplerInfo("perf-sigtrap", "task-clock", True, 997)


def recording(faults: int | None) -> Recording:
    """Six processes, 100 µs per iteration."""
    rounds = (Round(100, 10_000_000, 10_000_000, True, None, None if faults is None else faults * 100),)
    return Recording("t", (Process(rounds, {}),) * 6, INFO, {})


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        pytest.param(2, "The cost is that of the rounds without samples", id="half"),
        pytest.param(1, "The cost includes it on both sides", id="earlier-release"),
    ],
)
def test_much_overhead_is_said_and_whether_the_cost_contains_it(plain: int, words: str) -> None:
    sampled = (Round(100, 11_500_000, 11_500_000, True),) * 3
    rounds = (*sampled, *(Round(100, 10_000_000, 10_000_000, False),) * plain, *sampled)
    recorded = Recording("t", (Process(rounds, {}),) * 6, INFO, {})
    (note,) = recording_warnings(recorded)
    assert note.startswith("sampling made rounds 15.0 % more expensive") and words in note


@pytest.mark.parametrize(
    ("base", "head", "words"),
    [
        (0, 12, "head has more page faults: 12 per iteration, base 0; that is at least 3.00 µs of CPU"),
        (40, 4, "head has fewer page faults: 4.0 per iteration, base 40; that is at least 9.00 µs of CPU"),
    ],
)
def test_more_page_faults_are_said(base: int, head: int, words: str) -> None:
    (note,) = comparison_warnings(recording(base), recording(head), 0.05, together=True)
    assert note.startswith(words)


@pytest.mark.parametrize(("base", "head"), [(12, 12), (None, 12), (0, None), (None, None)])
def test_nothing_is_said_of_equal_or_unknown_faults(base: int | None, head: int | None) -> None:
    assert comparison_warnings(recording(base), recording(head), 0.05, together=True) == []


def test_a_body_that_costs_nothing_has_no_faults_to_speak_of() -> None:
    free = recording(0)
    free = replace(free, processes=tuple(replace(p, loop_cost=10**9) for p in free.processes))
    assert comparison_warnings(free, recording(12), 0.05, together=True) == []


def first_calls(first_ns: int | None, *, metric: Metric = CPU) -> Recording:
    """Six processes, 100 µs per iteration, 1 % apart."""
    processes = tuple(
        Process(
            (Round(100, 10_000_000 + 100_000 * i, 10_000_000, True),),
            {},
            first_call_ns=None if first_ns is None else first_ns + first_ns * i // 100,
        )
        for i in range(6)
    )
    return Recording("t", processes, INFO, {}, metric=metric)


@pytest.mark.parametrize("together", [True, False])
def test_first_call_that_is_slower_alone_is_said(together: bool) -> None:
    base, head = first_calls(2_100_000), first_calls(21_000_000)
    (note,) = comparison_warnings(base, head, 0.05, together=together)
    assert note.startswith("the first call of a process costs 21.") and ", base's 2.1" in note
    assert "+900 % [" in note and note.endswith("@pytest.mark.flame(metric='first-call') judges it")


@pytest.mark.parametrize(
    ("base", "head"), [(2_100_000, 2_100_000), (21_000_000, 2_100_000), (None, 21_000_000), (2_100_000, None)]
)
def test_nothing_is_said_of_equal_faster_or_unknown_first_calls(base: int | None, head: int | None) -> None:
    assert comparison_warnings(first_calls(base), first_calls(head), 0.05, together=True) == []


def test_first_calls_without_samples_say_that_functions_were_not_judged() -> None:
    judged = first_calls(2_100_000, metric=FIRST_CALL)
    assert comparison_warnings(judged, judged, 0.05, together=True) == [
        "first calls are too short to judge any function (0 samples): only the total is judged, by the clock"
    ]
