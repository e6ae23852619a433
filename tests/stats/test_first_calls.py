"""First calls that are slower, by more than later ones: known truths, simulated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pytest_flame.model import Process, Round
from pytest_flame.stats.first_calls import find_difference, median_first_call

LATER_NS = 200_000
FIRST_NS = 2_000_000


def processes(
    rng: np.random.Generator, count: int, *, first: float = 1.0, later: float = 1.0, sd: float = 0.03
) -> list[Process]:
    """Factors on the cost of an unchanged body. Every tenth first call meets a cold cache of the machine."""
    speed = np.exp(rng.normal(0, sd, count))
    cold = np.where(rng.random(count) < 0.1, 1.5, 1.0)
    firsts = FIRST_NS * first * speed * cold * np.exp(rng.normal(0, sd, count))
    laters = LATER_NS * later * speed * np.exp(rng.normal(0, sd / 3, count))
    return [
        Process((Round(100, int(100 * later_ns), int(100 * later_ns), True),), {}, first_call_ns=int(f))
        for f, later_ns in zip(firsts, laters, strict=True)
    ]


def said(count: int, runs: int, *, paired: bool, **factors: float) -> float:
    rng = np.random.default_rng(7)
    found = [
        find_difference(processes(rng, count), processes(rng, count, **factors), threshold=0.05, paired=paired)
        for _ in range(runs)
    ]
    return sum(one is not None for one in found) / runs


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("count", [5, 10, 20])
def test_nothing_is_said_of_equal_first_calls(count: int, paired: bool) -> None:
    assert said(count, 400, paired=paired) <= 0.005


@pytest.mark.parametrize("paired", [True, False])
def test_nothing_is_said_of_a_first_call_that_is_slower_like_all_others(paired: bool) -> None:
    assert said(20, 200, paired=paired, first=2.0, later=2.0) <= 0.005


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("count", "later"), [(5, 1.0), (20, 1.0), (20, 0.8)])
def test_first_call_ten_times_as_slow_is_said(count: int, later: float, paired: bool) -> None:
    assert said(count, 100, paired=paired, first=10.0, later=later) >= 0.98


def test_figures_are_those_of_the_first_calls() -> None:
    rng = np.random.default_rng(1)
    base, head = processes(rng, 20, sd=0.01), processes(rng, 20, first=10.0, sd=0.01)
    found = find_difference(base, head, threshold=0.05, paired=True)
    assert found is not None
    assert found.base == pytest.approx(FIRST_NS * 1000, rel=0.1)
    assert found.head == pytest.approx(10 * found.base, rel=0.1)
    assert found.low < found.ratio < found.high and found.low < 10 < found.high


def unknown(some: Sequence[Process]) -> list[Process]:
    return [Process(p.rounds, {}) for p in some]


def test_what_is_unknown_is_not_compared() -> None:
    rng = np.random.default_rng(1)
    base, head = processes(rng, 20), processes(rng, 20, first=10.0)
    assert find_difference(unknown(base), head, threshold=0.05, paired=False) is None
    assert find_difference(base, [*head[:-1], *unknown(head[-1:])], threshold=0.05, paired=True) is None
    assert median_first_call(unknown(base)) is None


@pytest.mark.parametrize("count", [1, 2])
def test_two_processes_tell_nothing(count: int) -> None:
    rng = np.random.default_rng(1)
    base, head = processes(rng, count), processes(rng, count, first=10.0)
    assert find_difference(base, head, threshold=0.05, paired=True) is None
