"""The data's own rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.errors import IntegrityError
from pytest_flame.model import (
    CPU,
    SAMPLE_COUNT,
    SAMPLES,
    Comparison,
    Frame,
    FrameKind,
    Limits,
    Process,
    Profile,
    Round,
    SampleCounts,
    SourceLine,
    Stack,
    StackSample,
    added,
    metric_of,
)

MODULES = st.text(st.characters(exclude_characters=":"), min_size=1)


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        ("orders.parse", FrameKind.PYTHON),
        ("app.sorting", FrameKind.PYTHON),
        ("net.sockets", FrameKind.PYTHON),
        ("<string>", FrameKind.PYTHON),
        ("libc.so.6", FrameKind.NATIVE),
        ("_json.cpython-311-x86_64-linux-gnu.so", FrameKind.NATIVE),
        ("[children]", FrameKind.NATIVE),
        ("kernel", FrameKind.KERNEL),
    ],
)
def test_kind_follows_from_the_module(module: str, kind: FrameKind) -> None:
    assert Frame(module, "f").kind is kind


@given(MODULES, st.text())
def test_names_round_trip(module: str, qualname: str) -> None:
    frame = Frame(module, qualname)
    assert Frame.parse(frame.name) == frame


def test_sample_counts_add_up() -> None:
    assert SampleCounts(1, 2, 3, 4, 5, 6, 7) + SampleCounts(10, 20) == SampleCounts(11, 22, 3, 4, 5, 6, 7)


@pytest.mark.parametrize("costs", [{(): 1}, {(Frame("m", "f"),): -1}, {(Frame("m", "f"),): 0.5}])
def test_impossible_profiles_are_refused(costs: dict[Stack, int]) -> None:
    with pytest.raises(IntegrityError):
        Profile.of(CPU, costs).check()


def test_impossible_processes_are_refused() -> None:
    good = Process((Round(1, 1, 1, True),), {(Frame("m", "f"),): StackSample(1, 1)})
    good.check()
    for bad in (
        replace(good, rounds=()),
        replace(good, rounds=(Round(0, 1, 1, True),)),
        replace(good, stacks={(): StackSample(1, 1)}),
    ):
        with pytest.raises(IntegrityError):
            bad.check()


def test_a_comparison_outside_its_own_interval_is_refused() -> None:
    good = Comparison("t", 100, 101, 1.01, 1.0, 1.02, 0.98, 1.06, 10, 10, Limits())
    good.check()
    for bad in (replace(good, ratio=1.03), replace(good, mde=1.0)):
        with pytest.raises(IntegrityError):
            bad.check()


MAIN, WORK, LEAF = Frame("app", "main"), Frame("app", "work"), Frame("app", "leaf")


def test_a_profile_adds_up_each_function_alone_and_with_all_it_called() -> None:
    profile = Profile.of(CPU, {(MAIN, WORK): 30, (MAIN, WORK, LEAF): 60, (MAIN, WORK, WORK): 10})
    assert profile.total == 100
    assert list(profile.self_costs().items()) == [(LEAF, 60), (WORK, 40)]
    assert profile.total_costs() == {MAIN: 100, WORK: 100, LEAF: 60}


def test_the_first_metric_of_a_profile_is_its_own() -> None:
    profile = Profile({SAMPLES: {(MAIN,): 3000}, SAMPLE_COUNT: {(MAIN,): 3}})
    assert (profile.metric, profile.costs) == (SAMPLES, {(MAIN,): 3000})


def test_profiles_of_the_same_metrics_are_added_column_by_column() -> None:
    one = Profile({CPU: {(MAIN,): 1}, SAMPLE_COUNT: {(MAIN,): 1}}, lines={MAIN: SourceLine("app.py", 9)})
    other = Profile({CPU: {(MAIN,): 2, (LEAF,): 3}, SAMPLE_COUNT: {(MAIN,): 4}}, lines={MAIN: SourceLine("app.py", 7)})
    whole = added([one, other], "both")
    assert whole.columns == {CPU: {(MAIN,): 3, (LEAF,): 3}, SAMPLE_COUNT: {(MAIN,): 5}}
    assert (whole.name, whole.lines) == ("both", {MAIN: SourceLine("app.py", 7)})


def test_functions_under_other_names_are_added_up_in_all_columns() -> None:
    profile = Profile({CPU: {(MAIN, WORK): 1, (MAIN, LEAF): 2}, SAMPLE_COUNT: {(MAIN, LEAF): 1}})
    assert profile.renamed({LEAF: WORK}).columns == {CPU: {(MAIN, WORK): 3}, SAMPLE_COUNT: {(MAIN, WORK): 1}}


@pytest.mark.parametrize(
    ("unit", "name", "timed"), [("ms", "time", True), ("bytes", "bytes", False), ("", "samples", False)]
)
def test_what_a_file_counts_is_a_metric(unit: str, name: str, timed: bool) -> None:
    metric = metric_of(unit, 10)
    assert (metric.name, metric.timed, metric.scale) == (name, timed, 10)
