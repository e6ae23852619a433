"""Per-frame tests against a known truth: errors of the family, coverage, power, and the edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
from simulated import MS, Noise, changed, record, stack, zipf_program

from pytest_flame import fold
from pytest_flame.model import Frame, Recording
from pytest_flame.stats.between_sessions import difference
from pytest_flame.stats.frames import FrameTests, compare_frames, resolved
from pytest_flame.stats.growth import Gauge
from pytest_flame.stats.stack_table import StackTable
from pytest_flame.stats.whole import centre, compare_pairs, decide

NOISY = Noise(between=0.03, outliers=0.07)


ALPHA_LOOK = 0.01 / 6
"""What one of several looks may spend."""


def run(base: Recording, head: Recording, session_sd: float = 0.0) -> FrameTests:
    costs = [np.array([fold.cost(p) for p in r.processes], dtype=float) for r in (base, head)]
    d = difference([centre(costs[0])], centre(costs[1]), assumed_sd=session_sd)
    whole = decide(d.base, d.head, d.se, d.df, threshold=0.05, alpha=0.01)
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


def run_pairs(
    base: Recording, head: Recording, alpha: float = ALPHA_LOOK, suspects: set[str] | None = None
) -> FrameTests:
    costs = [np.array([fold.cost(p) for p in r.processes], dtype=float) for r in (base, head)]
    whole = compare_pairs(*costs, threshold=0.05, alpha=alpha, most=20)
    gauge = Gauge(StackTable(base.processes, head.processes), whole.base, whole.head, 0.0)
    frames = None if suspects is None else gauge.table.indexes(Frame("app", name) for name in suspects)
    return compare_frames(gauge, whole, threshold=0.05, frame_threshold=0.02, alpha=alpha, suspects=frames)


def first(recording: Recording, processes: int) -> Recording:
    return replace(recording, processes=recording.processes[:processes])


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
    """When one frame gets faster, the shares of all others grow, but their costs do not."""
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
    shares = run(base, with_silent).inclusive.head / run(base, with_silent).gauge.head.centre.cost
    assert np.allclose(shares, run(base, head).inclusive.head / run(base, head).gauge.head.centre.cost)


def test_scatter_between_processes_is_measured() -> None:
    program = zipf_program(60, seed=2)
    calm = next(many(program, program, 1, Noise(per_stack=0.0, samples=5000))).gauge.dispersion.cv2
    wild = next(many(program, program, 1, Noise(per_stack=0.2, samples=5000))).gauge.dispersion.cv2
    assert calm < 0.001
    assert wild == pytest.approx(0.04, rel=0.5)


@pytest.mark.parametrize(("frames", "processes", "runs"), [(50, 5, 60), (500, 5, 15), (50, 20, 15)])
@pytest.mark.parametrize("per_stack", [0.03, 0.2])
def test_pairs_of_identical_code_name_no_frame(frames: int, processes: int, runs: int, per_stack: float) -> None:
    rng = np.random.default_rng(6)
    program = zipf_program(frames, seed=frames)
    noise = Noise(processes=processes, between=0.03, per_stack=per_stack, outliers=0.1)
    assert not any(over(run_pairs(record(program, rng, noise), record(program, rng, noise))) for _ in range(runs))


def test_a_frame_is_over_exactly_where_its_lower_bound_is_above_what_is_tolerated() -> None:
    program = zipf_program(40, seed=1)
    head = changed({n: 0.05 for n in list(program)[::5]}, program)
    for t in many(program, head, 20, Noise(per_stack=0.1)):
        assert ((t.low > t.bounds(t.inclusive)) == t.inclusive_over)[
            t.inclusive.base + t.inclusive.head > t.bound
        ].all()
        assert ((t.own_low > t.bounds(t.own)) == t.own_over)[t.own.base + t.own.head > t.bound].all()
        assert ((t.p_adjusted <= t.alpha) == (t.own_over | t.inclusive_over)).all()


def test_the_own_intervals_cover_every_frame_at_once() -> None:
    base = zipf_program(40, seed=1)
    head = changed({"test > run": 0.05, "test > run > new": 0.03}, base)
    missed = 0
    for t in many(base, head, 60):
        own = [{stack(n)[-1]: c for n, c in program.items()} for program in (base, head)]
        truth = np.array([MS * (own[1].get(f, 0.0) - own[0].get(f, 0.0)) for f in t.gauge.table.frames])
        missed += not ((t.own_low <= truth) & (truth <= t.own_high)).all()
    assert missed <= 4


def test_a_growth_as_large_as_a_frame_is_blind_to_is_named() -> None:
    program = zipf_program(60, seed=3)
    leaf = min(program, key=lambda n: abs(program[n] - 0.08))
    name = leaf.split(" > ")[-1]
    rng = np.random.default_rng(0)
    calm = Noise(outliers=0.0, between=0.005)
    t = run_pairs(record(program, rng, calm), record(program, rng, calm))
    blind = float(t.blind[t.gauge.table.frames.index(Frame("app", name))]) / MS
    assert 0.03 < blind < 0.1
    head = changed({leaf: blind}, program)
    hits = sum(name in over(run_pairs(record(program, rng, calm), record(head, rng, calm))) for _ in range(40))
    assert hits >= 34
    less = changed({leaf: blind * 0.5}, program)
    assert sum(name in over(run_pairs(record(program, rng, calm), record(less, rng, calm))) for _ in range(20)) <= 10


def test_where_nothing_would_be_named_every_frame_is_blind() -> None:
    program = zipf_program(30, seed=30)
    t = next(many(program, program, 1, Noise(processes=2)))
    assert np.isinf(t.blind).all()


def test_only_suspects_are_tested_and_the_family_is_theirs() -> None:
    rng = np.random.default_rng(0)
    program = zipf_program(60, seed=3)
    leaves = [n for n in program if not any(m.startswith(n + " >") for m in program)][:2]
    head = changed({n: 0.15 for n in leaves}, program)
    one, other = (n.split(" > ")[-1] for n in leaves)
    recordings = record(program, rng, Noise(samples=2000)), record(head, rng, Noise(samples=2000))
    everything, suspected = run_pairs(*recordings), run_pairs(*recordings, suspects={one})
    assert {one, other} <= over(everything)
    assert over(suspected) == {one}
    assert suspected.size == 1
    index = suspected.gauge.table.frames.index(Frame("app", one))
    assert everything.low[index] < suspected.low[index]
    assert not over(run_pairs(*recordings, suspects={"not there"}))


@pytest.mark.parametrize("outliers", [0.0, 0.1])
def test_a_hidden_regression_is_seldom_let_go_early(outliers: float) -> None:
    """A tenth of the test half as expensive again, the total unchanged; looked at five times."""
    rng = np.random.default_rng(2)
    rest = zipf_program(40, seed=60)
    base = {names: 0.9 * cost for names, cost in rest.items()} | {"test > leaf": 0.10}
    largest = max(rest, key=lambda names: rest[names])
    head = changed({"test > leaf": 0.05, largest: -0.05}, base)
    noise = Noise(processes=20, between=0.02, outliers=outliers)
    let_go = named = 0
    for _ in range(30):
        recordings = record(base, rng, noise), record(head, rng, noise)
        for pairs in (5, 7, 10, 14, 20):
            b, h = (first(r, pairs) for r in recordings)
            t = run_pairs(b, h, alpha=0.002)
            if "leaf" in over(t):
                named += 1
                break
            if pairs < 20 and resolved(t, pairs / 20, pairs / 20, 0.002).all():
                let_go += 1
                break
    assert let_go <= 2
    assert named >= 24


def test_unchanged_code_is_let_go_at_an_early_look() -> None:
    rng = np.random.default_rng(2)
    program = zipf_program(60, seed=60)
    noise = Noise(processes=7, between=0.02, outliers=0.05)
    early = sum(
        bool(resolved(run_pairs(record(program, rng, noise), record(program, rng, noise)), 7 / 20, 7 / 20, 0.002).all())
        for _ in range(30)
    )
    assert early >= 24


def test_an_exactly_known_base_leaves_no_hole_in_the_error() -> None:
    """In pairs the base's total is exact: its part of the error is 0, not undefined."""
    rng = np.random.default_rng(0)
    program = zipf_program(30, seed=30)
    t = run_pairs(record(program, rng, Noise(processes=5)), record(program, rng, Noise(processes=5)))
    assert t.gauge.base.centre.se == 0
    for growth in (t.inclusive, t.own):
        assert np.isfinite(growth.se).all() and (growth.se > 0).all()
        assert (growth.df >= 1).all()
