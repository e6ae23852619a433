"""Renamed and left out functions: every cost stays, under the names that were chosen."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.errors import UsageError
from pytest_flame.measure.chosen_frames import ChosenFrames
from pytest_flame.model import (
    IGNORED,
    Calls,
    ChangedCode,
    CodeChange,
    Counted,
    ExactComparison,
    Frame,
    Process,
    Recording,
    Round,
    SamplerInfo,
    SourceLine,
    Stack,
    StackSample,
)

BODY, WORK, ONE, TWO, LIB = (Frame("m", name) for name in ("test", "work", "one", "two", "lib"))
BOTH = Frame("m", "both")
CHOICE = {ONE: BOTH, TWO: BOTH, LIB: IGNORED, BODY: IGNORED}


def recording(*stacks: Stack, lines: dict[Frame, SourceLine] | None = None) -> Recording:
    taken = {stack: StackSample(number, 10 * number) for number, stack in enumerate(stacks, 1)}
    process = Process((Round(1, 1, 1, True),), taken)
    weights = {ONE: {1: 5}, WORK: {2: 5}}
    return Recording("t", (process,), SamplerInfo("r", "e", True, 1), {}, lines=lines or {}, line_weights=weights)


def stacks(chosen: ChosenFrames, *before: Stack) -> dict[Stack, tuple[int, int]]:
    (process,) = chosen.recording(recording(*before)).processes
    return {stack: (sample.count, sample.weight_ns) for stack, sample in process.stacks.items()}


def test_without_a_choice_a_recording_is_the_same_one() -> None:
    one = recording((BODY, ONE))
    assert ChosenFrames().recording(one) is one
    assert ChosenFrames().of(ONE) == ONE and ChosenFrames().remark == ""


def test_functions_with_one_name_become_one_and_what_is_left_out_is_its_callers() -> None:
    chosen = ChosenFrames(CHOICE.get)
    assert stacks(chosen, (BODY, ONE), (BODY, TWO), (BODY, WORK, LIB), (BODY, WORK, LIB, ONE)) == {
        (BODY, BOTH): (3, 30),
        (BODY, WORK): (3, 30),
        (BODY, WORK, BOTH): (4, 40),
    }
    assert chosen.remark == (
        "pytest_flame_frame: 2 functions have another name, 1 left out, so that what they cost is their callers' cost"
    )


@given(
    st.lists(st.lists(st.sampled_from([WORK, ONE, TWO, LIB]), max_size=5), min_size=1, max_size=8),
    st.dictionaries(st.sampled_from([WORK, ONE, TWO, LIB]), st.sampled_from([IGNORED, BOTH, WORK, None])),
)
def test_no_cost_is_lost_and_both_orders_agree(tails: list[list[Frame]], choice: dict[Frame, Frame | None]) -> None:
    before = list(dict.fromkeys((BODY, *tail) for tail in tails))
    after = stacks(ChosenFrames(choice.get), *before)
    assert sum(weight for _, weight in after.values()) == sum(10 * n for n in range(1, len(before) + 1))
    assert all(stack[0] == BODY and IGNORED not in stack for stack in after)
    assert Counter(after) == Counter(stacks(ChosenFrames(choice.get), *before))


def test_places_are_those_of_the_function_that_keeps_its_name() -> None:
    lines = {ONE: SourceLine("a.py", 1), TWO: SourceLine("b.py", 2), LIB: SourceLine("c.py", 3)}
    kept = {**CHOICE, TWO: None, ONE: TWO}
    found = ChosenFrames(kept.get).recording(recording((BODY, ONE), lines=lines))
    assert found.lines == {TWO: SourceLine("b.py", 2)}
    assert found.line_weights == {WORK: {2: 5}}


def test_calls_of_renamed_functions_are_not_known() -> None:
    calls = Calls({BODY: 1, ONE: 3, BOTH: 2, WORK: 5}, {(BODY, ONE): 3, (BODY, WORK): 5, (ONE, BOTH): 2})
    counted = Counted(("d",), 1, 1, 1, (), calls)
    exact = ChosenFrames({ONE: BOTH}.get).with_known_calls(ExactComparison(counted, counted))
    assert exact is not None
    assert exact.head.calls == Calls({BODY: 1, WORK: 5}, {(BODY, WORK): 5})
    assert ChosenFrames({ONE: BOTH}.get).with_known_calls(None) is None


def test_changed_code_has_the_names_of_culprits() -> None:
    code = ChangedCode("c", {ONE: CodeChange.CHANGED, LIB: CodeChange.ADDED}, ())
    assert ChosenFrames(CHOICE.get).changed(code).frames == {BOTH: CodeChange.CHANGED}


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(UsageError, match="pytest_flame_frame returned 'x' for m:one"):
        ChosenFrames(lambda frame: "x").of(ONE)
