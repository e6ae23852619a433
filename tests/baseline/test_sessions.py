from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from pytest_flame import fold
from pytest_flame.baseline import sessions
from pytest_flame.baseline.store import Store
from pytest_flame.baseline.stored import storable
from pytest_flame.errors import BaselineError
from pytest_flame.model import FIRST_CALL, Recording, Session

Again = Callable[..., Recording]


@pytest.fixture
def again(recording: Recording) -> Again:
    """``again(n)``: the recording again, a little more expensive with each session."""

    def record(number: int, **changes: Any) -> Recording:
        processes = tuple(dataclasses.replace(p, loop_cost=1_000_000 - 1000 * number) for p in recording.processes)
        day = f"2026-11-{number + 1:02}T08:00:00+01:00"
        return dataclasses.replace(recording, processes=processes, seed=number, recorded_at=day, **changes)

    return record


def costs(recording: Recording) -> tuple[int, ...]:
    return tuple(fold.cost(process) for process in recording.processes)


def test_the_first_recording_is_a_baseline_like_any(store: Store, again: Again) -> None:
    assert store.add(again(0)) == store.path(again(0).test_id)
    assert store.load(again(0).test_id) == storable(again(0))


def test_the_newest_stays_whole_and_the_earlier_keep_their_costs(store: Store, again: Again) -> None:
    for number in range(3):
        store.add(again(number))
    stored = store.load(again(0).test_id)
    assert stored is not None
    assert dataclasses.replace(stored, sessions=()) == storable(again(2))
    assert stored.sessions == tuple(Session(costs(again(n)), n, again(n).recorded_at) for n in range(2))
    assert sessions.session_costs(stored) == [costs(again(n)) for n in range(3)]


def test_the_oldest_makes_room(store: Store, again: Again) -> None:
    for number in range(sessions.MOST + 3):
        store.add(again(number))
    stored = store.load(again(0).test_id)
    assert stored is not None
    assert [*(s.seed for s in stored.sessions), stored.seed] == list(range(3, sessions.MOST + 3))


def test_recording_anew_forgets_the_sessions_of_the_code_before(store: Store, again: Again) -> None:
    for number in range(2):
        store.add(again(number))
    store.save(again(2))
    stored = store.load(again(0).test_id)
    assert stored is not None
    assert stored.sessions == ()


def test_other_processes_counts_are_no_obstacle(store: Store, again: Again) -> None:
    store.add(again(0))
    fewer = dataclasses.replace(again(1), processes=again(1).processes[:1])
    store.add(fewer)
    stored = store.load(fewer.test_id)
    assert stored is not None
    assert list(map(len, sessions.session_costs(stored))) == [2, 1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source_hashes": {"src/orders/parse.py": "00"}}, "src/orders/parse.py, tests/test_orders.py"),
        ({"source_hashes": {}}, "source changed since it was recorded: src/orders/parse.py"),
        ({"fingerprint": {"cpu": "Intel Xeon"}}, "this is Intel Xeon"),
        ({"metric": FIRST_CALL}, "metric: 'cpu' when recorded, 'first-call' here"),
        ({"fresh": True}, "fixtures: set up once when recorded, set up again for each iteration here"),
    ],
)
def test_another_code_machine_or_manner_is_refused_and_named(
    store: Store, again: Again, change: dict[str, object], said: str
) -> None:
    store.add(again(0))
    with pytest.raises(BaselineError) as caught:
        store.add(again(1, **change))
    assert said in caught.value.why
    assert "pytest --flame-update=all" in caught.value.fix
    assert store.load(again(0).test_id) == storable(again(0))


def test_costs_that_contain_what_sampling_costs_are_no_further_session(store: Store, again: Again) -> None:
    store.add(again(0))
    recording = again(1)
    sampled = (dataclasses.replace(p, rounds=tuple(r for r in p.rounds if r.sampled)) for p in recording.processes)
    with pytest.raises(BaselineError, match="cost: of rounds without samples when recorded, with samples here"):
        store.add(dataclasses.replace(recording, processes=tuple(sampled)))


def test_another_sampler_is_refused_and_named(store: Store, again: Again) -> None:
    store.add(again(0))
    sampler = dataclasses.replace(again(1).sampler, rung="timer")
    with pytest.raises(BaselineError, match="sampler: perf-sigtrap when recorded, timer here"):
        store.add(again(1, sampler=sampler))
