"""Wilson's interval against published values and its own properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
    ids=["81 of 263", "15 of 148", "0 of 20", "1 of 29"],
)
def test_published_examples(successes: int, trials: int, low: float, high: float) -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3."""
    found = wilson.interval(successes, trials)
    assert found == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_holds_the_proportion_and_mirrors(counts: tuple[int, int]) -> None:
    interval = wilson.interval
    successes, trials = counts
    low, high = interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert interval(trials - successes, trials) == pytest.approx((1 - high, 1 - low))


def test_nothing_tried_says_nothing() -> None:
    assert wilson.interval(0, 0) == (0, 1)


def test_more_successes_than_trials() -> None:
    with pytest.raises(ValueError, match="3 successes of 2 trials"):
        wilson.interval(3, 2)
