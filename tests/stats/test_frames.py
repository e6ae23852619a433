"""Per-frame tests against a known truth: errors of the family, coverage, power, and the edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from simulated import MS, Noise, changed, record, stack, zipf_program

from pytest_flame import fold
from pytest_flame.model import Frame, Recording
from pytest_flame.stats.frames import FrameTests, compare_frames
from pytest_flame.stats.growth import Gauge
from pytest_flame.stats.table import StackTable
from pytest_flame.stats.whole import compare_whole

NOISY = Noise(between=0.03, outliers=0.07)


def run(base: Recording, head: Recording, session_sd: float = 0.0) -> FrameTests:
    costs = [np.array([fold.cost_ps(p) for p in r.processes], dtype=float) for r in (base, head)]
    whole = compare_whole(*costs, threshold=0.05, alpha=0.01, session_sd=session_sd)
    gauge = Gauge(StackTable(base.processes, head.processes), whole.base, whole.head, session_sd)
    return compare_frames(gauge, whole, threshold=0.05, frame_threshold=0.02, alpha=0.01)


def many(
    base: Mapping[str, float],
    head: Mapping[str, float],
    runs: int,
    noise: Noise = NOISY,
    head_noise: Noise | None = None,
    session_sd: float = 0.0,
) -> Iterator[FrameTests]:
    rng = np.random.default_rng(4)
    for _ in range(runs):
        yield run(record(base, rng, noise), record(head, rng, head_noise or noise), session_sd)


def over(tests: FrameTests) -> set[str]:
    flags = tests.inclusive_over | tests.own_over
    return {f.qualname for f, flag in zip(tests.gauge.table.frames, flags, strict=True) if flag}


def inclusive_truth(program: Mapping[str, float], frame: Frame) -> float:
    return MS * sum(cost for names, cost in program.items() if frame in stack(names))


@pytest.mark.parametrize("frames", [5, 60])
@pytest.mark.parametrize(
    "noise",
    [NOISY, Noise(per_stack=0.15), Noise(samples=20), Noise(processes=4)],
    ids=["outliers", "scattered", "20 samples", "4 processes"],
)
def test_identical_code_names_no_frame(frames: int, noise: Noise) -> None:
    program = zipf_program(frames, seed=frames)
    runs = [bool(over(t)) for t in many(program, program, 60, noise)]
    assert sum(runs) <= 1


@pytest.mark.parametrize("frames", [5, 60])
def test_significant_is_family_wise_at_the_level_of_the_intervals(frames: int) -> None:
    program = zipf_program(frames, seed=frames)
    wrong = sum(t.significant.any() for t in many(program, program, 150))
    assert wrong <= 8  # 2 % of 150 are 3; more than 8 come once in 250


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_growth_of_exactly_the_bound_is_named_in_one_percent(share: float) -> None:
    program = zipf_program(30, seed=30)
    frame = min(program, key=lambda names: abs(program[names] - share))
    wrong = sum(bool(over(t)) for t in many(program, changed({frame: 0.02}, program), 100, Noise()))
    assert wrong <= 4


def test_the_intervals_cover_every_frame_at_once() -> None:
    base = zipf_program(40, seed=1)
    leaf = min(base, key=lambda names: abs(base[names] - 0.05))
    head = changed({leaf: 0.05, "test > run > new": 0.03}, base)
    missed = 0
    for t in many(base, head, 100):
        truth = np.array([inclusive_truth(head, f) - inclusive_truth(base, f) for f in t.gauge.table.frames])
        missed += not ((t.low <= truth) & (truth <= t.high)).all()
    assert missed <= 6


@pytest.mark.parametrize("drift", [0.02, 0.03, -0.03])
def test_a_drift_of_the_whole_session_names_no_frame(drift: float) -> None:
    program = {"test": 0.03, "test > run": 0.57, "test > run > a": 0.40}
    drifted = Noise(session=float(np.log1p(drift)))
    wrong = sum(bool(over(t)) for t in many(program, program, 100, Noise(), drifted, session_sd=0.01))
    assert wrong <= 2


@pytest.mark.parametrize(("growth", "found"), [(0.04, 0.8), (0.06, 0.98)])
def test_power_for_a_small_leaf(growth: float, found: float) -> None:
    program = zipf_program(120, seed=3)
    leaf = min((n for n in program if not any(m.startswith(n + " >") for m in program)), key=lambda n: program[n])
    hits = sum(
        leaf.split(" > ")[-1] in over(t) for t in many(program, changed({leaf: growth}, program), 50, session_sd=0.01)
    )
    assert hits >= found * 50


def test_the_smallest_growth_that_is_stated_visible_is_seen() -> None:
    program = zipf_program(60, seed=3)
    rng = np.random.default_rng(0)
    stated = run(record(program, rng), record(program, rng)).blind_below / MS
    assert 0.02 < stated < 0.06
    hits = sum("new" in over(t) for t in many(program, changed({"test > run > new": stated}, program), 60, Noise()))
    assert hits >= 0.85 * 60


def test_a_frame_that_got_faster_is_significant_and_not_over() -> None:
    program = zipf_program(30, seed=30)
    largest = max(program, key=lambda names: program[names])
    t = next(many(program, changed({largest: -0.15}, program), 1))
    index = t.gauge.table.frames.index(stack(largest)[-1])
    assert t.significant[index]
    assert t.inclusive.delta[index] < 0
    assert not over(t)


def test_shares_do_not_make_others_look_slower() -> None:
    """When one frame gets faster all others' shares grow, and their costs do not."""
    program = {"test > a": 0.5, "test > b": 0.3, "test > c": 0.2}
    t = next(many(program, {**program, "test > a": 0.1}, 1, Noise(samples=5000)))
    changed_frames = {f.qualname for f, s in zip(t.gauge.table.frames, t.significant, strict=True) if s}
    assert changed_frames == {"a", "test"}


