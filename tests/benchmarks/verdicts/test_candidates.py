"""Candidates: each has the requested error, moves with the data, and detects what it was made for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.verdicts import candidates

NAMES = (
    "paired t",
    "paired Yuen 20 %",
    "paired Winsorised",
    "Welch",
    "Welch, top 30 % off",
    "pooled, top 30 % off",
    "pooled, top 50 % off",
    "both",
    "both, Winsorised",
    "Hodges–Lehmann",
    "sign flip",
)


def test_all_are_tested() -> None:
    assert set(NAMES) == set(candidates.INTERVALS)


@pytest.mark.parametrize("name", NAMES)
def test_false_alarms_of_normal_costs_are_nominal_at_most(name: str) -> None:
    draw = np.random.default_rng(1)
    base, head = draw.normal(0, 0.02, (2, 20_000, 10))
    low, high = candidates.INTERVALS[name](base, head, 0.05)
    # 20 000 comparisons: three standard errors are 0.5 %.
    assert np.mean(low > 0) < 0.055
    assert np.mean(high < 0) < 0.055
    assert np.mean(low > 0) > 0.03, "and not far below"


@pytest.mark.parametrize("name", NAMES)
def test_moves_with_the_head(name: str) -> None:
    base, head = np.random.default_rng(2).normal(0, 0.02, (2, 50, 14))
    still = candidates.INTERVALS[name](base, head, 0.05)
    moved = candidates.INTERVALS[name](base, head + 0.3, 0.05)
    np.testing.assert_allclose(moved, np.add(still, 0.3), atol=1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "sign flip"])
def test_sides_are_treated_alike(name: str) -> None:
    base, head = np.random.default_rng(3).normal(0, 0.02, (2, 50, 14))
    low, high = candidates.INTERVALS[name](base, head, 0.05)
    other_low, other_high = candidates.INTERVALS[name](head, base, 0.05)
    np.testing.assert_allclose([other_low, other_high], [-high, -low], atol=1e-9)


def test_drift_widens_the_unpaired_and_disturbed_processes_the_paired_but_not_both() -> None:
    draw = np.random.default_rng(4)
    calm = draw.normal(0, 0.01, (2, 200, 14))
    drift = np.linspace(0, 0.2, 14)
    hit = np.where(draw.random((2, 200, 14)) < 0.1, 0.4, 0.0)

    def width(name: str, sides: candidates.Floats) -> float:
        base, head = sides
        low, high = candidates.INTERVALS[name](base, head, 0.01)
        return float(np.median(high - low))

    both_calm = width("both", calm)
    assert width("pooled, top 30 % off", calm + drift) > 3 * both_calm
    assert width("paired t", calm + hit) > 3 * both_calm
    assert width("both", calm + drift) < 1.5 * both_calm
    assert width("both", calm + hit) < 1.5 * both_calm


def test_too_few_pairs_for_ranks_decide_nothing() -> None:
    low, high = candidates.hodges_lehmann(np.zeros((1, 4)), np.ones((1, 4)), 0.01)
    assert (low[0], high[0]) == (-np.inf, np.inf)


def test_signed_ranks_are_those_of_the_tables() -> None:
    """Hollander & Wolfe, table A.4: for ten pairs P(T ≥ 45) is 0.042, so P(T ≤ 10) is too."""
    assert candidates._signed_rank(10)[:11].sum() == pytest.approx(0.042, abs=5e-4)
    assert candidates._signed_rank(10).sum() == pytest.approx(1)


@given(st.permutations(range(12)))
def test_estimators_do_not_care_for_the_order_of_rounds(order: list[int]) -> None:
    rounds = np.array([[5.0, 1, 9, 2, 8, 3, 7, 4, 6, 10, 12, 11]])
    for estimate in candidates.ESTIMATORS.values():
        assert estimate(rounds[:, order])[0] == pytest.approx(estimate(rounds)[0])


def test_missing_rounds_are_left_out() -> None:
    whole = np.array([[4.0, 1, 3, 2]])
    padded = np.array([[4.0, 1, 3, 2, np.nan, np.nan]])
    for name, estimate in candidates.ESTIMATORS.items():
        assert estimate(padded)[0] == pytest.approx(estimate(whole)[0]), name
    assert candidates.ESTIMATORS["cheaper half"](padded)[0] == 1.5
    assert candidates.ESTIMATORS["cheaper quarter"](padded)[0] == 1
