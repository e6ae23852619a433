"""Expectations about real libraries, and the table that counts every run against them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks import real_projects
from benchmarks.injection import BusyLoop
from benchmarks.intervals import shown
from benchmarks.trial import Outcome, append_result, read_results


@pytest.fixture
def library() -> real_projects.Library:
    pair = real_projects.Releases("1.0", "1.1", "test_b", ("m:slow", "m:Class.*"))
    loop = BusyLoop("m.py", "leaf", "test_a")
    return real_projects.Library("lib", "1.0", ("m",), "test_lib.py", ("test_a", "test_b"), loop, (pair,))


def run(case: real_projects.Case, repeat: int, verdict: str, culprit: str | None = None) -> real_projects.Run:
    tests = {case.test_id(test): Outcome(verdict, "because", 1.2, culprit) for test in case.tests}
    return real_projects.Run(*case.key, repeat, "stored", "abc", 1.0, tests)


def test_every_library_has_its_tests_and_names_only_them() -> None:
    for library in real_projects.LIBRARIES:
        tree = ast.parse((real_projects.USES / library.uses).read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert set(library.tests) == defined
        assert {library.loop.test, *(pair.test for pair in library.releases)} <= defined


def test_cases_are_told_apart_in_the_results() -> None:
    found = [case.key for library in real_projects.LIBRARIES for case in real_projects.cases(library)]
    assert len(set(found)) == len(found)


def test_every_kind_of_case_is_made(library: real_projects.Library) -> None:
    kinds = [(case.expected, case.tests, case.culprits) for case in real_projects.cases(library)]
    assert kinds[0] == ("PASS", ("test_a", "test_b"), ())
    assert kinds[1] == ("REGRESSED", ("test_b",), ("m:slow", "m:Class.*"))
    assert kinds[2:] == [("REGRESSED", ("test_a",), ("m:leaf",))] * len(real_projects.SIZES)


def test_wrong_frame_wrong_verdict_and_broken_runs_are_misses(library: real_projects.Library) -> None:
    case = real_projects.cases(library)[1]
    runs = [
        run(case, 0, "REGRESSED", "m:slow"),
        run(case, 1, "REGRESSED", "m:Class.method"),
        run(case, 2, "REGRESSED", "m:caller"),
        run(case, 3, "PASS"),
        real_projects.Run(*case.key, 4, "stored", "abc", 1.0, broken="exit status 3"),
    ]
    row = real_projects.table(runs, [case], {case.key: 1.07}).splitlines()[1]
    assert "3/5" in row and "2/5" in row and "+7.0 %" in row
    missed = real_projects.misses(runs, [case]).splitlines()
    assert [line.split()[4] for line in missed] == ["#2", "#3", "#4"]
    assert "exit status 3" in missed[-1]


def test_an_alarm_on_identical_code_is_counted_and_listed(library: real_projects.Library) -> None:
    case = real_projects.cases(library)[0]
    runs = [run(case, 0, "PASS"), run(case, 1, "REGRESSED", "m:slow")]
    assert real_projects.totals(runs, [case]).splitlines()[1].endswith(shown(2, 4))
    assert real_projects.misses(runs, [case]).count("m:slow") == 2


def test_what_was_computed_once_is_not_computed_again(tmp_path: Path) -> None:
    file = tmp_path / "number.json"
    assert real_projects.remembered(file, lambda: 3) == 3
    assert real_projects.remembered(file, lambda: 4) == 3


def test_finished_repeats_of_the_same_source_are_read_back(library: real_projects.Library, tmp_path: Path) -> None:
    case = real_projects.cases(library)[1]
    one = run(case, 0, "REGRESSED", "m:slow")
    append_result(tmp_path / "results.jsonl", one)
    append_result(tmp_path / "results.jsonl", real_projects.Run(*case.key, 1, "stored", "older", 1.0))
    assert read_results(tmp_path / "results.jsonl", real_projects.Run.from_json, "stored", "abc") == [one]
