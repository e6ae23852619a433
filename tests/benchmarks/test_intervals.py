"""Intervals compared with published values, exact distributions and their own properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.intervals import binomial_interval, median_interval, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
    ids=["81 of 263", "15 of 148", "0 of 20", "1 of 29"],
)
def test_published_examples(successes: int, trials: int, low: float, high: float) -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3."""
    found = wilson(successes, trials)
    assert found == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_holds_the_proportion_and_mirrors(counts: tuple[int, int]) -> None:
    successes, trials = counts
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert wilson(trials - successes, trials) == pytest.approx((1 - high, 1 - low))


def test_nothing_tried_says_nothing() -> None:
    assert wilson(0, 0) == (0, 1)


def test_more_successes_than_trials() -> None:
    with pytest.raises(ValueError, match="3 successes of 2 trials"):
        wilson(3, 2)


@pytest.mark.parametrize(("share", "trials"), [(0.7, 997), (0.01, 4000), (0.5, 20), (0.2, 1)])
def test_the_binomial_interval_is_the_exact_one(share: float, trials: int) -> None:
    low, high = binomial_interval(share, trials, 0.99)
    exact = stats.binom(trials, share)
    assert exact.cdf(low - 1) <= 0.005 < exact.cdf(low)
    assert exact.sf(high) <= 0.005 < exact.sf(high - 1)


def test_the_median_interval_lies_between_order_statistics() -> None:
    interval = median_interval([float(i) for i in range(70, 0, -1)])
    assert (interval.middle, interval.low, interval.high) == (35.5, 27.0, 44.0)
    # The probability that the median is outside, from the sign test.
    assert 2 * stats.binom(70, 0.5).cdf(26 - 1) <= 0.05


def test_the_median_interval_is_the_published_one() -> None:
    """Binomial tail of 40 tosses: 14th and 27th of the ordered values (Conover, Practical Nonparametric Statistics)."""
    interval = median_interval([float(i) for i in range(1, 41)])
    assert (interval.middle, interval.low, interval.high) == (20.5, 14.0, 27.0)


def test_few_values_give_all_of_them() -> None:
    interval = median_interval([2.0, 1.0])
    assert (interval.low, interval.high) == (1.0, 2.0)
