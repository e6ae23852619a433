"""When there is a look at the data, and what each look may spend."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.stats.looks import FIRST, STEP, plan_looks


@pytest.mark.parametrize(
    ("most", "counts"),
    [(20, (5, 7, 10, 14, 20)), (10, (5, 7, 10)), (7, (5, 7)), (5, (5,)), (3, (3,)), (40, (10, 14, 20, 28, 40))],
)
def test_looks_are_in_equal_steps_of_precision(most: int, counts: tuple[int, ...]) -> None:
    assert plan_looks(most, 0.01).counts == counts


@given(st.integers(1, 200), st.floats(1e-6, 0.4), st.integers(0, 2))
def test_looks_spend_the_error_and_no_more(most: int, alpha: float, reserve: int) -> None:
    looks = plan_looks(most, alpha, reserve=reserve)
    assert sum(looks.alphas) + reserve * looks.alphas[-1] == pytest.approx(alpha)
    assert looks.last == most
    assert len(looks.counts) == len(looks.alphas) <= 5
    assert all(count >= FIRST for count in looks.counts[:-1])
    assert list(looks.counts) == sorted(set(looks.counts))
    steps = [later / earlier for earlier, later in itertools.pairwise(looks.counts)]
    assert all(abs(step - STEP) < 0.25 for step in steps)


def test_most_of_the_error_is_kept_for_the_last_look() -> None:
    looks = plan_looks(20, 0.056)
    assert looks.alphas == pytest.approx((0.005, 0.007, 0.010, 0.014, 0.020))


@pytest.mark.parametrize(("count", "at"), [(3, 5), (5, 5), (6, 5), (7, 7), (9, 7), (10, 10), (13, 10)])
def test_between_looks_counts_what_the_last_one_was_worth(count: int, at: int) -> None:
    looks = plan_looks(10, 0.01)
    assert looks.alpha(count) == looks.alphas[looks.counts.index(at)]


@pytest.mark.parametrize(
    ("before", "now", "due"), [(4, 5, True), (5, 5, False), (5, 6, False), (6, 8, True), (0, 4, False), (10, 11, False)]
)
def test_look_is_due_once_its_number_is_reached_or_passed(before: int, now: int, due: bool) -> None:
    assert plan_looks(10, 0.01).due(before, now) is due
