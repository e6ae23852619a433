"""The table of the regressions counts every run, right or wrong, and resumes from its file."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

TEST = "tests/test_a.py::test_a"
CONTROL = "tests/test_b.py::test_b"


@pytest.fixture
def script() -> Any:
    return importlib.import_module("regressions")


def gated(script: Any, repeat: int, verdict: str, culprit: str | None, control: str = "PASS") -> Any:
    tests = {
        TEST: script.Outcome(verdict, "because", 1.2, culprit, "m:caller"),
        CONTROL: script.Outcome(control, "because", 1.0),
    }
    return script.Run("01-a", repeat, "auto", "abc", CONTROL, 1.0, tests)


def test_wrong_frame_wrong_verdict_and_broken_runs_are_misses(script: Any) -> None:
    patch = script.Expected("01-a.patch", {TEST: "REGRESSED"}, "m:f", "m:caller")
    runs = [
        gated(script, 0, "REGRESSED", "m:f"),
        gated(script, 1, "REGRESSED", "m:other"),
        gated(script, 2, "PASS", "m:f"),
        script.Run("01-a", 3, "auto", "abc", CONTROL, 1.0, broken="exit status 3"),
    ]
    row = script.table(runs, [patch]).splitlines()[1]
    assert "2/4" in row, "two verdicts were right"
    assert row.count("1/4") == 2, "one culprit and one caller were right"
    missed = script.misses(runs, [patch]).splitlines()
    assert [line.split()[1] for line in missed] == ["#1", "#2", "#3", "#3"]
    assert "exit status 3" in missed[-1]


def test_a_culprit_in_a_harmless_change_is_a_miss(script: Any) -> None:
    patch = script.Expected("01-a.patch", {TEST: "PASS"})
    assert script.misses([gated(script, 0, "PASS", None)], [patch]) == ""
    assert "m:f" in script.misses([gated(script, 0, "PASS", "m:f")], [patch])


def test_an_alarming_control_is_counted(script: Any) -> None:
    patch = script.Expected("01-a.patch", {TEST: "REGRESSED"}, "m:f")
    runs = [gated(script, 0, "REGRESSED", "m:f", control="REGRESSED"), gated(script, 1, "REGRESSED", "m:f")]
    assert script.shown(1, 2) in script.totals(runs, [patch]).splitlines()[-1]
    assert "control" in script.misses(runs, [patch])


def test_finished_repeats_of_the_same_source_are_read_back(script: Any, tmp_path: Path) -> None:
    session = script.Session(tmp_path, "auto", 60.0, "abc")
    run = gated(script, 0, "REGRESSED", "m:f")
    session.append(run)
    session.append(script.Run("01-a", 1, "auto", "older", CONTROL, 1.0))
    assert session.finished() == [run]


def test_a_torn_line_is_named_and_not_skipped(script: Any, tmp_path: Path) -> None:
    session = script.Session(tmp_path, "auto", 60.0, "abc")
    session.append(gated(script, 0, "REGRESSED", "m:f"))
    session.results.write_text(session.results.read_text()[:-20])
    with pytest.raises(SystemExit, match=r"results\.jsonl:1 is not a result"):
        session.finished()


def test_an_unknown_patch_name_lists_the_known_ones(script: Any) -> None:
    with pytest.raises(SystemExit, match="01-slower-leaf"):
        script.read_expectations(["nothing like it"])
