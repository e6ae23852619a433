"""Raw samples become the stacks of a test: rooted at its body, nothing attributed to others, missing ones reported."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.model import KERNEL_NOT_SAMPLED, Frame, SampleCounts, SamplerInfo, SourceLine, StackSample
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.profile_source import NATIVE_THREAD, TRUNCATED, RawFrame, RawLine, RawSamples, RawStack
from pytest_flame.sampling.stacks import CHILDREN_NOT_SAMPLED, Clocks, FoldedSamples, fold_samples

MS = 1_000_000
S = 1_000_000_000
PERF = SamplerInfo("perf-sigtrap", "task-clock", True, 1000)
PERF_USER = SamplerInfo("perf-sigtrap", "task-clock", False, 1000)
TIMER = SamplerInfo("timer", "cpu-clock-looks", True, 1000)
CYCLES = SamplerInfo("perf-sigtrap", "cycles:u", False, 1000)
KERNEL = SamplerInfo("perf-sigtrap", "task-clock", True, 1000, kernel_frames=True)

BODY = RawFrame("test_it", "/repo/test_it.py", 3)
PARSE = RawFrame("parse", "/repo/src/orders/parse.py", 10)
TOKEN = RawFrame("Tokens.next", "/repo/src/orders/parse.py", 40)
RUNNER = RawFrame("pytest_pyfunc_call", "/site/_pytest/python.py", 1)
LOOP = RawFrame("BaseEventLoop._run_once", "/pylib/asyncio/base_events.py", 1)
THREAD = RawFrame("Thread._bootstrap", "/pylib/threading.py", 1)
READ = RawFrame("vfs_read", "", 0, library="kernel")
METER = RawFrame("Meter.enter", "/site/pytest_flame/sampling/meter.py", 1)

ROOT = Frame("test_it", "test_it")


class Namer(FrameNamer):
    """Search path without a disk."""

    def __init__(self) -> None:
        super().__init__("/repo", ())
        self._entries = ["/repo/src", "/site", "/repo", "/pylib"]


def fold(
    *stacks: RawStack, sampler: SamplerInfo = PERF, clocks: Clocks | None = None, counts: SampleCounts | None = None
) -> FoldedSamples:
    """Folds samples; without ``clocks`` exactly as many ticks were due as arrived."""
    taken = sum(s.count for s in stacks)
    weight = sum(s.weight_ns for s in stacks)
    raw = RawSamples(stacks, counts or SampleCounts(taken=taken), weight)
    return fold_samples(raw, Namer(), BODY, clocks or Clocks(weight, 0, 0, float(taken)), sampler)


def stack(*frames: RawFrame, count: int = 1, cut: bool = True) -> RawStack:
    return RawStack(frames, cut, count, count * MS)


# --- shape -----------------------------------------------------------------------------------------------------------


def test_frames_are_named_and_keep_their_weight() -> None:
    folded = fold(stack(BODY, PARSE, count=2), stack(BODY, PARSE, TOKEN, count=3))
    parse, token = Frame("orders.parse", "parse"), Frame("orders.parse", "Tokens.next")
    assert folded.stacks == {
        (ROOT, parse): StackSample(2, 2 * MS),
        (ROOT, parse, token): StackSample(3, 3 * MS),
    }


def test_lines_are_those_of_the_repository() -> None:
    folded = fold(stack(BODY, PARSE, TOKEN))
    assert folded.lines == {
        ROOT: SourceLine("test_it.py", 3),
        Frame("orders.parse", "parse"): SourceLine("src/orders/parse.py", 10),
        Frame("orders.parse", "Tokens.next"): SourceLine("src/orders/parse.py", 40),
    }


def test_the_runner_between_hook_and_body_is_left_out() -> None:
    assert fold(stack(RUNNER, BODY, PARSE)).stacks == fold(stack(BODY, PARSE)).stacks


def test_an_event_loops_own_work_is_the_bodys() -> None:
    folded = fold(stack(RUNNER, LOOP))
    assert list(folded.stacks) == [(ROOT, Frame("asyncio.base_events", LOOP.qualname))]


def test_other_threads_hang_below_the_body() -> None:
    folded = fold(stack(THREAD, PARSE, cut=False), stack(NATIVE_THREAD, cut=False), stack(TRUNCATED, TOKEN, cut=False))
    assert set(folded.stacks) == {
        (ROOT, Frame("threading", "Thread._bootstrap"), Frame("orders.parse", "parse")),
        (ROOT, Frame("[native]", "[native thread]")),
        (ROOT, Frame("[stack]", "[truncated]"), Frame("orders.parse", "Tokens.next")),
    }


def test_the_measuring_itself_is_left_out() -> None:
    assert fold(stack(METER), stack(RUNNER), stack(BODY, METER)).stacks == {}


def test_a_measured_block_inside_a_function_is_rooted_at_the_body() -> None:
    """``flame(func)`` cuts above ``func``: the body is not on the stack."""
    assert list(fold(stack(PARSE)).stacks) == [(ROOT, Frame("orders.parse", "parse"))]


def test_what_is_cut_without_a_frame_is_a_c_function_that_the_loop_calls() -> None:
    """The rest is the loop's own."""
    clocks = Clocks(10 * MS, 0, 0, 10.0, loop_ns=4 * MS)
    folded = fold(stack(count=10), stack(PARSE, count=2), clocks=clocks)
    assert folded.stacks == {
        (ROOT,): StackSample(6, 6 * MS),
        (ROOT, Frame("orders.parse", "parse")): StackSample(2, 2 * MS),
    }
    assert fold(stack(count=3), clocks=clocks).stacks == {}, "all of it was the loop"


