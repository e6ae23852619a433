"""From rounds and samples to cost per iteration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame import fold
from pytest_flame.model import Frame, Process, Recording, Round, SamplerInfo, Stack, StackSample

ROOT, F, G = Frame("t", "test"), Frame("m", "f"), Frame("m", "g")
FRAMES = st.sampled_from([ROOT, F, G])
WEIGHTS = st.dictionaries(st.lists(FRAMES, min_size=1, max_size=4).map(tuple), st.integers(0, 10**12))


def process(*costs_ns: int, loop_cost: int = 0, sampled: bool = True, iterations: int = 10) -> Process:
    rounds = tuple(Round(iterations, cost * iterations, 1, sampled) for cost in costs_ns)
    return Process(rounds, {(ROOT,): StackSample(1, 30), (ROOT, F): StackSample(3, 70)}, loop_cost=loop_cost)


def test_cost_is_the_mean_of_the_cheaper_quarter_less_the_loop() -> None:
    assert fold.cost(process(104, 100, 105, 106, 107, 900, 950, 1000, loop_cost=2_000)) == 100_000


@pytest.mark.parametrize(("rounds", "cheaper"), [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_the_cheaper_quarter_is_rounded_up(rounds: int, cheaper: int) -> None:
    assert fold.cost(process(*range(1, rounds + 1))) == round(1000 * (1 + cheaper) / 2)


def test_a_single_round_is_its_own_cheaper_quarter() -> None:
    assert fold.cost(process(100)) == 100_000


def test_cost_is_never_below_nothing() -> None:
    assert fold.cost(process(1, loop_cost=5_000)) == 0


@pytest.mark.parametrize(
    ("plain", "sampled", "cost_ns"),
    [
        pytest.param(1, 0, 80, id="plain"),
        pytest.param(0, 1, 100, id="sampled"),
        pytest.param(1, 2, 80, id="ended-early"),
        pytest.param(10, 10, 80, id="half"),
        pytest.param(1, 4, 100, id="earlier-release-short"),
        pytest.param(2, 18, 100, id="earlier-release"),
    ],
)
def test_cost_is_that_of_rounds_without_samples_where_they_are_enough(plain: int, sampled: int, cost_ns: int) -> None:
    mixed = Process((Round(1, 80, 1, False),) * plain + (Round(1, 100, 1, True),) * sampled, {})
    assert fold.cost(mixed) == 1000 * cost_ns
    assert fold.observed(Recording("t", (mixed,), SamplerInfo("timer", "cpu", True, 997), {})) == (cost_ns == 100)


def test_both_sides_are_cut_to_sampled_rounds_where_one_has_no_others() -> None:
    info = SamplerInfo("timer", "cpu", True, 997)
    half, sampled = (
        Recording("t", (Process((Round(1, 100, 1, True),) * 2 + (Round(1, 80, 1, False),) * plain, {}),) * 3, info, {})
        for plain in (2, 0)
    )
    assert fold.alike(half, half) == (half, half)
    assert fold.alike(sampled, sampled) == (sampled, sampled)
    assert fold.alike(sampled, half) == fold.alike(half, sampled) == (sampled, sampled)


def test_overhead_is_sampled_over_unsampled() -> None:
    one = Process((Round(1, 100, 1, False), Round(1, 103, 1, True)), {})
    assert fold.overhead((one,)) == pytest.approx(0.03)
    assert fold.overhead((process(100),)) is None


@given(WEIGHTS, st.integers(0, 10**15))
def test_scaling_loses_and_invents_nothing(weights: dict[Stack, int], total: int) -> None:
    scaled = fold.scale(weights, total)
    assert sum(scaled.values()) == (total if sum(weights.values()) else 0)
    assert all(cost > 0 for cost in scaled.values())
    assert scaled.keys() <= weights.keys()


@given(WEIGHTS, st.integers(0, 100))
def test_what_is_left_over_goes_to_the_largest_remainders_and_then_by_name(
    weights: dict[Stack, int], total: int
) -> None:
    whole = sum(weights.values())
    exact = {stack: divmod(weight * total, whole) for stack, weight in weights.items()} if whole else {}
    first = sorted(exact, key=lambda stack: (-exact[stack][1], stack))
    left = total - sum(part for part, _ in exact.values())
    expected = {stack: exact[stack][0] + (stack in first[:left]) for stack in exact}
    assert fold.scale(weights, total) == {stack: cost for stack, cost in expected.items() if cost}


@given(WEIGHTS)
def test_inclusive_cost_of_the_roots_is_everything(weights: dict[Stack, int]) -> None:
    totals = fold.inclusive(weights)
    assert sum(cost for stack, cost in totals.items() if len(stack) == 1) == sum(weights.values())


def test_a_recordings_profile_is_scaled_to_the_median_process() -> None:
    info = SamplerInfo("timer", "cpu-clock-looks", True, 997)
    recording = Recording("t", (process(100), process(110), process(500)), info, {})
    profile = fold.recording_profile(recording)
    profile.check()
    assert profile.total == 110_000
    assert profile.costs[(ROOT, F)] == 77_000


# --- lines -----------------------------------------------------------------------------------------------------------


def test_the_lines_of_a_function_add_up_to_its_own_cost_and_its_native_callees() -> None:
    info = SamplerInfo("timer", "cpu-clock-looks", True, 997)
    native = (ROOT, F, Frame("libc.so.6", "memcpy"))
    samples = {(ROOT,): StackSample(3, 30), (ROOT, F): StackSample(5, 50), native: StackSample(2, 20)}
    one = Process((Round(1, 1000, 1, True),), samples)
    lines = {ROOT: {3: 7}, F: {10: 2, 12: 5}, G: {1: 9}}
    costs = fold.line_costs(Recording("t", (one,), info, {}, line_weights=lines))
    assert costs == {ROOT: {3: 300_000}, F: {10: 200_000, 12: 500_000}}


def test_lines_of_several_recordings_are_pooled() -> None:
    pooled = fold.pooled_lines([{F: {1: 2, 3: 4}}, {F: {3: 5}, G: {8: 1}}, {}])
    assert pooled == {F: {1: 2, 3: 9}, G: {8: 1}}
