"""Results are gone on from, and intervals are what their tables say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy import stats

from benchmarks.sampler import series


@pytest.mark.parametrize(("share", "trials"), [(0.7, 997), (0.01, 4000), (0.5, 20), (0.2, 1)])
def test_the_binomial_interval_is_the_exact_one(share: float, trials: int) -> None:
    low, high = series.binomial_interval(share, trials, 0.99)
    exact = stats.binom(trials, share)
    assert exact.cdf(low - 1) <= 0.005 < exact.cdf(low)
    assert exact.sf(high) <= 0.005 < exact.sf(high - 1)


def test_the_median_interval_lies_between_order_statistics() -> None:
    interval = series.median_interval([float(i) for i in range(70, 0, -1)])
    assert (interval.middle, interval.low, interval.high) == (35.5, 27.0, 44.0)
    # The chance that the median lies outside, from the sign test.
    assert 2 * stats.binom(70, 0.5).cdf(26 - 1) <= 0.05


def test_few_values_give_all_of_them() -> None:
    interval = series.median_interval([2.0, 1.0])
    assert (interval.low, interval.high) == (1.0, 2.0)


def test_results_of_this_version_are_gone_on_from_and_others_left_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "results.jsonl"
    first = series.Series(path)
    first.add({"load": "a", "repeat": 0})
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"source": "another", "load": "a", "repeat": 1}) + "\n")
    again = series.Series(path)
    assert [row["repeat"] for row in again.having(load="a")] == [0]
    assert "1 results of other versions" in capsys.readouterr().out
