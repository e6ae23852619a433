"""Windows are fair: sides are drawn within pairs, and only windows that do not overlap count."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.verdicts import bank, choose, sequence
from pytest_flame.model import Process, Recording, Round, SamplerInfo


def test_windows_keep_pairs_together() -> None:
    logs = np.arange(24.0).reshape(12, 2)
    base, head = choose.Series("bank", "json", logs).windows(5, np.random.default_rng(1))
    assert base.shape == head.shape == (8 * choose.SWAPS, 5)
    assert (abs(base - head) == 1).all()
    assert (np.minimum(base, head) % 2 == 0).all()
    assert 0.3 < np.mean(head > base) < 0.7


def test_effective_comparisons() -> None:
    assert choose.Series("bank", "json", np.zeros((23, 2))).effective(10) == 2


def test_bounds_count_what_they_should() -> None:
    bounds = choose.Bounds(np.array([-0.02, 0.01, 0.06]), np.array([0.02, 0.04, 0.09]), 3)
    assert bounds.alarms(0.0) == pytest.approx(2 / 3)
    assert bounds.alarms(0.05) == pytest.approx(1 / 3)
    assert bounds.alarms(0.05, effect=0.05) == pytest.approx(2 / 3)
    assert bounds.passes(0.05) == pytest.approx(2 / 3)
    assert bounds.coverage == pytest.approx(1 / 3)


def test_rounds_are_merged_by_cost_and_iterations() -> None:
    rounds = tuple(Round(10, cost, cost, sampled=True) for cost in (100, 300, 200, 200, 900))
    recording = Recording("t", (Process(rounds, {}, loop_cost=1000),), SamplerInfo("timer", "cpu", False, 997), {})
    entry = bank.Entry("json", "quiet", 0, False, 0.0, 1.0, 0.0, 1.0, recording)
    found = choose.round_costs([entry], costing_only=True, seconds=60, merge=2)
    assert found.tolist() == [[19.0, 19.0]]


def test_sequences_stop_where_they_are_decided() -> None:
    looks = [(5, np.array([-0.1, 0.02, -0.1]), np.array([0.1, 0.2, 0.01])), (10, np.array([0.1, -1, -1]), np.ones(3))]
    ended = sequence.ended(looks, threshold=0.0, effect=0.0)
    assert dataclasses.astuple(ended) == pytest.approx((2 / 3, 0.0, 25 / 3))
    assert sequence.ended(looks, threshold=0.05, effect=0.0).passed == pytest.approx(1 / 3)
