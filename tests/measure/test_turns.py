"""Two real processes that alternate; one that is told to go on alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flame.measure.deadline import Patience, Pulse
from pytest_flame.measure.turns import Fifos, Places, Turns

SIDE = """
import sys
from pytest_flame.measure.deadline import Patience, Pulse
from pytest_flame.measure.turns import Places, Turns
own, other, first, name, rounds = sys.argv[1:]
turns = Turns(Places(own, other, first == "first"), Pulse("", Patience()))
turns.arrive()
def say(what):
    with open("said.txt", "a") as file:
        file.write(f"{name}{what}\\n")
say("start")
turns.give()
turns.take()
for i in range(int(rounds)):
    say(i)
    turns.give()
    turns.take()
say("end")
turns.leave()
"""


@pytest.fixture
def fifos(tmp_path: Path) -> Iterator[Fifos]:
    made = Fifos(tmp_path)
    yield made
    made.close()


def start(folder: Path, places: Places, name: str, rounds: int) -> subprocess.Popen[bytes]:
    first = "first" if places.first else "second"
    return subprocess.Popen(
        [sys.executable, "-c", SIDE, places.own, places.other, first, name, str(rounds)], cwd=folder
    )


def said(folder: Path) -> list[str]:
    return (folder / "said.txt").read_text().split()


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_sides_alternate_whoever_starts_first(tmp_path: Path, fifos: Fifos, order: str) -> None:
    places = {"a": fifos.first, "b": fifos.second}
    sides = [start(tmp_path, places[name], name, 3) for name in order]
    assert [side.wait(60) for side in sides] == [0, 0]
    assert said(tmp_path) == ["astart", "bstart", "a0", "b0", "a1", "b1", "a2", "b2", "aend", "bend"]


def test_a_side_with_fewer_rounds_leaves_the_other_alone(tmp_path: Path, fifos: Fifos) -> None:
    sides = [start(tmp_path, fifos.first, "a", 1), start(tmp_path, fifos.second, "b", 3)]
    assert [side.wait(60) for side in sides] == [0, 0]
    assert said(tmp_path) == ["astart", "bstart", "a0", "b0", "aend", "b1", "b2", "bend"]


def test_a_side_whose_other_never_comes_goes_on_alone(tmp_path: Path, fifos: Fifos) -> None:
    """Told before it arrives: the message waits for it."""
    for side, name in ((fifos.first, "a"), (fifos.second, "b")):
        fifos.leave_alone(side)
        assert start(tmp_path, side, name, 2).wait(60) == 0
    assert said(tmp_path) == ["astart", "a0", "a1", "aend", "bstart", "b0", "b1", "bend"]


def test_waiting_is_not_this_sides_time(tmp_path: Path, fifos: Fifos) -> None:
    other = start(tmp_path, fifos.second, "b", 1)
    turns = Turns(fifos.first, Pulse("", Patience()))
    began = time.monotonic_ns()
    turns.arrive()
    assert 0 < turns.waited_ns <= time.monotonic_ns() - began
    turns.leave()
    assert other.wait(60) == 0


def test_alone_nothing_is_waited_for() -> None:
    turns = Turns(None, Pulse("", Patience()))
    turns.arrive()
    turns.give()
    turns.take()
    turns.leave()
    assert turns.waited_ns == 0


def test_descriptors_are_closed(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    fifos = Fifos(tmp_path)
    turns = Turns(fifos.first, Pulse("", Patience()))
    fifos.leave_alone(fifos.first)
    turns.arrive()
    turns.leave()
    fifos.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
