"""The peers' project changes only what it says; tables count every decision; a series resumes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WORKLOADS = ("recursion", "records", "objects")


@pytest.fixture
def peers() -> Any:
    return importlib.import_module("peers")


@pytest.fixture
def tables() -> Any:
    return importlib.import_module("peers_tables")


@pytest.fixture
def project() -> Any:
    return importlib.import_module("peers_project")


# --- the project ----------------------------------------------------------------------------------------------


def calibration(project: Any) -> Any:
    """One call takes 1 ms, 0.7 ms of it outside the loops; a round costs 1 µs in all calls of ``weigh`` together."""
    return project.Calibration(rest=0.7e-3, weigh_round=1e-6, stamp_round=2e-6)


def test_rounds_are_the_shares_and_changes_they_are_named_for(project: Any) -> None:
    found = {change.slug: calibration(project).rounds(change) for change in project.Change}
    base = project.Rounds(weigh=100, stamp=100)
    assert found == {
        "identical": base,
        "neutral": base,
        "slower-5": project.Rounds(150, 100),
        "slower-10": project.Rounds(200, 100),
        "slower-20": project.Rounds(300, 100),
        "masked": project.Rounds(150, 75),
    }


def test_expected_ratios(project: Any) -> None:
    found = [calibration(project).expected_ratio(change) for change in project.Change]
    assert found == pytest.approx([1.0, 1.05, 1.1, 1.2, 1.0, 1.0])


@pytest.mark.parametrize("workload", WORKLOADS)
def test_all_versions_answer_the_same(project: Any, workload: str) -> None:
    answers = set()
    for change in project.Change:
        scope: dict[str, Any] = {}
        exec(project.source(workload, project.Rounds(3, 4), change), scope)
        answers.add(scope["work"]())
    assert len(answers) == 1
    assert answers.pop() > 0


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_slowdown_changes_one_literal_and_no_instruction(project: Any, workload: str) -> None:
    def code(rounds: Any) -> dict[str, tuple[bytes, tuple[object, ...]]]:
        scope: dict[str, Any] = {}
        exec(project.source(workload, rounds, project.Change.IDENTICAL), scope)
        functions = {name: value for name, value in scope.items() if hasattr(value, "__code__")}
        return {name: (f.__code__.co_code, f.__code__.co_consts) for name, f in functions.items()}

    base, head = code(project.Rounds(300, 400)), code(project.Rounds(500, 400))
    assert {name for name in base if base[name] != head[name]} == {project.CULPRIT}
    assert base[project.CULPRIT][0] == head[project.CULPRIT][0]
    assert set(head[project.CULPRIT][1]) - set(base[project.CULPRIT][1]) == {500}


def test_calibration_solves_for_the_rounds(project: Any, tmp_path: Path) -> None:
    def measure(folder: Path, budget: float) -> float:
        text = (folder / "shop" / "work.py").read_text()
        extra = {"none": 0.0, "weigh": 200e-6, "stamp": 400e-6}[folder.name]
        assert ("bytes(200)" in text) == (folder.name != "none")
        return 0.7e-3 + extra

    found = project.calibrate(tmp_path, "objects", processes=2, measure=measure)
    assert (found.rest, found.weigh_round, found.stamp_round) == pytest.approx((0.7e-3, 1e-6, 2e-6))
    assert project.Calibration.from_json(found.to_json()) == found


@pytest.mark.parametrize(("change", "files"), [("MASKED", ["shop/work.py"]), ("IDENTICAL", [])])
def test_two_commits_differ_in_the_workload_only(project: Any, tmp_path: Path, change: str, files: list[str]) -> None:
    repository = tmp_path / "shop"
    project.write_repository(repository, "records", calibration(project), project.Change[change])
    assert project.git(repository, "diff", "--name-only", "base", "head").split() == files
    assert project.git(repository, "rev-parse", "base") != project.git(repository, "rev-parse", "head")
    assert project.git(repository, "status", "--porcelain") == ""


# --- tables ---------------------------------------------------------------------------------------------------


@pytest.fixture
def decided(peers: Any) -> Callable[..., Any]:
    answer = importlib.import_module("peers_answers").Answer

    def decision(change: str, alarmed: bool | None, named: tuple[str, ...] = (), repeat: int = 0) -> Any:
        cell = peers.Cell("stackgate", "objects", change, "quiet", 10.0, repeat)
        rules = ("threshold 2", "threshold 5")
        given = {} if alarmed is None else {rule: answer(alarmed, "said", named) for rule in rules}
        cpu = {"base": 9.0, "head": 11.0, "judging": 2.0, "preparing": 50.0}
        return peers.Decision(cell, "0.1.1", given, None if given else "it broke", cpu, 30.0)

    return decision


def test_runs_without_a_decision_are_counted_apart(tables: Any, decided: Callable[..., Any]) -> None:
    runs = [decided("identical", True), decided("identical", False, (), 1), decided("identical", None, (), 2)]
    rows = tables.alarms(runs, list(tables.TOOLS.values()), [tables.Change.IDENTICAL]).splitlines()
    assert len(rows) == 3, "a heading and both rules of the one tool that ran"
    assert "stackgate 0.1.1" in rows[1]
    assert tables.shown(1, 2) in rows[1]
    assert "1/3" in rows[1]
    assert rows[1].endswith("10.0          11.0"), "preparing an environment is no cost of a decision"
    assert "it broke" in tables.failures(runs)


def test_naming_counts_only_with_an_alarm_and_only_the_first(tables: Any, decided: Callable[..., Any]) -> None:
    runs = [
        decided("masked", True, ("weigh", "stamp")),
        decided("masked", True, ("stamp", "weigh"), 1),
        decided("masked", False, ("weigh",), 2),
        decided("identical", True, ("weigh",), 3),
    ]
    rows = tables.blame(runs, list(tables.TOOLS.values()), list(tables.Change)).splitlines()
    assert "identical" not in rows[0]
    assert tables.shown(1, 3) in rows[1]


def test_a_decision_is_read_back_as_it_was_written(peers: Any, decided: Callable[..., Any], tmp_path: Path) -> None:
    results = peers.Results(tmp_path)
    written = [decided("+5 %", True, ("weigh",)), decided("+5 %", None, (), 1)]
    for decision in written:
        results.append(decision)
    assert results.read() == written


def test_a_torn_line_is_named(peers: Any, decided: Callable[..., Any], tmp_path: Path) -> None:
    results = peers.Results(tmp_path)
    results.append(decided("masked", True))
    results.decisions.write_text(results.decisions.read_text()[:-20])
    with pytest.raises(SystemExit, match=r"decisions\.jsonl:1 is not a decision"):
        results.read()


@pytest.mark.parametrize(("current", "missing"), [("0.1.1", [1, 2]), ("0.1.2", [0, 1, 2])], ids=["same", "newer"])
def test_only_what_is_missing_of_this_version_is_asked(
    peers: Any,
    decided: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    current: str,
    missing: list[int],
) -> None:
    results = peers.Results(tmp_path)
    results.append(decided("identical", False))
    asked = []

    def ask(_: Any, cell: Any, version: str) -> Any:
        asked.append(cell.repeat)
        return decided("identical", False, (), cell.repeat)

    monkeypatch.setattr(peers, "ask", ask)
    monkeypatch.setattr(peers, "install", lambda tool, environments: None)
    monkeypatch.setattr(peers, "version", lambda tool, venv: current)
    wanted = peers.cells(["stackgate"], ["objects"], [peers.Change.IDENTICAL], peers.Condition.QUIET, 10.0, range(3))
    peers.run(results, wanted)
    assert asked == missing
    assert len(results.read()) == 1 + len(missing)


def test_a_tool_that_broke_says_why_and_keeps_its_output(tmp_path: Path) -> None:
    tools = importlib.import_module("peers_tools")

    def breaks(trial: Any) -> Any:
        trial.run("base", "first", [trial.python, "-c", "print('out of luck'); raise SystemExit(7)"])

    trial = tools.Trial(tmp_path, tmp_path, None, 1.0, 1e-3, tmp_path)
    decided = tools.decide(tools.Tool("breaks", breaks, ()), trial)
    assert decided.broken == "first ended with status 7: out of luck"
    assert decided.answers == {}
    assert decided.cpu["base"] > 0
    assert "out of luck" in (tmp_path / "first.txt").read_text()


# --- StackGate's rule inside other data -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("growth", "spread", "slower"),
    [(0.10, 0.01, True), (0.0, 0.01, False), (0.04, 0.001, False), (0.06, 0.2, False)],
    ids=["found", "identical", "below the threshold", "below its noise floor"],
)
def test_stackgate_rule(growth: float, spread: float, slower: bool) -> None:
    rules = importlib.import_module("rules")
    levels = 1 + spread * np.linspace(-1, 1, 8)
    base = [np.full(5, level) for level in levels]
    head = [np.full(5, level * (1 + growth)) for level in levels]
    assert rules.RULES["stackgate"].slower(base, head, 0.05) is slower
