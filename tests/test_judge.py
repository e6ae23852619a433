"""Policy: which comparison gets which verdict, and with which words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import SHOP, Noise, changed, record, times

from pytest_flame import judge as rules
from pytest_flame.compare import compare
from pytest_flame.judge import judge, outcome
from pytest_flame.model import (
    CPU,
    FIRST_CALL,
    Calls,
    Comparison,
    Counted,
    ExactComparison,
    Frame,
    FrameDelta,
    Judgement,
    Limits,
    Metric,
    Process,
    Recording,
    Round,
    SampleCounts,
    StackSample,
    Verdict,
)

RECORDING = record(SHOP, np.random.default_rng(0))


def comparison(ratio: float, low: float, high: float, **fields: object) -> Comparison:
    made = Comparison(
        test_id="t",
        base=10**9,
        head=round(ratio * 10**9),
        ratio=ratio,
        low=low,
        high=high,
        level=0.98,
        mde=max(1.05, high),
        base_processes=10,
        head_processes=10,
        limits=Limits(),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def delta(name: str, own: float) -> FrameDelta:
    return FrameDelta(Frame.parse(name), 0, 0, 0, 0, 0, 0, 0.001, True, True, own_delta=round(own * 10**9))


def verdict(c: Comparison, base: Recording = RECORDING, head: Recording = RECORDING) -> tuple[Verdict, str]:
    judgement = judge(c, base, head)
    assert judgement.comparison is c
    assert (judgement.base, judgement.head) == (base, head)
    return judgement.verdict, judgement.reason


CULPRIT = delta("orders.parse:tokenize", 0.024)


@pytest.mark.parametrize(
    ("c", "expected", "reason"),
    [
        (
            comparison(1.139, 1.118, 1.16),
            Verdict.REGRESSED,
            "+13.9 % [11.8, 16.0] is above the tolerated 5 %",
        ),
        (
            comparison(1.002, 0.989, 1.016, culprits=(CULPRIT,)),
            Verdict.REGRESSED,
            "`orders.parse:tokenize` grew by 2.4 % of the test (tolerated 2 %); total +0.2 % [-1.1, 1.6]",
        ),
        (
            comparison(1.002, 0.989, 1.016, culprits=(CULPRIT, delta("a:b", 0.021), delta("a:c", 0.02))),
            Verdict.REGRESSED,
            "`orders.parse:tokenize` and 2 more grew by 2.4 % of the test (tolerated 2 %); total +0.2 % [-1.1, 1.6]",
        ),
        (
            comparison(0.8, 0.78, 0.82, culprits=(delta("orders.parse:tokenize", 0.064),)),
            Verdict.REGRESSED,
            "`orders.parse:tokenize` grew by 6.4 % of the test (tolerated 5 %); total -20.0 % [-22.0, -18.0]",
        ),
        (
            comparison(0.8, 0.78, 0.82, outweighed=(CULPRIT,)),
            Verdict.IMPROVED,
            "-20.0 % [-22.0, -18.0] is faster by more than 5 %, "
            "although `orders.parse:tokenize` grew by 2.4 % of the test",
        ),
        (
            replace(comparison(1.139, 1.118, 1.16), alike=True),
            Verdict.REGRESSED,
            "+13.9 % [11.8, 16.0] is above the tolerated 5 %; everything is slower by the same factor",
        ),
        (comparison(1.002, 0.989, 1.016), Verdict.PASS, "+0.2 % [-1.1, 1.6] is within the tolerated 5 %"),
        (
            comparison(1.021, 1.008, 1.034),
            Verdict.PASS,
            "significant slowdown +2.1 % [0.8, 3.4] within the tolerated 5 %",
        ),
        (comparison(0.8, 0.78, 0.82), Verdict.IMPROVED, "-20.0 % [-22.0, -18.0] is faster by more than 5 %"),
        (comparison(0.95, 0.92, 0.97), Verdict.PASS, "-5.0 % [-8.0, -3.0] is within the tolerated 5 %"),
    ],
)
def test_verdict_and_reason(c: Comparison, expected: Verdict, reason: str) -> None:
    assert verdict(c) == (expected, reason)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.05, 1.10, Verdict.INCONCLUSIVE),
        (1.0501, 1.10, Verdict.REGRESSED),
        (0.99, 1.05, Verdict.INCONCLUSIVE),
        (0.99, 1.0499, Verdict.PASS),
        (0.90, 0.95, Verdict.PASS),
        (0.90, 0.9499, Verdict.IMPROVED),
    ],
)
def test_the_boundaries_belong_to_the_weaker_claim(low: float, high: float, expected: Verdict) -> None:
    assert verdict(comparison(math.sqrt(low * high), low, high))[0] is expected


def test_an_interval_that_spans_the_threshold_says_what_would_settle_it() -> None:
    c = comparison(1.06, 1.031, 1.09)
    assert judge(c, RECORDING, RECORDING, time_s=5.0).reason == (
        "interval [3.1, 9.0] spans the threshold 5 %; more pairs (--flame-processes=87 --flame-time=44) would settle it"
    )
    assert verdict(c)[1].endswith("more pairs (--flame-processes=87) would settle it")


def test_against_another_session_only_measuring_together_helps() -> None:
    c = comparison(1.055, 1.02, 1.091, session_sd=0.01)
    assert verdict(c)[1].endswith("measuring base and head together (--flame-against=REF) would settle it")


def test_no_time_is_enough_for_what_lies_on_the_threshold() -> None:
    assert "too close to the threshold" in verdict(comparison(1.05, 1.02, 1.08))[1]


def without_samples(recording: Recording) -> Recording:
    """Of 100 iterations per round: enough CPU for many samples."""
    return replace(
        recording,
        processes=tuple(
            replace(p, stacks={}, rounds=tuple(replace(r, iterations=100, cpu_ns=100 * r.cpu_ns) for r in p.rounds))
            for p in recording.processes
        ),
    )


@pytest.mark.parametrize("side", ["base", "head"])
@pytest.mark.parametrize("c", [comparison(1.0, 0.99, 1.01), comparison(0.5, 0.4, 0.6), comparison(2.0, 1.9, 2.1)])
def test_no_samples_is_an_error_whatever_the_clock_says(side: str, c: Comparison) -> None:
    silent = without_samples(RECORDING)
    base, head = (silent, RECORDING) if side == "base" else (RECORDING, silent)
    assert verdict(c, base, head) == (Verdict.ERROR, f"no samples: {side} has none in 10 processes")


def waiting(*, cpu_ns: int, wall_ns: int, metric: Metric = CPU) -> Recording:
    """Ten processes that have used too little CPU to be sampled."""
    rounds = (Round(1, cpu_ns, wall_ns, True),)
    return replace(RECORDING, metric=metric, processes=(Process(rounds, {}),) * 10)


@pytest.mark.parametrize("metric", [CPU, FIRST_CALL])
@pytest.mark.parametrize("c", [comparison(1.0, 0.99, 1.01), comparison(0.5, 0.4, 0.6), comparison(1.2, 0.9, 1.6)])
def test_body_that_waits_is_not_judged_and_told_what_to_do(c: Comparison, metric: Metric) -> None:
    sleeper = waiting(cpu_ns=21_400, wall_ns=1_000_400_000, metric=metric)
    found, reason = verdict(c, sleeper, sleeper)
    assert found is Verdict.INCONCLUSIVE
    assert "the body waits: 21.4 µs of CPU in 1 s on base, and only CPU is judged; measure the part" in reason


def test_body_that_waits_and_surely_uses_more_cpu_is_a_regression_by_the_clock() -> None:
    sleeper = waiting(cpu_ns=21_400, wall_ns=1_000_000_000)
    assert verdict(comparison(2.0, 1.9, 2.1), sleeper, sleeper)[0] is Verdict.REGRESSED


def test_body_that_does_not_wait_is_not_said_to() -> None:
    short = waiting(cpu_ns=500_000, wall_ns=510_000)
    found, reason = verdict(comparison(1.0, 0.99, 1.01), short, short)
    assert (found, reason[:17]) == (Verdict.INCONCLUSIVE, "0 samples of base")


def test_first_calls_are_judged_by_the_clock_where_they_are_too_short_for_samples() -> None:
    short = waiting(cpu_ns=500_000, wall_ns=510_000, metric=FIRST_CALL)
    found, reason = verdict(comparison(1.0, 0.99, 1.01), short, short)
    assert (found, reason) == (Verdict.PASS, "first call: +0.0 % [-1.0, 1.0] is within the tolerated 5 %")
    long = waiting(cpu_ns=20_000_000, wall_ns=20_000_000, metric=FIRST_CALL)
    assert verdict(comparison(1.0, 0.99, 1.01), long, long)[0] is Verdict.ERROR


def with_samples(total: int) -> Recording:
    first, *_ = RECORDING.processes
    stack = next(iter(first.stacks))
    return replace(RECORDING, processes=(replace(first, stacks={stack: StackSample(total, total * 1_000_000)}),))


def test_a_few_samples_never_pass() -> None:
    found, reason = verdict(comparison(1.0, 0.99, 1.01), RECORDING, with_samples(9))
    assert (found, reason[:17]) == (Verdict.INCONCLUSIVE, "9 samples of head")
    assert verdict(comparison(1.0, 0.99, 1.01), RECORDING, with_samples(10))[0] is Verdict.PASS


def test_a_few_samples_do_not_excuse_a_regression() -> None:
    assert verdict(comparison(1.2, 1.1, 1.3), RECORDING, with_samples(9))[0] is Verdict.REGRESSED


def test_a_recording_that_lost_most_of_its_samples_does_not_pass() -> None:
    first, *rest = RECORDING.processes
    lossy = replace(
        RECORDING, processes=(replace(first, counts=SampleCounts(taken=500, lost=9000, throttled=1000)), *rest)
    )
    assert verdict(comparison(1.0, 0.99, 1.01), RECORDING, lossy) == (
        Verdict.INCONCLUSIVE,
        "66.7 % of the samples of head are missing",
    )


@pytest.mark.parametrize(
    ("processes", "reason"),
    [
        (2, "2 processes on one side: too few to judge"),
        (1, "1 process on one side: too few to judge"),
        (10, "an iteration costs no more than the empty loop: nothing to judge"),
    ],
)
def test_an_interval_without_end_is_inconclusive(processes: int, reason: str) -> None:
    c = comparison(1.0, 0.0, math.inf, head_processes=processes, mde=math.inf)
    assert verdict(c) == (Verdict.INCONCLUSIVE, reason)


def test_cost_that_may_have_moved_is_inconclusive() -> None:
    found, reason = verdict(comparison(1.0, 0.99, 1.01, unclear=(delta("m:helper", 0.05),)))
    assert found is Verdict.INCONCLUSIVE
    assert reason.startswith("`m:helper` grew by 5 % of the test while others lost cost to it")


def test_cost_that_moved_passes() -> None:
    assert verdict(comparison(1.0, 0.99, 1.01, moved=(CULPRIT,)))[0] is Verdict.PASS


RATIOS = st.tuples(*[st.floats(0.3, 3.0)] * 3).map(sorted)


@given(RATIOS, st.booleans(), st.sampled_from([0.0, 0.01]))
def test_interval_and_verdict_always_agree(ratios: list[float], culprit: bool, session_sd: float) -> None:
    low, ratio, high = ratios
    c = comparison(ratio, low, high, culprits=(CULPRIT,) * culprit, session_sd=session_sd)
    found, reason = verdict(c)
    assert reason and "\n" not in reason
    assert (found is Verdict.REGRESSED) == (low > 1.05 or culprit)
    if found in (Verdict.PASS, Verdict.IMPROVED):
        assert high < 1.05


@pytest.mark.parametrize(
    ("found", "lenient", "strict"),
    [
        (Verdict.PASS, "passed", "passed"),
        (Verdict.IMPROVED, "passed", "passed"),
        (Verdict.REGRESSED, "failed", "failed"),
        (Verdict.INCONCLUSIVE, "skipped", "failed"),
        (Verdict.NEW, "skipped", "failed"),
        (Verdict.INCOMPATIBLE, "skipped", "failed"),
        (Verdict.ERROR, "failed", "failed"),
    ],
)
def test_outcome(found: Verdict, lenient: str, strict: str) -> None:
    assert (outcome(found, strict=False), outcome(found, strict=True)) == (lenient, strict)


def test_every_verdict_has_an_outcome() -> None:
    assert {outcome(v, strict=False) for v in Verdict} == {"passed", "skipped", "failed"}


def test_situations_without_a_comparison() -> None:
    assert rules.new("t").verdict is Verdict.NEW
    unlike = rules.incompatible("t", ["cpu model: A, here B", "libc: 2.36, here 2.39"])
    assert (unlike.verdict, unlike.reason) == (Verdict.INCOMPATIBLE, "cpu model: A, here B and 1 more")
    assert unlike.details == "cpu model: A, here B\nlibc: 2.36, here 2.39"
    assert rules.inconclusive("t", "interrupted").verdict is Verdict.INCONCLUSIVE
    broken = rules.error("t", "the body failed", "Traceback …")
    assert (broken.verdict, broken.reason, broken.details) == (Verdict.ERROR, "the body failed", "Traceback …")


# --- end to end, from recordings ----------------------------------------------------------------------------------


NOISY = Noise(between=0.02, outliers=0.07)


def verdicts(head: dict[str, float], runs: int, noise: Noise = NOISY) -> list[Verdict]:
    rng = np.random.default_rng(12)
    found = []
    for _ in range(runs):
        base, now = record(SHOP, rng, noise), record(head, rng, noise)
        found.append(judge(compare(base, now, Limits()), base, now).verdict)
    return found


def test_identical_code_is_never_a_regression_and_mostly_passes() -> None:
    found = verdicts(SHOP, 100)
    assert found.count(Verdict.REGRESSED) <= 1
    assert found.count(Verdict.PASS) >= 60
    assert set(found) <= {Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.REGRESSED}


def test_a_clear_slowdown_is_a_regression() -> None:
    assert set(verdicts(times(10, "load"), 20)) == {Verdict.REGRESSED}


def test_a_hidden_slowdown_is_a_regression() -> None:
    found = verdicts(changed({"test > lex > scan": 0.06, "test > show > fmt": -0.06}), 20)
    assert found.count(Verdict.REGRESSED) >= 17


def test_a_clear_speedup_is_an_improvement() -> None:
    assert set(verdicts(changed({"test > show > fmt": -0.2, "test > lex": -0.1}), 20)) == {Verdict.IMPROVED}


def grown(low: float, estimate: float, *, base: float = 0.1) -> FrameDelta:
    """Inclusive growth as a share of the test; the frame's self cost does not change."""
    whole = 10**9
    return FrameDelta(
        Frame.parse("orders:render"),
        0,
        0,
        round(base * whole),
        round((base + estimate) * whole),
        round(low * whole),
        round((2 * estimate - low) * whole),
        0.2,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("frame", "unresolved", "expected"),
    [
        pytest.param(grown(0.012, 0.045), True, Verdict.INCONCLUSIVE, id="surely grew, maybe by more than it may"),
        pytest.param(grown(0.012, 0.045), False, Verdict.PASS, id="no more pairs could show it"),
        pytest.param(grown(-0.002, 0.045), True, Verdict.PASS, id="may not have grown at all"),
        pytest.param(grown(0.012, 0.018), True, Verdict.PASS, id="by less than it may, as far as can be seen"),
        pytest.param(grown(0.012, 0.045, base=0.95), True, Verdict.PASS, id="within the tolerance of its own cost"),
    ],
)
def test_what_may_be_over_its_threshold_is_no_pass(frame: FrameDelta, unresolved: bool, expected: Verdict) -> None:
    c = comparison(1.002, 0.989, 1.016, frames=(frame,), unresolved=(frame.frame,) if unresolved else ())
    found, reason = verdict(c)
    assert found is expected
    assert ("`orders:render` grew by 4.5 % of the test" in reason) == (expected is Verdict.INCONCLUSIVE)