def test_a_frame_that_is_all_of_the_test_is_judged_by_the_whole_test() -> None:
    base = {"test > run > a": 0.5, "test > run > b": 0.5}
    head = {names: cost * 1.04 for names, cost in base.items()}
    t = next(many(base, head, 1, Noise(between=0.001, per_stack=0.0, samples=50_000)))
    assert "run" not in over(t)
    assert "test" not in over(t)


def test_frames_of_one_side_only_have_a_cost_of_zero_and_an_error_above_it() -> None:
    t = next(many({"test > a": 1.0}, {"test > a": 1.0, "test > b": 0.2}, 1))
    index = t.gauge.table.frames.index(stack("b")[0])
    assert t.inclusive.base[index] == 0
    assert t.inclusive.base_se[index] > 0
    assert over(t) == {"b"} | (over(t) & {"test"})


def test_too_few_processes_name_nothing() -> None:
    program = zipf_program(30, seed=30)
    head = changed({"test > run > new": 0.5}, program)
    assert not over(next(many(program, head, 1, Noise(processes=2))))


def test_a_process_without_samples_says_nothing_about_where() -> None:
    rng = np.random.default_rng(0)
    program = zipf_program(30, seed=30)
    base = record(program, rng)
    head = record(program, rng)
    silent = record(program, rng, Noise(processes=1, samples=0)).processes
    with_silent = Recording(head.test_id, (*head.processes, *silent), head.sampler, head.fingerprint)
    assert not over(run(base, with_silent))
    shares = run(base, with_silent).inclusive.head / run(base, with_silent).gauge.head.centre.ps
    assert np.allclose(shares, run(base, head).inclusive.head / run(base, head).gauge.head.centre.ps)


def test_scatter_between_processes_is_measured() -> None:
    program = zipf_program(60, seed=2)
    calm = next(many(program, program, 1, Noise(per_stack=0.0, samples=5000))).gauge.dispersion.cv2
    wild = next(many(program, program, 1, Noise(per_stack=0.2, samples=5000))).gauge.dispersion.cv2
    assert calm < 0.001
    assert wild == pytest.approx(0.04, rel=0.5)
