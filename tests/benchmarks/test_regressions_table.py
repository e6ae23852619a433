"""The table of the regressions counts every run, right or wrong, and resumes from its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import regressions
from benchmarks.intervals import shown
from benchmarks.trial import Outcome

TEST = "tests/test_a.py::test_a"
CONTROL = "tests/test_b.py::test_b"


def gated(repeat: int, verdict: str, culprit: str | None, control: str = "PASS") -> regressions.Run:
    tests = {
        TEST: Outcome(verdict, "because", 1.2, culprit, "m:caller"),
        CONTROL: Outcome(control, "because", 1.0),
    }
    return regressions.Run("01-a", repeat, "auto", "abc", CONTROL, 1.0, tests)


def test_wrong_frame_wrong_verdict_and_broken_runs_are_misses() -> None:
    patch = regressions.Expected("01-a.patch", {TEST: "REGRESSED"}, "m:f", "m:caller")
    runs = [
        gated(0, "REGRESSED", "m:f"),
        gated(1, "REGRESSED", "m:other"),
        gated(2, "PASS", "m:f"),
        regressions.Run("01-a", 3, "auto", "abc", CONTROL, 1.0, broken="exit status 3"),
    ]
    row = regressions.table(runs, [patch]).splitlines()[1]
    assert "2/4" in row, "two verdicts were right"
    assert row.count("1/4") == 2, "one culprit and one caller were right"
    missed = regressions.misses(runs, [patch]).splitlines()
    assert [line.split()[1] for line in missed] == ["#1", "#2", "#3", "#3"]
    assert "exit status 3" in missed[-1]


def test_a_culprit_in_a_harmless_change_is_a_miss() -> None:
    patch = regressions.Expected("01-a.patch", {TEST: "PASS"})
    assert regressions.misses([gated(0, "PASS", None)], [patch]) == ""
    assert "m:f" in regressions.misses([gated(0, "PASS", "m:f")], [patch])


def test_an_alarming_control_is_counted() -> None:
    patch = regressions.Expected("01-a.patch", {TEST: "REGRESSED"}, "m:f")
    runs = [gated(0, "REGRESSED", "m:f", control="REGRESSED"), gated(1, "REGRESSED", "m:f")]
    assert shown(1, 2) in regressions.totals(runs, [patch]).splitlines()[-1]
    assert "control" in regressions.misses(runs, [patch])


def test_finished_repeats_of_the_same_source_are_read_back(tmp_path: Path) -> None:
    session = regressions.Session(tmp_path, "auto", 60.0, "abc")
    run = gated(0, "REGRESSED", "m:f")
    session.append(run)
    session.append(regressions.Run("01-a", 1, "auto", "older", CONTROL, 1.0))
    assert session.finished() == [run]


def test_a_torn_line_is_named_and_not_skipped(tmp_path: Path) -> None:
    session = regressions.Session(tmp_path, "auto", 60.0, "abc")
    session.append(gated(0, "REGRESSED", "m:f"))
    session.results.write_text(session.results.read_text()[:-20])
    with pytest.raises(SystemExit, match=r"results\.jsonl:1 is not a result"):
        session.finished()


def test_an_unknown_patch_name_lists_the_known_ones() -> None:
    with pytest.raises(SystemExit, match="01-slower-leaf"):
        regressions.read_expectations(["nothing like it"])
