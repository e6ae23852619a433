"""Discarding that does not use the cost, and warnings that keep their rate of false alarms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_flame.model import Outside, Process, Round
from pytest_flame.stats import noise
from pytest_flame.stats.noise import discards, warnings

QUIET = Outside(wall_ns=500_000_000, cpus=2, steal_ns=0, pressure_ns=0, queued_ns=0, involuntary_switches=4)


def process(spin: int | None = 30_000, *, cost: int = 20_000_000, outside: Outside | None = QUIET) -> Process:
    return Process(tuple(Round(10, cost, cost, True, spin) for _ in range(5)), {}, outside=outside)


def stolen(share: float) -> Process:
    return process(outside=replace(QUIET, steal_ns=round(share * 2 * QUIET.wall_ns)))


def test_the_machines_shift_is_that_of_the_fixed_loop() -> None:
    slow, fast = [process(33_000)] * 3, [process(30_000)] * 3
    assert noise.machine_shift(fast, slow) == pytest.approx(math.log(1.1))
    assert noise.machine_shift(slow, fast) == pytest.approx(-math.log(1.1))


def test_without_the_fixed_loop_on_both_sides_no_shift_is_known() -> None:
    assert noise.machine_shift([process()] * 3, [process(None)] * 3) is None
    assert noise.machine_shift([process()] * 2, [process()] * 3) is None


# --- discarding ------------------------------------------------------------------------------------------------------


def test_a_quiet_machine_loses_nothing() -> None:
    found = discards([process()] * 10, [process()] * 10)
    assert found.pairs == () and found.note == ""
    assert found.keep(10) == list(range(10))


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("disturbed", "words"),
    [
        (stolen(0.08), "8% of the CPU time stolen by other machines"),
        (process(36_000), "processor 20% slower than usual"),
        (process(24_000), "processor 20% faster than usual"),
    ],
)
def test_one_disturbed_side_takes_its_pair_along(side: int, disturbed: Process, words: str) -> None:
    sides = [[process()] * 10, [process()] * 10]
    sides[side][6] = disturbed
    found = discards(*sides)
    assert [(d.index, d.reason) for d in found.pairs] == [(6, words)]
    assert found.keep(10) == [0, 1, 2, 3, 4, 5, 7, 8, 9]


@pytest.mark.parametrize("mild", [stolen(0.04), process(32_500), process(28_000)])
def test_what_is_usual_on_a_shared_machine_stays(mild: Process) -> None:
    assert discards([process()] * 9 + [mild], [process()] * 10).pairs == ()


def test_a_tick_or_two_of_steal_is_no_share() -> None:
    short = process(outside=Outside(wall_ns=60_000_000, cpus=2, steal_ns=20_000_000))
    assert noise.steal_share(short) == pytest.approx(1 / 6)
    assert discards([short] + [process()] * 9, [process()] * 10).pairs == ()


def test_waiting_for_a_cpu_is_no_reason() -> None:
    """It is wall time; the cost is CPU time."""
    waited = process(outside=replace(QUIET, queued_ns=300_000_000, pressure_ns=500_000_000, involuntary_switches=900))
    assert discards([waited] + [process()] * 9, [process()] * 10).pairs == ()


def test_a_side_whose_code_slows_the_loop_is_compared_with_itself() -> None:
    assert discards([process(30_000)] * 10, [process(40_000)] * 10) == noise.Discards()


def test_a_machine_that_is_always_disturbed_loses_nothing_and_says_so() -> None:
    found = discards([process()] * 7 + [stolen(0.2)] * 3, [process()] * 10)
    assert found.pairs == ()
    assert found.note == (
        "3 of 10 pairs disturbed (first: 20% of the CPU time stolen by other machines); none discarded"
    )


def test_what_is_unknown_discards_nothing() -> None:
    unknown = process(None, outside=None)
    assert discards([unknown] * 5, [unknown] * 5) == noise.Discards()
    assert discards([process(None, outside=Outside(wall_ns=1))] * 5, [unknown] * 5) == noise.Discards()


def test_sides_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError):
        discards([process()], [process()] * 2)


machines = st.builds(
    lambda spin, steal: process(spin, outside=replace(QUIET, steal_ns=steal)),
    st.integers(20_000, 50_000),
    st.sampled_from([0, 0, 0, 60_000_000, 200_000_000]),
)
pairs = st.lists(st.tuples(machines, machines), min_size=1, max_size=16)


@given(pairs, st.lists(st.integers(1, 10**9), min_size=32, max_size=32))
def test_the_cost_decides_nothing_and_the_sides_are_alike(ran: list[tuple[Process, Process]], costs: list[int]) -> None:
    base, head = [b for b, _ in ran], [h for _, h in ran]
    found = discards(base, head)

    def slowed(side: list[Process], new: list[int]) -> list[Process]:
        return [
            replace(p, rounds=tuple(replace(r, cpu_ns=c, wall_ns=c) for r in p.rounds))
            for p, c in zip(side, new, strict=False)
        ]

    assert discards(slowed(base, costs[:16]), slowed(head, costs[16:])) == found
    swapped = discards(head, base)
    assert swapped.keep(len(ran)) == found.keep(len(ran))
    assert len(found.pairs) <= len(ran) / 4


def test_identical_sides_stay_equal_and_get_closer() -> None:
    """400 runs of the same code twice, where steal makes one process in twelve more expensive: at 5 % each, more than
    35 rejections have probability below 1e-3."""
    rng = np.random.default_rng(8)
    rejected, spreads = 0, []
    for _ in range(400):
        steal = (rng.random((2, 20)) < 0.08) * rng.uniform(0.05, 0.3, (2, 20))
        logs = 0.01 * rng.standard_normal((2, 20)) + steal
        stay = discards(*([stolen(s) for s in side] for side in steal)).keep(20)
        kept = (logs[1] - logs[0])[stay]
        rejected += stats.ttest_1samp(kept, 0.0).pvalue < 0.05
        spreads.append(kept.std() / (logs[1] - logs[0]).std())
    assert rejected <= 35
    assert np.median(spreads) < 0.4


# --- shares ----------------------------------------------------------------------------------------------------------


def test_shares_are_of_the_measured_time() -> None:
    seen = Outside(
        wall_ns=500_000_000,
        cpus=4,
        steal_ns=100_000_000,
        pressure_ns=250_000_000,
        queued_ns=50_000_000,
        involuntary_switches=200,
    )
    p = process(outside=seen)
    assert noise.steal_share(p) == 0.05
    assert noise.pressure_share(p) == 0.5
    assert noise.queued_share(p) == 0.1
    assert noise.switch_rate(p) == 400


def test_shares_of_what_is_unknown_are_unknown() -> None:
    for p in (
        process(None, outside=None),
        process(None, outside=Outside(wall_ns=5)),
        process(None, outside=Outside(0)),
    ):
        looks = (noise.steal_share, noise.pressure_share, noise.queued_share, noise.switch_rate)
        assert [look(p) for look in looks] == [None] * 4
        assert p.timing.spin_ns is None


# --- warnings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [8, 20])
@pytest.mark.parametrize("shape", ["normal", "skewed", "outliers"])
def test_values_in_no_order_with_one_peak_seldom_warn(n: int, shape: str) -> None:
    """400 runs: at 0.5 % each, more than 8 alarms of a kind have a probability below 1e-3."""
    rng = np.random.default_rng(n)
    alarms = np.zeros(3, dtype=int)
    for _ in range(400):
        x = 0.02 * rng.standard_normal(n)
        if shape == "skewed":
            x = 0.02 * rng.exponential(size=n)
        elif shape == "outliers":
            x += (rng.random(n) < 0.08) * rng.exponential(0.1, n)
        seen = warnings(x)
        alarms += [seen.trend is not None, seen.autocorrelation is not None, seen.modes is not None]
    assert alarms.max() <= 8


def test_a_trend_is_seen_with_its_size() -> None:
    rng = np.random.default_rng(3)
    seen = [warnings(np.linspace(0, math.log(1.06), 20) + 0.01 * rng.standard_normal(20)) for _ in range(100)]
    trends = [s.trend for s in seen if s.trend is not None]
    assert len(trends) >= 90
    assert np.median([t.change for t in trends]) == pytest.approx(0.06, abs=0.015)
    assert seen[0].words[0].startswith("cost rose ") and all(s.autocorrelation is None for s in seen if s.trend)


def test_bursts_are_seen() -> None:
    burst = np.repeat([0.0, 0.03, 0.0], 12) + 0.01 * np.random.default_rng(4).standard_normal(36)
    seen = warnings(burst)
    assert seen.autocorrelation is not None and seen.autocorrelation.lag1 > 0.4
    assert any("neighbouring processes alike" in w for w in seen.words)


def test_two_modes_are_seen_with_their_distance() -> None:
    rng = np.random.default_rng(5)
    costly = np.arange(20) % 5 < 2
    seen = warnings(rng.permutation(math.log(1.12) * costly + 0.01 * rng.standard_normal(20)))
    assert seen.modes is not None
    assert seen.modes.apart == pytest.approx(0.12, abs=0.015)
    assert seen.modes.share == pytest.approx(0.4)
    assert any("two modes 1" in w for w in seen.words)


def test_one_outlier_is_no_mode() -> None:
    x = 0.01 * np.random.default_rng(6).standard_normal(20)
    x[7] += 1.0
    assert warnings(x).modes is None


@pytest.mark.parametrize("n", [8, 20, 60])
def test_the_critical_cut_is_the_even_spreads(n: int) -> None:
    rng = np.random.default_rng(n)
    cuts = [noise.best_cut(rng.random(n))[0] for _ in range(8000)]
    assert np.quantile(cuts, 0.995) == pytest.approx(noise._CRITICAL[noise._CRITICAL_N.index(n)], abs=0.006)


def test_equal_and_few_values_warn_of_nothing() -> None:
    assert warnings(np.zeros(20)) == noise.Warnings()
    assert warnings(np.arange(7.0)) == noise.Warnings()
    assert noise.Warnings().words == ()


def test_equal_values_give_equal_warnings() -> None:
    x = np.linspace(0, 0.1, 12)
    assert warnings(x, seed=9) == warnings(x, seed=9)
