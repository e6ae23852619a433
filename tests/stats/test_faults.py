from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_flame.model import FAULT_NS, Process, Round, SampleCounts
from pytest_flame.stats.faults import find_difference, median_faults, rank_sum_p

COST = 100_000_000
"""100 µs."""


def process(*counts: int | None, iterations: int = 100) -> Process:
    rounds = tuple(Round(iterations, 10_000_000, 10_000_000, True, None, count) for count in counts)
    return Process(rounds, {}, SampleCounts())


def processes(*per_iteration: float) -> list[Process]:
    return [process(*[round(count * 100)] * 3) for count in per_iteration]


def test_what_is_touched_for_the_first_time_counts_for_nothing() -> None:
    assert process(5_000, 100, 0, 100, 100).timing.minor_faults == 1.0


def test_unknown_is_not_zero() -> None:
    assert process(None, None).timing.minor_faults is None
    assert process(None, 300).timing.minor_faults == 3.0
    assert median_faults([process(None)]) is None
    assert find_difference([process(None)] * 8, processes(*[50.0] * 8), COST) is None


@pytest.mark.parametrize(("x", "y", "p"), [([0] * 5, [9] * 5, 2 / 252), ([1, 2, 3], [4, 5, 6], 0.1), ([], [1], 1.0)])
def test_known_values(x: list[float], y: list[float], p: float) -> None:
    assert rank_sum_p(x, y) == pytest.approx(p)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_ties_are_counted_as_all_ways_to_choose_say(x: list[int], y: list[int]) -> None:
    ranks = stats.rankdata([*x, *y])
    middle = len(x) * (len(ranks) + 1) / 2
    sums = [sum(chosen) for chosen in itertools.combinations(ranks, len(x))]
    far = abs(ranks[: len(x)].sum() - middle)
    assert rank_sum_p(x, y) == pytest.approx(np.mean([abs(s - middle) >= far for s in sums]))


def test_as_scipy_has_it_without_ties() -> None:
    x, y = [3.1, 4.7, 1.2, 8.8, 2.5, 6.1], [5.2, 9.9, 7.3, 11.0, 6.6]
    assert rank_sum_p(x, y) == pytest.approx(stats.mannwhitneyu(x, y, method="exact").pvalue)


def test_a_difference_that_matters_is_found_both_ways() -> None:
    found = find_difference(processes(*[0.1] * 5), processes(*[12.3] * 5), COST)
    assert found is not None
    assert (found.base, found.head) == (0.1, 12.3)
    assert found.ns == pytest.approx(12.2 * FAULT_NS)
    fewer = find_difference(processes(*[12.3] * 5), processes(*[0.1] * 5), COST)
    assert fewer is not None and fewer.head == 0.1


def test_what_costs_less_than_a_hundredth_is_not_said() -> None:
    base, head = processes(*[0.0] * 8), processes(*[3.9] * 8)
    assert find_difference(base, head, COST) is None
    assert find_difference(base, head, COST // 2) is not None


def test_three_processes_show_nothing() -> None:
    assert find_difference(processes(*[0.0] * 3), processes(*[100.0] * 3), COST) is None


def test_a_heap_that_ends_here_or_there_is_seldom_taken_for_a_difference() -> None:
    """One process in two meets 20 faults, whatever its side."""
    rng = np.random.default_rng(1)
    said = sum(
        find_difference(processes(*20.0 * rng.integers(0, 2, 7)), processes(*20.0 * rng.integers(0, 2, 7)), COST)
        is not None
        for _ in range(400)
    )
    assert said <= 30  # 5 % are 20; 30 is beyond 99 %


def test_large_counts_of_processes_are_ranked_in_no_time() -> None:
    assert rank_sum_p([float(i) for i in range(400)], [i + 0.5 for i in range(400)]) > 0.5
