"""What the kernel says, read from its files; what it does not say is unknown and never 0."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame import clocks
from pytest_flame.model import Outside
from pytest_flame.sampling import outside
from pytest_flame.sampling.outside import Counters

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "self").mkdir()
    (tmp_path / "pressure").mkdir()
    (tmp_path / "stat").write_text("cpu  1263211 1086 164876 1199818 2651 0 1001 579 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n")
    (tmp_path / "pressure/cpu").write_text(
        "some avg10=0.41 avg60=0.20 avg300=0.16 total=3173945683\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    )
    (tmp_path / "self/schedstat").write_text("421289 35763 1\n")
    monkeypatch.setattr(outside, "PROC", tmp_path)
    return tmp_path


def test_counters_are_read_in_nanoseconds(proc: Path) -> None:
    seen = outside.read()
    assert (seen.steal_ns, seen.pressure_ns, seen.queued_ns) == (579 * TICK_NS, 3_173_945_683_000, 35_763)


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("stat", "", "steal_ns"),
        ("stat", "cpu  0 0 0 0 0 0 0 0 0 0\n", "steal_ns"),
        ("stat", "cpu  1 2 3 4 5 6 7\n", "steal_ns"),
        ("stat", "cpu  1 2 3 4 5 6 7 many\n", "steal_ns"),
        ("pressure/cpu", "", "pressure_ns"),
        ("pressure/cpu", "some avg10=0.41\n", "pressure_ns"),
        ("self/schedstat", "", "queued_ns"),
        ("self/schedstat", "421289\n", "queued_ns"),
        ("stat", None, "steal_ns"),
        ("pressure/cpu", None, "pressure_ns"),
        ("self/schedstat", None, "queued_ns"),
    ],
)
def test_what_is_not_said_is_unknown(proc: Path, file: str, text: str | None, name: str) -> None:
    if text is None:
        (proc / file).unlink()
    else:
        (proc / file).write_text(text)
    seen = outside.read()
    others = {"steal_ns", "pressure_ns", "queued_ns"} - {name}
    assert getattr(seen, name) is None
    assert all(getattr(seen, other) is not None for other in others)
    assert getattr(seen.since(seen), name) is None


def test_pressure_that_is_switched_off_is_unknown(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``psi=0`` on the kernel's command line the file opens and reading it fails."""
    (proc / "pressure/cpu").unlink()
    (proc / "pressure/cpu").mkdir()
    assert outside.read().pressure_ns is None


def test_only_what_came_since_counts() -> None:
    before = Counters(wall_ns=100, steal_ns=10, pressure_ns=5, queued_ns=None, involuntary_switches=3)
    after = Counters(wall_ns=400, steal_ns=10, pressure_ns=25, queued_ns=9, involuntary_switches=10)
    assert after.since(before) == Outside(
        wall_ns=300, cpus=os.cpu_count(), steal_ns=0, pressure_ns=20, queued_ns=None, involuntary_switches=7
    )


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_counter_that_ran_backwards_is_unknown(earlier: int, later: int) -> None:
    steal = Counters(1, later, None, None, 0).since(Counters(0, earlier, None, None, 0)).steal_ns
    assert steal == (later - earlier if later >= earlier else None)


def test_the_loop_takes_time_and_far_less_than_a_round() -> None:
    assert 0 < outside.spin_ns() < 2_000_000


def test_the_loop_leaves_the_heap_alone() -> None:
    def grown() -> int:
        gc.collect()
        before = gc.get_count()[0]
        for _ in range(20):
            outside.spin_ns()
        return gc.get_count()[0] - before

    outside.spin_ns()
    assert min(grown() for _ in range(5)) < 10  # a thread of the test runner may have made objects meanwhile


def test_the_smallest_run_of_the_loop_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([0, 90, 100, 131, 200, 230, 300, 333])
    monkeypatch.setattr(clocks, "thread_time_ns", lambda: next(readings))
    assert outside.spin_ns() == 30
