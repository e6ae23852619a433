"""Recordings with a known session variance: does the interval have its coverage, however few they are?"""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_flame.stats import student
from pytest_flame.stats.between_sessions import Difference, between, difference
from pytest_flame.stats.whole import Centre, centre

MS = 1e9
ALPHA = 0.01


def record(
    rng: np.random.Generator, session: float, *, sd: float = 0.01, n: int = 10, outliers: float = 0.08
) -> Centre:
    """One recording, its processes shifted together by ``session`` times a standard normal."""
    costs = np.exp(session * rng.standard_normal() + sd * rng.standard_normal(n))
    return centre(MS * np.where(rng.random(n) < outliers, costs * rng.uniform(1.3, 1.6, n), costs))


def compared(count: int, session: float, *, runs: int, sd: float = 0.01, assumed: float = 0.0) -> list[Difference]:
    rng = np.random.default_rng(7)
    return [
        difference([record(rng, session, sd=sd) for _ in range(count)], record(rng, session, sd=sd), assumed_sd=assumed)
        for _ in range(runs)
    ]


def reach(d: Difference) -> float:
    return float(student.quantile(1 - ALPHA, d.df)) * d.se


@pytest.mark.parametrize("session", [0.0, 0.005, 0.02, 0.05])
@pytest.mark.parametrize("count", [3, 5, 10])
def test_the_interval_covers_no_change_at_its_level(count: int, session: float) -> None:
    """At 98 %, alarms at 1 % per side; 2000 runs distinguish 1 % from 1.7 %; three sessions are allowed 1.5 %."""
    results = compared(count, session, runs=2000)
    assert np.mean([d.log_ratio > reach(d) for d in results]) <= 0.02
    assert np.mean([abs(d.log_ratio) <= reach(d) for d in results]) >= 0.963


def test_it_would_not_hold_if_few_sessions_were_taken_for_certain() -> None:
    """Why degrees of freedom matter: the same variance, taken as known."""
    results = compared(3, 0.02, runs=1000)
    z = float(student.quantile(1 - ALPHA, math.inf))
    assert np.mean([abs(d.log_ratio) <= z * d.se for d in results]) < 0.93


def test_more_sessions_see_smaller_changes() -> None:
    three, five, ten = (float(np.median([reach(d) for d in compared(n, 0.01, runs=300)])) for n in (3, 5, 10))
    assert ten < 0.8 * five < 0.8 * 0.8 * three
    assert ten < 0.035


@pytest.mark.parametrize("session", [0.01, 0.05])
def test_the_session_sd_is_found(session: float) -> None:
    rng = np.random.default_rng(3)
    found = [between([record(rng, session) for _ in range(10)]) for _ in range(400)]
    assert np.mean([b.sd**2 for b in found if b]) == pytest.approx(session**2, rel=0.1)
    assert all(b is not None and (b.df, b.sessions) == (9.0, 10) for b in found)


def test_what_processes_scatter_is_not_taken_for_a_session_sd() -> None:
    rng = np.random.default_rng(4)
    found = [between([record(rng, 0.0, sd=0.03, outliers=0.0) for _ in range(10)]) for _ in range(200)]
    assert np.mean([b.sd == 0 for b in found if b]) > 0.4
    assert max(b.sd for b in found if b) < 0.02


def test_sessions_that_agree_by_chance_are_no_certainty() -> None:
    """Centres that differ by less than their own error: the sd is 0, the interval is that of the processes."""
    calm = [Centre(1.0, 0.01, 6.0)] * 3
    d = difference(calm, Centre(1.0, 0.01, 6.0), assumed_sd=0.01)
    assert d.between is not None and d.between.sd == 0
    assert d.se == pytest.approx(0.01 * math.sqrt(1 + 1 / 3))


def test_a_head_that_happens_to_be_calm_is_not_believed() -> None:
    base = [Centre(x, 0.01, 6.0) for x in (0.98, 1.0, 1.02)]
    calm, usual, wild = (difference(base, Centre(1.0, se, 6.0), assumed_sd=0.01).se for se in (0.001, 0.01, 0.02))
    assert calm == usual < wild


@pytest.mark.parametrize("count", [1, 2])
def test_of_fewer_than_three_sessions_the_variance_is_assumed(count: int) -> None:
    side = Centre(1.0, 0.002, 6.0)
    d = difference([side] * count, side, assumed_sd=0.01)
    assert d.between is None
    share = 0.5 * (1 + 1 / count)
    assert d.se**2 == pytest.approx(share * 0.01**2 + 0.002**2 * (1 + 1 / count))


@pytest.mark.parametrize("count", [1, 5])
def test_what_the_machine_changed_is_one_more_deviation_and_no_correction(count: int) -> None:
    base, head = [Centre(1.0 + i / 1000, 0.002, 6.0) for i in range(count)], Centre(1.0, 0.002, 6.0)
    calm, shifted = (difference(base, head, assumed_sd=0.01, shift=shift) for shift in (0.0, -0.05))
    assert shifted.se**2 == pytest.approx(calm.se**2 + 0.05**2)
    assert shifted.log_ratio == calm.log_ratio


def test_the_base_is_the_mean_of_its_sessions() -> None:
    base = [Centre(x, 0.002, 6.0) for x in (1.0, 1.01, 1.05)]
    d = difference(base, Centre(1.1, 0.002, 6.0), assumed_sd=0.01)
    assert d.base.log_cost == pytest.approx(1.02)
    assert d.base.se == pytest.approx(0.002 / math.sqrt(3))
    assert d.log_ratio == pytest.approx(0.08)


def test_the_equivalent_sd_gives_the_same_reach_when_taken_as_known() -> None:
    d = compared(5, 0.02, runs=1)[0]
    known = math.sqrt(d.base.se**2 + d.head.se**2 + d.equivalent_sd(ALPHA) ** 2)
    assert float(student.quantile(1 - ALPHA, math.inf)) * known == pytest.approx(reach(d))


@pytest.mark.parametrize("where", ["base", "head"])
def test_a_recording_of_unknown_error_decides_nothing(where: str) -> None:
    known, unknown = Centre(1.0, 0.01, 6.0), Centre(1.0, math.inf, 1.0)
    base = [known, known, unknown if where == "base" else known]
    d = difference(base, unknown if where == "head" else known, assumed_sd=0.01)
    assert d.se == math.inf
    assert (d.between is None) == (where == "base")