def test_what_moved_is_not_doubtful() -> None:
    frame = grown(0.012, 0.045)
    c = comparison(1.002, 0.989, 1.016, frames=(frame,), unresolved=(frame.frame,), moved=(frame,))
    assert verdict(c)[0] is Verdict.PASS


# --- calls ------------------------------------------------------------------------------------------------------------


BODY, LOAD = Frame("test_app", "test"), Frame("app", "load")


def counted(load: int, digest: str = "a", unknown: tuple[str, ...] = ()) -> Counted:
    return Counted((digest,), 2, 0, 0, unknown, Calls({BODY: 1, LOAD: load}, {(BODY, LOAD): load}))


def passed(exact: ExactComparison | None) -> Judgement:
    return Judgement("t", Verdict.PASS, "fast", exact=exact)


def test_calls_convict_whatever_the_time_says() -> None:
    judged = rules.by_calls(passed(ExactComparison(counted(1), counted(400, "b"))), 0.1)
    assert judged.verdict is Verdict.REGRESSED
    assert judged.reason == "called more often: test_app:test → app:load: 1 → 400 calls, more than 10 % more"


@pytest.mark.parametrize("threshold", [None, 500.0])
def test_more_calls_within_the_limit_or_without_one_pass(threshold: float | None) -> None:
    assert rules.by_calls(passed(ExactComparison(counted(1), counted(400, "b"))), threshold).verdict is Verdict.PASS


def test_calls_that_are_not_known_do_not_pass_a_limit_of_calls() -> None:
    assert rules.without_calls(passed(None), 0.1).verdict is Verdict.INCONCLUSIVE
    assert rules.without_calls(passed(None), None).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (counted(1, "b"), "what it executes has changed"),
        (counted(2), "not equally often"),
        (counted(1, unknown=("the network",)), "the network"),
        (Counted(("a",), 2, 0, 0, (), Calls({}, {})), "did not see its body"),
    ],
)
def test_only_equal_and_complete_passes_are_the_same_code(head: Counted, why: str) -> None:
    assert ExactComparison(counted(1), counted(1)).same_code
    exact = ExactComparison(counted(1), head)
    assert not exact.same_code
    assert why in exact.why_not
