"""From two recordings to a Comparison: every field of the model, and the edge cases."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import LIBRARY, MS, SHOP, Noise, changed, record, stack, times

from pytest_flame.compare import STORED_SESSION_SD, compare, project_frames
from pytest_flame.errors import IntegrityError
from pytest_flame.judge import judge
from pytest_flame.model import (
    KERNEL_NOT_SAMPLED,
    Change,
    Comparison,
    Frame,
    Limits,
    Recording,
    SourceLine,
    StackSample,
    Verdict,
)

LIMITS = Limits()
CALM = Noise()


def run(head: dict[str, float], noise: Noise = CALM, limits: Limits = LIMITS, seed: int = 0) -> Comparison:
    rng = np.random.default_rng(seed)
    return compare(
        record(SHOP, rng, noise, library=LIBRARY), record(head, rng, noise, library=LIBRARY), limits, session_sd=0.01
    )


def test_the_totals_are_those_of_the_exact_clock() -> None:
    c = run(times(1.5, "test"))
    assert c.base == pytest.approx(MS, rel=0.03)
    assert c.head == pytest.approx(1.5 * MS, rel=0.03)
    assert c.ratio == pytest.approx(c.head / c.base, rel=1e-6)
    assert c.low < c.ratio < c.high
    assert (c.base_processes, c.head_processes) == (10, 10)
    assert c.level == pytest.approx(0.98)


def test_every_frame_of_both_sides_is_there_once_largest_change_first() -> None:
    c = run(changed({"test > lex": -0.05, "test > new": 0.1}))
    assert {d.frame for d in c.frames} == {f for n in [*SHOP, "test > new"] for f in stack(n)}
    assert len(c.frames) == len({d.frame for d in c.frames})
    sizes = [abs(d.delta) for d in c.frames]
    assert sizes == sorted(sizes, reverse=True)


def test_the_test_body_holds_all_of_the_cost() -> None:
    c = run(SHOP)
    body = next(d for d in c.frames if d.frame.qualname == "test")
    assert (body.base, body.head) == (c.base, c.head)


def test_own_costs_add_up_to_the_total() -> None:
    c = run(SHOP)
    assert sum(d.base_self for d in c.frames) == pytest.approx(c.base, abs=len(c.frames))


def test_frames_carry_what_happened_to_them() -> None:
    c = run(changed({"test > lex": -0.08, "test > new": 0.2, "test > show > fmt > pad": -0.06}))
    change = {d.frame.qualname: d.change for d in c.frames}
    assert change["new"] is Change.NEW
    assert change["pad"] is Change.GONE
    assert change["lex"] is Change.FASTER
    assert change["rate"] is Change.UNCHANGED


def test_culprits_keep_their_frame_delta_and_line() -> None:
    c = run(times(10, "load"))
    (culprit,) = c.culprits
    delta = next(d for d in c.frames if d.frame == culprit.frame)
    assert culprit.line == SourceLine("app.py", 1)
    assert culprit.caller == Frame("app", "price")
    assert culprit.over_threshold and culprit.significant
    assert culprit.own_delta == pytest.approx(0.45 * MS, rel=0.1)
    assert culprit.relative == pytest.approx(9, rel=0.1)
    unblamed = replace(culprit, change=delta.change, caller=None, own_delta=0, relative=None)
    assert unblamed == delta


def test_the_line_is_heads_where_both_sides_have_one() -> None:
    rng = np.random.default_rng(0)
    base, head = record(SHOP, rng), record(SHOP, rng)
    frame = Frame("app", "lex")
    head = replace(head, lines={**head.lines, frame: SourceLine("app.py", 77)})
    c = compare(base, head, Limits())
    assert next(d.line for d in c.frames if d.frame == frame) == SourceLine("app.py", 77)


def test_a_stored_base_says_what_is_assumed_of_the_session() -> None:
    rng = np.random.default_rng(0)
    base, head = record(SHOP, rng), record(SHOP, rng)
    stored, together = compare(base, head, Limits()), compare(base, head, Limits(), session_sd=0.0)
    assert stored.session_sd == STORED_SESSION_SD
    (note,) = stored.notes
    assert note == "session variance unknown: 1 % assumed, since there are fewer than three recordings of base"
    assert together.notes == ()
    assert stored.high / stored.low > together.high / together.low


def spinning(recording: Recording, spin_ns: int) -> Recording:
    """With a fixed loop of this length before every round."""
    rounds = [tuple(replace(r, spin_ns=spin_ns) for r in p.rounds) for p in recording.processes]
    processes = zip(recording.processes, rounds, strict=True)
    return replace(recording, processes=tuple(replace(p, rounds=r) for p, r in processes))


@pytest.mark.parametrize(("now", "way"), [(27_000, "faster"), (33_000, "slower")])
def test_a_machine_that_changed_since_the_baseline_makes_its_interval_wider(now: int, way: str) -> None:
    rng = np.random.default_rng(0)
    base, head = record(SHOP, rng), record(SHOP, rng)
    calm = compare(spinning(base, 30_000), spinning(head, 30_000), Limits())
    changed_machine = compare(spinning(base, 30_000), spinning(head, now), Limits())
    assert calm == replace(compare(base, head, Limits()), notes=calm.notes)
    assert changed_machine.notes[1:] == (
        f"the machine is 10 % {way} than when the baseline was recorded, measured with a fixed loop",
    )
    assert changed_machine.session_sd == pytest.approx(0.1, rel=0.1)
    assert changed_machine.low < 0.9 and changed_machine.high > 1.1
    assert judge(changed_machine, base, head).verdict is Verdict.INCONCLUSIVE


def test_limits_are_respected() -> None:
    head = changed({"test > lex > scan": 0.06})
    assert run(head, limits=Limits(frame_threshold=0.02)).culprits
    assert not run(head, limits=Limits(frame_threshold=0.10)).culprits


def test_the_result_depends_on_nothing_but_the_two_recordings() -> None:
    assert run(times(2, "lex"), seed=5) == run(times(2, "lex"), seed=5)


def test_the_order_of_processes_and_stacks_changes_nothing_of_substance() -> None:
    rng = np.random.default_rng(0)
    base, head = record(SHOP, rng), record(times(3, "lex"), rng)
    turned = replace(
        head,
        processes=tuple(replace(p, stacks=dict(reversed(list(p.stacks.items())))) for p in reversed(head.processes)),
    )
    one, other = compare(base, head, Limits()), compare(base, turned, Limits())
    assert [(d.frame, d.change, d.caller) for d in one.culprits] == [
        (d.frame, d.change, d.caller) for d in other.culprits
    ]
    assert one.low == pytest.approx(other.low)


def test_a_recording_that_breaks_its_invariants_is_refused() -> None:
    rng = np.random.default_rng(0)
    good = record(SHOP, rng)
    with pytest.raises(IntegrityError, match="without processes"):
        compare(good, replace(good, processes=()), Limits())


def silent(recording: Recording) -> Recording:
    return replace(recording, processes=tuple(replace(p, stacks={}) for p in recording.processes))


def test_without_samples_the_whole_test_is_still_compared() -> None:
    rng = np.random.default_rng(0)
    c = compare(silent(record(SHOP, rng)), silent(record(times(1.5, "test"), rng)), Limits())
    assert c.low > 1.05
    assert (c.frames, c.culprits) == ((), ())
    assert c.blind_below == c.base


@pytest.mark.parametrize("silent_side", ["base", "head"])
def test_samples_on_one_side_only_blame_nobody(silent_side: str) -> None:
    rng = np.random.default_rng(0)
    base, head = record(SHOP, rng), record(SHOP, rng)
    c = compare(*(silent(base), head) if silent_side == "base" else (base, silent(head)), Limits())
    assert c.culprits == ()


def test_one_process_a_side_blames_nobody_and_decides_nothing() -> None:
    c = run(times(10, "load"), Noise(processes=1))
    assert (c.low, c.high) == (0.0, math.inf)
    assert c.culprits == ()


def test_time_in_a_kernel_that_cannot_be_sampled_has_its_size() -> None:
    rng = np.random.default_rng(0)

    def with_kernel(recording: Recording) -> Recording:
        own = stack("test")[0]
        return replace(
            recording,
            processes=tuple(
                replace(p, stacks={(own, KERNEL_NOT_SAMPLED): StackSample(0, 400_000_000)}) for p in recording.processes
            ),
        )

    c = compare(with_kernel(record(SHOP, rng)), with_kernel(record(SHOP, rng)), Limits())
    assert next(d.base for d in c.frames if d.frame == KERNEL_NOT_SAMPLED) == c.base


def test_which_frames_are_the_projects_own() -> None:
    paths = {
        "mine": "src/app.py",
        "script": "bench.py",
        "stdlib": "/usr/lib/python3.11/json/__init__.py",
        "installed": ".venv/lib/python3.11/site-packages/attr/_make.py",
        "outside": "../other/lib.py",
        "frozen": "<frozen importlib._bootstrap>",
        "nowhere": "",
    }
    frames = [Frame("m", name) for name in [*paths, "native"]]
    lines = {Frame("m", name): SourceLine(path, 1) for name, path in paths.items()}
    own = dict(zip([f.qualname for f in frames], project_frames(frames, lines).tolist(), strict=True))
    assert {name for name, mine in own.items() if mine} == {"mine", "script"}


FASTER = {names: cost * (1 if "lex" in names else 0.3) for names, cost in SHOP.items()}
"""The rest of the program costs a third; ``lex`` is as it was."""


def test_in_a_test_that_improved_a_function_may_grow_by_what_the_test_may() -> None:
    c = run(changed({"test > lex > scan": 0.035}, FASTER), Noise(samples=5000))
    assert c.improved
    assert c.culprits == c.unclear == ()
    assert [(d.frame.qualname, d.change) for d in c.outweighed] == [("scan", Change.SLOWER)]
    assert c.outweighed[0].own_delta == pytest.approx(0.035 * MS, rel=0.2)


def test_a_growth_that_would_have_failed_the_test_itself_fails_an_improved_one() -> None:
    for below in ("test > lex > scan", "test > lex > check"):
        c = run(changed({below: 0.08}, FASTER), Noise(samples=5000))
        assert c.improved
        assert [d.frame.qualname for d in c.culprits] == [below.rpartition(" ")[2]]
        assert c.outweighed == ()


def test_two_small_growths_of_one_caller_are_its_own() -> None:
    """Each is less than the test may grow by; together they are more."""
    c = run(changed({"test > lex > scan": 0.04, "test > lex > tax": 0.04}, FASTER), Noise(samples=5000))
    assert [d.frame.qualname for d in c.culprits] == ["lex"]


COSTS = st.dictionaries(
    st.lists(st.sampled_from("abcd"), max_size=4).map(lambda below: " > ".join(["test", *below])),
    st.sampled_from([0.0001, 0.01, 1.0, 50.0]),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(COSTS, COSTS, st.integers(1, 4), st.integers(1, 60), st.integers(0, 100))
def test_any_two_recordings_compare(
    base: dict[str, float], head: dict[str, float], processes: int, samples: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    noise = Noise(processes=processes, samples=samples)
    c = compare(record(base, rng, noise), record(head, rng, noise), Limits())
    c.check()
    over = {d.frame for d in c.frames if d.over_threshold}
    told = c.culprits or c.unclear or c.alike or [d for d in c.moved if d.frame in over]
    assert bool(over) == bool(told)
    assert all(d.renamed_from for d in c.moved if d.frame not in over and not over)
    assert all(d.low <= d.delta <= d.high for d in c.frames)
    assert not {d.frame for d in c.culprits} & {d.frame for d in c.moved}


def test_a_large_comparison_takes_about_a_second() -> None:
    rng = np.random.default_rng(0)
    base = {
        "test > " + " > ".join(f"f{j}" for j in rng.integers(0, 500, rng.integers(5, 40))): float(rng.random() ** 3)
        for _ in range(3000)
    }
    head = {names: cost * (8 if i < 100 else 1) for i, (names, cost) in enumerate(base.items())}
    noise = Noise(samples=3000)
    recordings = record(base, rng, noise), record(head, rng, noise)
    began = time.process_time()
    compare(*recordings, Limits())
    assert time.process_time() - began < 3


def test_a_thousand_levels_of_recursion_are_no_burden() -> None:
    rng = np.random.default_rng(0)
    base = {"test > " + " > ".join(["fib"] * n): 1.0 for n in range(1, 1000, 4)}
    recordings = record(base, rng), record({k: v * 1.5 for k, v in base.items()}, rng)
    began = time.process_time()
    c = compare(*recordings, Limits())
    assert time.process_time() - began < 5
    assert [d.frame.qualname for d in c.culprits] == ["fib"]
