import math

import numpy as np
import pytest

from pytest_flame.stats.whole import RESOLUTION_PS, Whole, centre, compare_whole

MS = 1e9


def judge(base: np.ndarray, head: np.ndarray, session_sd: float = 0.0) -> Whole:
    return compare_whole(base, head, threshold=0.05, alpha=0.01, session_sd=session_sd)


def side(rng: np.random.Generator, n: int, ratio: float, *, sd: float, outliers: float, session: float = 0.0):
    costs = ratio * np.exp(sd * rng.standard_normal(n) + session * rng.standard_normal())
    return MS * np.where(rng.random(n) < outliers, costs * rng.uniform(1.3, 1.6, n), costs)


def many(
    ratio: float, *, n: int = 10, sd: float = 0.01, outliers: float = 0.08, session: float = 0.0, runs: int = 1000
):
    rng = np.random.default_rng(1)
    return [
        judge(
            side(rng, n, 1.0, sd=sd, outliers=outliers, session=session),
            side(rng, n, ratio, sd=sd, outliers=outliers),
            session,
        )
        for _ in range(runs)
    ]


def regressed(results: list[Whole]) -> float:
    return sum(r.low > 1.05 for r in results) / len(results)


def test_identical_code_never_alarms() -> None:
    assert regressed(many(1.0, sd=0.03)) == 0


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("session", [0.0, 0.01])
def test_a_slowdown_of_exactly_the_threshold_alarms_in_one_percent(n: int, session: float) -> None:
    assert regressed(many(1.05, n=n, sd=0.02, session=session)) <= 0.02


@pytest.mark.parametrize(("n", "sd", "found"), [(10, 0.01, 0.95), (20, 0.03, 0.9), (10, 0.03, 0.45)])
def test_ten_percent_is_found_in_spite_of_outliers(n: int, sd: float, found: float) -> None:
    assert regressed(many(1.10, n=n, sd=sd)) >= found


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("session", [0.0, 0.01])
def test_the_interval_covers_the_truth_at_its_level(n: int, session: float) -> None:
    results = many(1.03, n=n, sd=0.02, session=session)
    assert 0.968 <= sum(r.low <= 1.03 <= r.high for r in results) / len(results) <= 0.995


def test_the_detectable_effect_is_detected() -> None:
    typical = float(np.median([r.mde for r in many(1.0, outliers=0.0, runs=200)]))
    assert 0.92 <= regressed(many(typical, outliers=0.0)) <= 0.98


def test_identical_values_give_a_narrow_interval_of_some_width() -> None:
    w = judge(np.full(10, MS), np.full(10, MS))
    assert w.ratio == 1.0
    assert 0.997 < w.low < 1 < w.high < 1.003
    assert 1.05 < w.mde < 1.06


@pytest.mark.parametrize("processes", [1, 2])
def test_fewer_than_three_processes_decide_nothing(processes: int) -> None:
    w = judge(np.full(10, MS), np.full(processes, 9 * MS))
    assert (w.low, w.high, w.mde) == (0.0, math.inf, math.inf)


def test_three_processes_decide_what_is_plain() -> None:
    assert judge(np.array([1.0, 1.01, 1.02]) * MS, np.array([2.0, 2.01, 2.02]) * MS).low > 1.05


def test_a_cost_of_nothing_on_both_sides_decides_nothing() -> None:
    w = judge(np.zeros(10), np.full(10, RESOLUTION_PS / 2))
    assert (w.low, w.high) == (0.0, math.inf)


def test_a_cost_that_comes_from_nothing_is_a_regression() -> None:
    assert judge(np.zeros(10), np.full(10, MS)).low > 1.05


def test_session_variance_widens_the_interval_by_what_is_assumed() -> None:
    rng = np.random.default_rng(2)
    base, head = side(rng, 10, 1, sd=0.001, outliers=0), side(rng, 10, 1, sd=0.001, outliers=0)
    together, stored = judge(base, head), judge(base, head, 0.01)
    assert math.log(stored.high / stored.low) / 2 == pytest.approx(2.33 * 0.01, rel=0.05)
    assert math.log(together.high / together.low) / 2 < 0.003


def test_up_to_three_disturbed_processes_of_ten_do_not_move_the_centre() -> None:
    calm = MS * np.linspace(0.99, 1.01, 10)
    disturbed = calm.copy()
    disturbed[-3:] *= 1.5
    assert centre(disturbed).log_ps == centre(calm).log_ps
