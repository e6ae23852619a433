"""What a profile says about itself, and how it is written."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_flame.errors import UsageError
from pytest_flame.formats import folded
from pytest_flame.model import Frame, SampleCounts, SamplerInfo, SourceLine, StackSample
from pytest_flame.profiling.result import ProfileResult, of_samples

MAIN, WORK, LEAF = Frame("app", "main"), Frame("app", "work"), Frame("app.parts", "Leaf.run")
MS = 1_000_000
INFO = SamplerInfo("perf-sigtrap", "task-clock", True, 1000)


def profile(cpu_ns: int = 100 * MS, counts: SampleCounts | None = None, unfinished: int = 0) -> ProfileResult:
    stacks = {
        (MAIN, WORK): StackSample(30, 30 * MS),
        (MAIN, WORK, LEAF): StackSample(60, 60 * MS),
        (MAIN, WORK, WORK): StackSample(10, 10 * MS),
    }
    lines = {LEAF: SourceLine("app/parts.py", 7)}
    return ProfileResult(
        of_samples(stacks, lines), counts or SampleCounts(taken=100), INFO, cpu_ns, 120 * MS, 1, unfinished
    )


@pytest.mark.parametrize(("faults", "said"), [(None, False), (9_000, False), (30_000, True)])
def test_page_faults_are_said_where_they_are_much_of_the_time(faults: int | None, said: bool) -> None:
    notes = replace(profile(), minor_faults=faults).notes()
    assert any(note.startswith("30,000 page faults, at least 7.5 % of the CPU time") for note in notes) is said


def test_self_cost_belongs_to_the_last_function() -> None:
    assert profile().self_ns() == {LEAF: 60 * MS, WORK: 40 * MS}
    assert list(profile().self_ns()) == [LEAF, WORK]


def test_a_recursive_function_counts_once() -> None:
    assert profile().total_ns() == {MAIN: 100 * MS, WORK: 100 * MS, LEAF: 60 * MS}


def test_folded_stacks_hold_nanoseconds() -> None:
    assert folded.loads(profile().folded()) == profile().costs()
    assert "app:main;app:work;app.parts:Leaf.run 60000000\n" in profile().folded()


def test_the_table_shows_shares_and_places() -> None:
    header, first, _ = profile().table().splitlines()
    assert first == " 60.0 %    60.0   60.0 %    60.0  app.parts:Leaf.run   app/parts.py:7"
    assert header.index("function") == first.index("app.parts")
    assert len(profile().table(rows=1).splitlines()) == 2


@pytest.mark.parametrize("name", ["out.folded", "out.txt", "out.svg"])
def test_it_is_written_as_its_suffix_says(tmp_path: Path, name: str) -> None:
    profile().write(tmp_path / name)
    text = (tmp_path / name).read_text(encoding="utf-8")
    if name.endswith(".svg"):
        ET.fromstring(text.encode())
        assert "Leaf.run" in text and "60.00 ms" in text and "of the profile" in text
    else:
        assert text == profile().folded()


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no format is known for 'out\.png'"):
        profile().write(tmp_path / "out.png")
    assert not list(tmp_path.iterdir())


def test_a_good_profile_has_no_notes() -> None:
    assert profile().notes() == []


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (profile(cpu_ns=150 * MS), "33.3 % of the CPU time has no samples"),
        (profile(counts=SampleCounts(taken=100, unwindable=5)), "5 samples had no readable stack"),
        (profile(counts=SampleCounts(taken=100, overflowed=5)), "5 samples did not fit"),
        (profile(counts=SampleCounts(taken=100, truncated=5)), "5 samples were so deep"),
        (profile(unfinished=2), "2 of the followed processes delivered no samples"),
    ],
)
def test_what_is_odd_is_said(odd: ProfileResult, said: str) -> None:
    (note,) = odd.notes()
    assert note.startswith(said)


def test_the_summary_says_how_much_and_how() -> None:
    assert profile().summary() == "100 samples of 100.0 ms CPU, task-clock 1000 Hz"