def test_functions_of_one_name_are_one_frame() -> None:
    """Closures and re-imported modules have many code objects."""
    again = RawFrame("parse", "/repo/src/orders/parse.py", 99)
    folded = fold(stack(BODY, PARSE), stack(BODY, again))
    assert folded.stacks == {(ROOT, Frame("orders.parse", "parse")): StackSample(2, 2 * MS)}


FRAMES = st.sampled_from([BODY, PARSE, TOKEN, RUNNER, LOOP, THREAD, METER, NATIVE_THREAD, TRUNCATED])
STACKS = st.builds(
    RawStack, st.lists(FRAMES, min_size=1, max_size=6).map(tuple), st.booleans(), st.integers(1, 9), st.integers(1, S)
)


@given(st.lists(STACKS, max_size=12))
def test_every_stack_begins_at_the_body_and_no_weight_is_invented(stacks: list[RawStack]) -> None:
    folded = fold(*stacks)
    assert all(s[0] == ROOT for s in folded.stacks)
    assert sum(s.weight_ns for s in folded.stacks.values()) <= sum(s.weight_ns for s in stacks)
    own = [next((f for f in reversed(s.frames) if f not in (NATIVE_THREAD, TRUNCATED)), None) == METER for s in stacks]
    whole = [s for s, meter in zip(stacks, own, strict=True) if not s.cut and not meter]
    assert sum(s.count for s in folded.stacks.values()) >= sum(s.count for s in whole)
    assert list(folded.stacks) == sorted(folded.stacks)


# --- kernel time -----------------------------------------------------------------------------------------------------


def user_only(taken: int, *, cpu_ns: int, system_ns: int, sampler: SamplerInfo = PERF_USER) -> FoldedSamples:
    clocks = Clocks(cpu_ns, system_ns, 0, cpu_ns / MS)
    return fold(stack(BODY, PARSE, count=taken), sampler=sampler, clocks=clocks)


def test_kernel_time_that_cannot_be_sampled_is_a_frame_of_its_own() -> None:
    folded = user_only(600, cpu_ns=S, system_ns=400 * MS)
    assert folded.stacks[(ROOT, KERNEL_NOT_SAMPLED)] == StackSample(400, 400 * MS)
    assert folded.stacks[(ROOT, Frame("orders.parse", "parse"))] == StackSample(600, 600 * MS)
    assert folded.counts.throttled == 0


def test_what_the_kernels_own_clock_does_not_explain_is_missing_samples() -> None:
    folded = user_only(300, cpu_ns=S, system_ns=100 * MS)
    explained = 100 * MS + 4 * math.sqrt(100 * MS * 4 * MS)
    kernel = folded.stacks[(ROOT, KERNEL_NOT_SAMPLED)]
    assert kernel.weight_ns == round(explained)
    assert folded.counts.throttled == pytest.approx(700 - explained / MS, abs=1)


def test_where_all_ticks_arrived_there_is_no_kernel_time() -> None:
    folded = user_only(1000, cpu_ns=S, system_ns=50 * MS)
    assert (ROOT, KERNEL_NOT_SAMPLED) not in folded.stacks


def test_kernel_time_beside_a_hardware_counter_follows_the_clock() -> None:
    folded = user_only(600, cpu_ns=S, system_ns=250 * MS, sampler=CYCLES)
    assert folded.stacks[(ROOT, KERNEL_NOT_SAMPLED)] == StackSample(200, 250 * MS)


@pytest.mark.parametrize("sampler", [PERF, TIMER, KERNEL])
def test_sampled_kernel_time_is_at_its_place_already(sampler: SamplerInfo) -> None:
    folded = fold(stack(BODY, PARSE, count=600), sampler=sampler, clocks=Clocks(S, 400 * MS, 0, 1000.0))
    assert (ROOT, KERNEL_NOT_SAMPLED) not in folded.stacks


