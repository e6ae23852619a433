from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_flame.gate.remarks import comparison_warnings
from pytest_flame.model import Process, Recording, Round, SamplerInfo

INFO = SamplerInfo("perf-sigtrap", "task-clock", True, 997)


def recording(faults: int | None) -> Recording:
    """Six processes, 100 µs an iteration."""
    rounds = (Round(100, 10_000_000, 10_000_000, True, None, None if faults is None else faults * 100),)
    return Recording("t", (Process(rounds, {}),) * 6, INFO, {})


@pytest.mark.parametrize(
    ("base", "head", "words"),
    [
        (0, 12, "head meets more page faults: 12 an iteration, base 0; that is at least 3.00 µs of CPU"),
        (40, 4, "head meets fewer page faults: 4.0 an iteration, base 40; that is at least 9.00 µs of CPU"),
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
    free = replace(free, processes=tuple(replace(p, loop_ps=10**9) for p in free.processes))
    assert comparison_warnings(free, recording(12), 0.05, together=True) == []
