"""Scores order comparisons as the tools' own tests would."""

from __future__ import annotations

import numpy as np
from scipy import stats

from benchmarks.verdicts import equal
from benchmarks.verdicts.rules import ASV_P


def test_ranks_are_those_of_the_u_test() -> None:
    base, head = np.random.default_rng(1).normal(1, 0.1, (2, 6, 4, 5))
    head = head * np.linspace(1.0, 1.3, 6)[:, None, None]
    expected = [stats.mannwhitneyu(h.ravel(), b.ravel()) for b, h in zip(base, head, strict=True)]
    np.testing.assert_allclose(equal._mann_whitney(base, head), [u.statistic / 400 for u in expected])
    silent = np.isinf(equal._where_ranks_differ(base, head))
    significant = np.array([u.pvalue < ASV_P for u in expected])
    assert silent.any() and significant.any()
    assert (silent == ~significant).all()


def test_rounds_a_process_lacks_do_not_count() -> None:
    base, head = np.random.default_rng(1).normal(1, 0.1, (2, 1, 4, 5))
    longer = np.pad(head, ((0, 0), (0, 0), (0, 2)), constant_values=np.nan)
    wider = np.pad(base, ((0, 0), (0, 0), (0, 2)), constant_values=np.nan)
    for name in ("pytest-benchmark min", "pytest-benchmark mean", "pyperf t", "U test alone"):
        score = equal.rules(0.01)[name]
        np.testing.assert_allclose(score(wider, longer), score(base, head), err_msg=name)
