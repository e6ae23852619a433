"""The dominant reason is named if the data show one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_flame.model import Outside, Process, Round
from pytest_flame.stats.diagnosis import Cause, Diagnosis, diagnose
from pytest_flame.stats.student import Floats

Values = Sequence[float] | np.ndarray[Any, np.dtype[Any]]
N = 20
QUIET = Outside(wall_ns=500_000_000, cpus=2, steal_ns=0, pressure_ns=0, queued_ns=2_000_000, involuntary_switches=5)


def sides(spins: Values | None = None, **outside: Values) -> tuple[list[Process], list[Process]]:
    """A quiet base, and a head with these fixed loops (relative) and counters."""
    every = [{name: round(values[i]) for name, values in outside.items()} for i in range(N)]
    heads = [
        Process((Round(1, 1, 1, True, round(30_000 * (spins[i] if spins is not None else 1.0))),), {}, outside=o)
        for i, o in enumerate(replace(QUIET, **e) for e in every)
    ]
    return [Process((Round(1, 1, 1, True, 30_000),), {}, outside=QUIET)] * N, heads


def why(base: list[Process], head: list[Process], logs: Floats, *, paired: bool, pinned: bool = False) -> Diagnosis:
    return diagnose(base, head, np.full(N, 1e9), 1e9 * np.exp(logs), paired=paired, pinned=pinned)


def spread(seed: int, sd: float = 0.01) -> Floats:
    return np.asarray(sd * np.random.default_rng(seed).standard_normal(N))


@pytest.mark.parametrize("paired", [False, True])
def test_steal_that_goes_with_the_cost(paired: bool) -> None:
    steal = np.random.default_rng(1).permutation(np.linspace(0, 2e8, N))
    said = why(*sides(steal_ns=steal), 1e-9 * steal * 0.5 + spread(2), paired=paired)
    assert said.cause is Cause.STEAL and said.explained is not None and said.explained > 0.5
    assert said.words.startswith(f"{5.0 if paired else 10.0}% of the CPU time stolen by other machines; ")


@pytest.mark.parametrize("paired", [False, True])
def test_a_processor_whose_speed_varies(paired: bool) -> None:
    speed = spread(3, 0.04)
    said = why(*sides(np.exp(speed)), speed + spread(4), paired=paired)
    assert said.cause is Cause.SPEED
    assert "the processor's own speed varied by" in said.reason


def test_a_neighbour_is_to_be_avoided_by_pinning_unless_pinned_already() -> None:
    queued = np.random.default_rng(5).permutation(np.linspace(0, 3e8, N))
    ran, logs = sides(queued_ns=queued), 3e-10 * queued + spread(6)
    assert why(*ran, logs, paired=True).cause is Cause.NEIGHBOUR
    assert "pin to a quiet CPU with --flame-cpu" in why(*ran, logs, paired=True).help
    assert "another CPU for --flame-cpu" in why(*ran, logs, paired=True, pinned=True).help


def test_waiting_that_made_it_faster_is_no_cause() -> None:
    queued = np.random.default_rng(7).permutation(np.linspace(0, 9e7, N))
    said = why(*sides(queued_ns=queued), -1e-9 * queued + spread(8), paired=False)
    assert said.cause is Cause.SPREAD


def test_two_modes() -> None:
    costly = np.random.default_rng(9).permutation(np.arange(N) % 2)
    said = why(*sides(), 0.11 * costly + spread(10), paired=False)
    assert said.cause is Cause.MODES
    assert said.reason.startswith("two modes 1") and "hash order" in said.help


def test_a_trend() -> None:
    said = why(*sides(), np.linspace(0, 0.08, N) + spread(11), paired=False)
    assert said.cause is Cause.TREND
    assert said.reason.startswith("cost rose ") and "another time" in said.help


def test_a_trend_of_both_sides_cancels_in_pairs() -> None:
    base, head = sides()
    trend = np.linspace(0, 0.2, N)
    said = diagnose(base, head, np.exp(trend + spread(12)), np.exp(trend + spread(13)), paired=True)
    assert said.cause is Cause.SPREAD


def test_steal_and_waiting_are_named_by_their_level_where_nothing_goes_with_the_cost() -> None:
    said = why(*sides(steal_ns=[8e7] * N, queued_ns=[2e8] * N), spread(14), paired=False)
    assert (said.cause, said.explained) == (Cause.STEAL, None)
    assert said.reason == "8% of the CPU time stolen by other machines"
    said = why(*sides(queued_ns=[2e8] * N, involuntary_switches=[200] * N), spread(14), paired=False)
    assert said.cause is Cause.NEIGHBOUR
    assert (
        said.reason == "a neighbour on the CPU: 40% of the time spent waiting for it, 400 involuntary switches a second"
    )


def test_on_a_quiet_machine_it_is_the_test_itself() -> None:
    said = why(*sides(), spread(15, 0.03), paired=False)
    assert said.cause is Cause.SPREAD and said.words == said.reason
    assert said.reason.startswith("the test itself varies by ") and said.reason.endswith("% between processes")


def test_recordings_without_sentinels_and_with_few_processes_have_a_reason_too() -> None:
    bare = [Process((Round(1, 1, 1, True),), {})] * 3
    costs = np.array([1.0, 1.1, 1.2])
    assert diagnose(bare, bare, costs, costs, paired=True).reason == "too few pairs"
    assert diagnose(bare, bare, costs, costs, paired=False).cause is Cause.SPREAD
    assert diagnose((), bare[:1], np.array([]), costs[:1], paired=False).reason == "too few processes"


def test_chance_seldom_blames_the_machine() -> None:
    """200 runs at 0.5 % for each of three correlations."""
    blamed = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        noise = {"steal_ns": rng.integers(0, 10_000_000, N), "queued_ns": rng.integers(0, 40_000_000, N)}
        said = why(*sides(np.exp(0.02 * rng.standard_normal(N)), **noise), 0.02 * rng.standard_normal(N), paired=False)
        blamed += said.cause in (Cause.STEAL, Cause.SPEED, Cause.NEIGHBOUR)
    assert blamed <= 10
