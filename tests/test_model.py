"""The data's own rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.errors import IntegrityError
from pytest_flame.model import (
    CPU,
    Comparison,
    Frame,
    FrameKind,
    Limits,
    Process,
    Profile,
    Round,
    SampleCounts,
    Stack,
    StackSample,
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
