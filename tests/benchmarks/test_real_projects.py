"""Expectations about real libraries, and the table that counts every run against them."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def script() -> Any:
    return importlib.import_module("real_projects")


@pytest.fixture
def library(script: Any) -> Any:
    pair = script.Releases("1.0", "1.1", "test_b", ("m:slow", "m:Class.*"))
    loop = script.BusyLoop("m.py", "leaf", "test_a")
    return script.Library("lib", "1.0", ("m",), "test_lib.py", ("test_a", "test_b"), loop, (pair,))


def run(script: Any, case: Any, repeat: int, verdict: str, culprit: str | None = None) -> Any:
    tests = {case.test_id(test): script.Outcome(verdict, "because", 1.2, culprit) for test in case.tests}
    return script.Run(*case.key, repeat, "stored", "abc", 1.0, tests)


def test_every_library_has_its_tests_and_names_only_them(script: Any) -> None:
    for library in script.LIBRARIES:
        tree = ast.parse((script.USES / library.uses).read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert set(library.tests) == defined
        assert {library.loop.test, *(pair.test for pair in library.releases)} <= defined


def test_cases_are_told_apart_in_the_results(script: Any) -> None:
    found = [case.key for library in script.LIBRARIES for case in script.cases(library)]
    assert len(set(found)) == len(found)


def test_every_kind_of_case_is_made(script: Any, library: Any) -> None:
    kinds = [(case.expected, case.tests, case.culprits) for case in script.cases(library)]
    assert kinds[0] == ("PASS", ("test_a", "test_b"), ())
    assert kinds[1] == ("REGRESSED", ("test_b",), ("m:slow", "m:Class.*"))
    assert kinds[2:] == [("REGRESSED", ("test_a",), ("m:leaf",))] * len(script.SIZES)


def test_wrong_frame_wrong_verdict_and_broken_runs_are_misses(script: Any, library: Any) -> None:
    case = script.cases(library)[1]
    runs = [
        run(script, case, 0, "REGRESSED", "m:slow"),
        run(script, case, 1, "REGRESSED", "m:Class.method"),
        run(script, case, 2, "REGRESSED", "m:caller"),
        run(script, case, 3, "PASS"),
        script.Run(*case.key, 4, "stored", "abc", 1.0, broken="exit status 3"),
    ]
    row = script.table(runs, [case], {case.key: 1.07}).splitlines()[1]
    assert "3/5" in row and "2/5" in row and "+7.0 %" in row
    missed = script.misses(runs, [case]).splitlines()
    assert [line.split()[4] for line in missed] == ["#2", "#3", "#4"]
    assert "exit status 3" in missed[-1]


def test_an_alarm_on_identical_code_is_counted_and_listed(script: Any, library: Any) -> None:
    case = script.cases(library)[0]
    runs = [run(script, case, 0, "PASS"), run(script, case, 1, "REGRESSED", "m:slow")]
    assert script.totals(runs, [case]).splitlines()[1].endswith(script.shown(2, 4))
    assert script.misses(runs, [case]).count("m:slow") == 2


def test_what_was_computed_once_is_not_computed_again(script: Any, tmp_path: Path) -> None:
    file = tmp_path / "number.json"
    assert script.remembered(file, lambda: 3) == 3
    assert script.remembered(file, lambda: 4) == 3


def test_finished_repeats_of_the_same_source_are_read_back(script: Any, library: Any, tmp_path: Path) -> None:
    case = script.cases(library)[1]
    one = run(script, case, 0, "REGRESSED", "m:slow")
    script.append_result(tmp_path / "results.jsonl", one)
    script.append_result(tmp_path / "results.jsonl", script.Run(*case.key, 1, "stored", "older", 1.0))
    assert script.read_results(tmp_path / "results.jsonl", script.Run.from_json, "stored", "abc") == [one]