def test_a_hardware_counters_samples_stand_for_the_user_time() -> None:
    """Whatever number of cycles each of them counted."""
    clocks = Clocks(S, 250 * MS, 0, 1000.0)
    folded = fold(stack(BODY, PARSE, count=20), stack(BODY, TOKEN, count=10), sampler=CYCLES, clocks=clocks)
    assert folded.stacks[(ROOT, Frame("orders.parse", "parse"))] == StackSample(20, 500 * MS)
    assert folded.stacks[(ROOT, Frame("orders.parse", "Tokens.next"))] == StackSample(10, 250 * MS)


def test_kernel_frames_lie_below_the_system_calls_caller() -> None:
    folded = fold(stack(BODY, PARSE, READ), sampler=KERNEL)
    assert list(folded.stacks) == [(ROOT, Frame("orders.parse", "parse"), Frame("kernel", "vfs_read"))]


def test_the_samplers_own_system_calls_are_nobodys_cost() -> None:
    assert fold(stack(METER, READ, cut=False), sampler=KERNEL).stacks == {}


def test_nothing_sampled_needs_no_kernel() -> None:
    assert fold(sampler=PERF_USER, clocks=Clocks(0, 0, 0, 0.0)).stacks == {}
    assert fold(sampler=CYCLES, clocks=Clocks(0, 0, 0, 0.0)).stacks == {}


@pytest.mark.parametrize("sampler", [PERF, PERF_USER, TIMER, CYCLES])
def test_cpu_of_children_is_a_frame_of_its_own(sampler: SamplerInfo) -> None:
    folded = fold(stack(BODY, PARSE, count=10), sampler=sampler, clocks=Clocks(10 * MS, 0, 7 * MS, 10.0))
    assert folded.stacks[(ROOT, CHILDREN_NOT_SAMPLED)] == StackSample(7, 7 * MS)


def test_children_alone_are_not_nothing() -> None:
    folded = fold(clocks=Clocks(0, 0, 7 * MS, 0.0))
    assert folded.stacks[(ROOT, CHILDREN_NOT_SAMPLED)].weight_ns == 7 * MS
    assert folded.stacks[(ROOT, CHILDREN_NOT_SAMPLED)].count >= 1


# --- missing samples -------------------------------------------------------------------------------------------------


def test_ticks_that_should_have_come_are_counted() -> None:
    folded = fold(stack(BODY, PARSE, count=500), clocks=Clocks(S, 0, 0, 1000.0))
    assert folded.counts.throttled == 500


def test_every_way_a_tick_can_arrive_counts() -> None:
    counts = SampleCounts(taken=500, unwindable=100, lost=100, overflowed=100, late=200)
    folded = fold(stack(BODY, PARSE, count=500), clocks=Clocks(S, 0, 0, 1000.0), counts=counts)
    assert folded.counts == counts


@pytest.mark.parametrize("missing", [0, 100, -100])
def test_what_the_rounds_random_phases_explain_is_not_missing(missing: int) -> None:
    folded = fold(stack(BODY, PARSE, count=1000 - missing), clocks=Clocks(S, 0, 0, 1000.0))
    assert folded.counts.throttled == 0


@pytest.mark.parametrize(("seen_ns", "throttled"), [(S, 0), (900 * MS, 0), (400 * MS, 600), (1100 * MS, 0)])
def test_the_timers_missing_ticks_follow_the_weight_they_should_have(seen_ns: int, throttled: int) -> None:
    sampled = RawStack((BODY, PARSE), True, 700, seen_ns)
    folded = fold(sampled, sampler=TIMER, clocks=Clocks(S, 0, 0, 1000.0))
    assert folded.counts.throttled == throttled


# --- lines -----------------------------------------------------------------------------------------------------------


def test_lines_are_those_of_the_functions_that_are_shown() -> None:
    stacks = (stack(RUNNER, BODY, PARSE, count=3),)
    sampled = [(PARSE, 12, 2), (PARSE, 14, 1), (RUNNER, 5, 4), (METER, 7, 1), (TOKEN, 41, 1)]
    lines = tuple(RawLine(frame, line, count, count * MS) for frame, line, count in sampled)
    raw = RawSamples(stacks, SampleCounts(taken=3), 3 * MS, lines)
    folded = fold_samples(raw, Namer(), BODY, Clocks(3 * MS, 0, 0, 3.0), PERF)
    assert folded.line_weights == {Frame("orders.parse", "parse"): {12: 2 * MS, 14: MS}}
