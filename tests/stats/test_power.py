import math

import pytest
from scipy import optimize, stats

from pytest_flame.stats import power


@pytest.mark.parametrize("alpha", [0.01, 1e-4])
@pytest.mark.parametrize("df", [4, 10, 30])
def test_distance_is_the_noncentrality_seen_with_95_percent(alpha: float, df: float) -> None:
    critical = stats.t.ppf(1 - alpha, df)
    exact = optimize.brentq(lambda nc: stats.nct.sf(critical, df, nc) - power.POWER, 0, 60)
    assert exact <= power.distance(alpha, df) <= 1.035 * exact


@pytest.mark.parametrize("se", [0.0, 1e-9, 0.01, 0.5, 1e6, math.inf])
def test_smallest_ratio_is_never_below_the_threshold(se: float) -> None:
    assert power.smallest_ratio(0.05, se, 8, 0.01) >= 1.05


def test_without_noise_the_threshold_itself_is_detectable() -> None:
    assert power.smallest_ratio(0.05, 0.0, 8, 0.01) == 1.05


def test_smallest_share_shrinks_towards_the_bound_as_samples_grow() -> None:
    shares = [
        power.smallest_share(0.02, n, dispersion=1.0, prop_sd=0.01, df=20, alpha=1e-4) for n in (200, 2000, 2e4, 2e8)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(0.02, rel=0.1)


def test_smallest_share_is_all_where_nothing_can_be_seen() -> None:
    assert power.smallest_share(0.02, 3, dispersion=1.0, prop_sd=1.0, df=2, alpha=1e-4) == 1.0
