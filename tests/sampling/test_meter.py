"""The exact clock of a round, and what the sampler is told."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pytest_flame.errors import FlameError, UsageError
from pytest_flame.model import Round
from pytest_flame.sampling.meter import Meter

NewMeter = Callable[..., Meter]
MS = 1_000_000


def one_round(meter: Meter, work: Callable[[], None], *, sampled: bool = True, iterations: int = 1) -> Round:
    meter.begin(sampled=sampled)
    meter.enter()
    work()
    meter.leave()
    return meter.end(iterations)


def test_a_round_is_the_cpu_and_wall_time_of_its_region(new_meter: NewMeter, clocks: Any) -> None:
    meter = new_meter()
    meter.begin(sampled=False)
    clocks.work(7 * MS, faults=100)  # set-up
    meter.enter()
    clocks.work(3 * MS, waited_ns=5 * MS, faults=20)
    meter.leave()
    clocks.work(11 * MS, faults=300)  # tear-down
    assert meter.end(10) == Round(
        iterations=10, cpu_ns=3 * MS, wall_ns=8 * MS, sampled=False, spin_ns=31_000, minor_faults=20
    )


def test_regions_of_a_round_add_up_and_the_next_round_starts_anew(new_meter: NewMeter, clocks: Any) -> None:
    meter = new_meter()
    meter.begin(sampled=False)
    for _ in range(3):
        meter.enter()
        clocks.work(2 * MS)
        meter.leave()
        clocks.work(9 * MS)
    assert meter.regions == 3
    assert meter.elapsed_ns == 33 * MS
    assert meter.end(3).cpu_ns == 6 * MS
    assert one_round(meter, lambda: clocks.work(MS)).cpu_ns == MS
    assert meter.regions == 1


def test_children_count_and_are_kept_apart_for_the_samples(new_meter: NewMeter, clocks: Any) -> None:
    meter = new_meter()
    done = one_round(meter, lambda: clocks.work(4 * MS, system_ns=MS, child_ns=6 * MS))
    assert done.cpu_ns == 10 * MS
    assert (meter.sampled_cpu_ns, meter.sampled_child_ns, meter.sampled_system_ns) == (4 * MS, 6 * MS, MS)


def test_the_samplers_own_thread_is_taken_off(new_meter: NewMeter, clocks: Any, sampler: Any) -> None:
    def work() -> None:
        clocks.work(5 * MS)
        sampler.helper_ns += 2 * MS

    assert one_round(new_meter(), work).cpu_ns == 3 * MS


def test_what_entering_and_leaving_costs_is_taken_off_each_region(new_meter: NewMeter, clocks: Any) -> None:
    meter = new_meter()
    meter.region_cost_ns = 1500.0
    meter.begin(sampled=False)
    for _ in range(4):
        meter.enter()
        clocks.work(MS)
        meter.leave()
    assert meter.end(4).cpu_ns == 4 * MS - 6000
    assert one_round(meter, lambda: clocks.work(1000)).cpu_ns == 0  # never below 0


def test_the_sampler_runs_inside_regions_only(new_meter: NewMeter, clocks: Any, sampler: Any) -> None:
    meter = new_meter()
    one_round(meter, lambda: clocks.work(MS))
    assert sampler.calls == ["start", "resume", "pause", "stop"]


def test_rounds_that_are_not_sampled_leave_the_sampler_alone(new_meter: NewMeter, clocks: Any, sampler: Any) -> None:
    meter = new_meter()
    one_round(meter, lambda: clocks.work(MS), sampled=False)
    assert sampler.calls == []
    assert meter.sampled_cpu_ns == meter.ticks_due == 0


def test_period_and_phase_are_drawn_anew_for_each_round(new_meter: NewMeter, clocks: Any, sampler: Any) -> None:
    meter = new_meter()
    for _ in range(50):
        one_round(meter, lambda: clocks.work(MS))
    assert len(set(sampler.periods)) == len(set(sampler.seeds)) == 50
    assert all(0.9 * MS <= p <= 1.1 * MS for p in sampler.periods)
    assert min(sampler.periods) < 0.93 * MS and max(sampler.periods) > 1.07 * MS
    assert all(0 <= s < 2**63 for s in sampler.seeds)


def test_equal_seeds_draw_equal_periods(new_meter: NewMeter, clocks: Any, sampler: Any) -> None:
    for seed in (5, 5, 6):
        one_round(new_meter(seed), lambda: clocks.work(MS))
    assert sampler.periods[0] == sampler.periods[1] != sampler.periods[2]
    assert sampler.seeds[0] == sampler.seeds[1] != sampler.seeds[2]


def test_ticks_due_follow_each_rounds_own_period(new_meter: NewMeter, clocks: Any, sampler: Any) -> None:
    sampler.info = replace(sampler.info, frequency_hz=100)
    meter = new_meter()
    for _ in range(3):
        one_round(meter, lambda: clocks.work(70 * MS))
    assert meter.ticks_due == pytest.approx(sum(70 * MS / p for p in sampler.periods))
    assert all(9 * MS <= p <= 11 * MS for p in sampler.periods)


def test_a_region_inside_a_region_is_refused(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.begin(sampled=False)
    meter.enter()
    with pytest.raises(UsageError, match="inside another one"):
        meter.enter()


def test_an_abandoned_round_stops_the_sampler_and_is_forgotten(new_meter: NewMeter, clocks: Any, sampler: Any) -> None:
    meter = new_meter()
    meter.begin(sampled=True)
    meter.enter()
    clocks.work(5 * MS)
    meter.abandon()
    meter.abandon()
    assert sampler.calls == ["start", "resume", "stop"]
    assert meter.sampled_cpu_ns == 0
    assert one_round(meter, lambda: clocks.work(MS)).cpu_ns == MS


def test_a_sampler_that_cannot_start_again_says_why(new_meter: NewMeter, sampler: Any) -> None:
    sampler.refuses = OSError(errno.EMFILE, "perf_event_open: Too many open files")
    with pytest.raises(FlameError, match="Too many open files"):
        new_meter().begin(sampled=True)
