import math

import numpy as np
import pytest

from pytest_flame.stats.between_sessions import difference
from pytest_flame.stats.whole import RESOLUTION, Whole, centre, compare_pairs, decide

MS = 1e9


def judge(base: np.ndarray, head: np.ndarray, session_sd: float = 0.0) -> Whole:
    """A stored recording against head."""
    d = difference([centre(base)], centre(head), assumed_sd=session_sd)
    return decide(d.base, d.head, d.se, d.df, threshold=0.05, alpha=0.01)


def side(
    rng: np.random.Generator, n: int, ratio: float, *, sd: float, outliers: float, session: float = 0.0
) -> np.ndarray:
    costs = ratio * np.exp(sd * rng.standard_normal(n) + session * rng.standard_normal())
    return MS * np.where(rng.random(n) < outliers, costs * rng.uniform(1.3, 1.6, n), costs)


def many(
    ratio: float, *, n: int = 10, sd: float = 0.01, outliers: float = 0.08, session: float = 0.0, runs: int = 1000
) -> list[Whole]:
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
    w = judge(np.zeros(10), np.full(10, RESOLUTION / 2))
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
    assert centre(disturbed).log_cost == centre(calm).log_cost


# --- pairs measured together ----------------------------------------------------------------------------------------


def pairs(base: np.ndarray, head: np.ndarray, *, alpha: float = 0.01, most: int = 0) -> Whole:
    return compare_pairs(base, head, threshold=0.05, alpha=alpha, most=most or len(base))


def many_pairs(
    ratio: float, *, n: int = 10, sd: float = 0.02, weather: float = 0.0, outliers: float = 0.0, runs: int = 1000
) -> list[Whole]:
    """``weather`` is the sd of what both sides of a pair share."""
    rng = np.random.default_rng(3)
    results = []
    for _ in range(runs):
        shared = np.exp(weather * rng.standard_normal(n))
        base, head = (side(rng, n, r, sd=sd, outliers=outliers) * shared for r in (1.0, ratio))
        results.append(pairs(base, head))
    return results


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize(("weather", "outliers"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.08)])
def test_pairs_cover_the_truth_at_least_at_their_level(n: int, weather: float, outliers: float) -> None:
    results = many_pairs(1.03, n=n, weather=weather, outliers=outliers)
    assert sum(r.low <= 1.03 <= r.high for r in results) / len(results) >= 0.97


@pytest.mark.parametrize(("weather", "outliers"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.08)])
def test_pairs_with_a_slowdown_of_exactly_the_threshold_alarm_in_one_percent(weather: float, outliers: float) -> None:
    assert regressed(many_pairs(1.05, weather=weather, outliers=outliers)) <= 0.02


@pytest.mark.parametrize(("weather", "outliers"), [(0.15, 0.0), (0.0, 0.08)])
def test_pairs_find_ten_percent_where_both_drift_or_single_processes_are_disturbed(
    weather: float, outliers: float
) -> None:
    assert regressed(many_pairs(1.10, sd=0.01, weather=weather, outliers=outliers)) >= 0.95


def test_a_ratio_both_estimates_agree_on_is_known_exactly() -> None:
    base = MS * np.linspace(1.0, 1.2, 10)
    w = pairs(base, 1.1 * base)
    assert w.ratio == pytest.approx(1.1)
    assert 1.095 < w.low < 1.1 < w.high < 1.105
    assert w.low > 1.05
    assert w.p_regressed < 1e-6


def test_the_interval_is_where_both_estimates_agree_each_at_half_the_error() -> None:
    rng = np.random.default_rng(7)
    base, head = MS * np.exp(0.03 * rng.standard_normal((2, 12)))
    differences = np.log(head) - np.log(base)
    t = 3.105806515539281  # Student's t on 11 degrees of freedom, 99.5 %
    within = differences.mean() + np.array([-1, 1]) * t * differences.std(ddof=1) / math.sqrt(12)
    b, h = centre(base), centre(head)
    t = 2.9207816224251  # on 16: nine of twelve are kept on each side
    apart = h.log_cost - b.log_cost + np.array([-1, 1]) * t * math.hypot(b.se, h.se)
    w = pairs(base, head)
    assert math.log(w.low) == pytest.approx(max(within[0], apart[0]), abs=1e-9)
    assert math.log(w.high) == pytest.approx(min(within[1], apart[1]), abs=1e-9)


def test_where_the_estimates_contradict_each_other_the_narrower_one_speaks() -> None:
    base = MS * np.full(40, 1.0)
    head = base * np.array([1.0] * 28 + [1.5] * 12)  # less than the trimmed part, more than chance in differences
    differences = np.log(head / base)
    assert differences.mean() > 2.71 * differences.std(ddof=1) / math.sqrt(40)
    w = pairs(base, head)
    assert w.ratio == 1
    assert 0.99 < w.low < 1 < w.high < 1.01


def test_more_of_the_error_gives_a_narrower_interval_around_the_same_ratio() -> None:
    rng = np.random.default_rng(5)
    base, head = side(rng, 10, 1, sd=0.02, outliers=0), side(rng, 10, 1.05, sd=0.02, outliers=0)
    strict, lax = pairs(base, head, alpha=0.001), pairs(base, head, alpha=0.05)
    assert strict.low < lax.low < lax.ratio < lax.high < strict.high


def test_the_detectable_effect_is_that_of_all_pairs_the_budget_allows() -> None:
    rng = np.random.default_rng(5)
    base, head = side(rng, 5, 1, sd=0.02, outliers=0), side(rng, 5, 1, sd=0.02, outliers=0)
    assert 1.05 < pairs(base, head, most=20).mde < pairs(base, head).mde


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_pairs_decide_nothing(count: int) -> None:
    w = pairs(np.full(count, MS), np.full(count, 9 * MS))
    assert (w.low, w.high, w.mde, w.p_regressed) == (0.0, math.inf, math.inf, 1.0)


def test_pairs_that_cost_nothing_decide_nothing() -> None:
    w = pairs(np.zeros(10), np.full(10, RESOLUTION / 2))
    assert (w.low, w.high) == (0.0, math.inf)


def test_swapped_sides_give_the_reciprocal_interval() -> None:
    rng = np.random.default_rng(6)
    base, head = side(rng, 10, 1, sd=0.02, outliers=0), side(rng, 10, 1.05, sd=0.02, outliers=0)
    there, back = pairs(base, head), pairs(head, base)
    assert there.low == pytest.approx(1 / back.high)
    assert there.high == pytest.approx(1 / back.low)
