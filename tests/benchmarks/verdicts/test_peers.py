"""The project for other tools changes only what it says; tables count every decision; a series resumes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.intervals import shown
from benchmarks.trial import git
from benchmarks.verdicts import peers, peers_answers, peers_project, peers_tables, peers_tools, rules
from benchmarks.verdicts.conditions import Condition
from benchmarks.verdicts.peers_project import Change
from benchmarks.verdicts.peers_results import Cell, Decision, Results
from benchmarks.verdicts.peers_tools import TOOLS
from benchmarks.verdicts.shop import WORKLOADS, Calibration

Decided = Callable[..., Decision]


# --- the project ----------------------------------------------------------------------------------------------


def calibration() -> Calibration:
    """One call takes 1 ms, 0.7 ms of it outside the loops; a round costs 1 µs in all calls of ``weigh`` together."""
    return Calibration(rest=0.7e-3, round={"weigh": 1e-6, "stamp": 2e-6})


def test_rounds_are_the_shares_and_changes_they_are_named_for() -> None:
    found = {change.slug: tuple(calibration().rounds(change.sizes).values()) for change in Change}
    assert found == {
        "identical": (100, 100),
        "neutral": (100, 100),
        "slower-5": (150, 100),
        "slower-10": (200, 100),
        "slower-20": (300, 100),
        "masked": (150, 75),
    }


def test_expected_ratios() -> None:
    found = [calibration().ratio(change.sizes) for change in Change]
    assert found == pytest.approx([1.0, 1.05, 1.1, 1.2, 1.0, 1.0])


@pytest.mark.parametrize("workload", WORKLOADS)
def test_all_versions_answer_the_same(workload: str) -> None:
    answers = set()
    for change in Change:
        scope: dict[str, Any] = {}
        exec(peers_project.source(workload, {"weigh": 3, "stamp": 4}, change), scope)
        answers.add(scope["work"]())
    assert len(answers) == 1
    assert answers.pop() > 0


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_slowdown_changes_one_literal_and_no_instruction(workload: str) -> None:
    def code(rounds: dict[str, int]) -> dict[str, tuple[bytes, tuple[object, ...]]]:
        scope: dict[str, Any] = {}
        exec(peers_project.source(workload, rounds, Change.IDENTICAL), scope)
        functions = {name: value for name, value in scope.items() if hasattr(value, "__code__")}
        return {name: (f.__code__.co_code, f.__code__.co_consts) for name, f in functions.items()}

    base, head = code({"weigh": 300, "stamp": 400}), code({"weigh": 500, "stamp": 400})
    assert {name for name in base if base[name] != head[name]} == {peers_project.CULPRIT}
    assert base[peers_project.CULPRIT][0] == head[peers_project.CULPRIT][0]
    assert set(head[peers_project.CULPRIT][1]) - set(base[peers_project.CULPRIT][1]) == {500}


@pytest.mark.parametrize(("change", "files"), [("MASKED", ["shop/work.py"]), ("IDENTICAL", [])])
def test_two_commits_differ_in_the_workload_only(tmp_path: Path, change: str, files: list[str]) -> None:
    repository = tmp_path / "shop"
    peers_project.write_repository(repository, "records", calibration(), Change[change])
    assert git(repository, "diff", "--name-only", "base", "head").split() == files
    assert git(repository, "rev-parse", "base") != git(repository, "rev-parse", "head")
    assert git(repository, "status", "--porcelain") == ""


# --- tables ---------------------------------------------------------------------------------------------------


@pytest.fixture
def decided() -> Decided:
    answer = peers_answers.Answer

    def decision(change: str, alarmed: bool | None, named: tuple[str, ...] = (), repeat: int = 0) -> Decision:
        cell = Cell("stackgate", "objects", change, "quiet", 10.0, repeat)
        rules = ("threshold 2", "threshold 5")
        given = {} if alarmed is None else {rule: answer(alarmed, "said", named) for rule in rules}
        cpu = {"base": 9.0, "head": 11.0, "judging": 2.0, "preparing": 50.0}
        return Decision(cell, "0.1.1", given, None if given else "it broke", cpu, 30.0)

    return decision


def test_runs_without_a_decision_are_counted_apart(decided: Decided) -> None:
    runs = [decided("identical", True), decided("identical", False, (), 1), decided("identical", None, (), 2)]
    rows = peers_tables.alarms(runs, list(TOOLS.values()), [Change.IDENTICAL]).splitlines()
    assert len(rows) == 3, "a heading and both rules of the one tool that ran"
    assert "stackgate 0.1.1" in rows[1]
    assert shown(1, 2) in rows[1]
    assert "1/3" in rows[1]
    assert rows[1].split()[-2:] == ["10.0", "11.0"], "preparing an environment is not a cost of a decision"
    assert "it broke" in peers_tables.failures(runs)


def test_naming_counts_only_with_an_alarm_and_only_the_first(decided: Decided) -> None:
    runs = [
        decided("masked", True, ("weigh", "stamp")),
        decided("masked", True, ("stamp", "weigh"), 1),
        decided("masked", False, ("weigh",), 2),
        decided("identical", True, ("weigh",), 3),
    ]
    rows = peers_tables.blame(runs, list(TOOLS.values()), list(Change)).splitlines()
    assert "identical" not in rows[0]
    assert shown(1, 3) in rows[1]


def test_a_decision_is_read_back_as_it_was_written(decided: Decided, tmp_path: Path) -> None:
    results = Results(tmp_path)
    written = [decided("+5 %", True, ("weigh",)), decided("+5 %", None, (), 1)]
    for decision in written:
        results.append(decision)
    assert results.read() == written


def test_a_torn_line_is_named(decided: Decided, tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.append(decided("masked", True))
    results.decisions.write_text(results.decisions.read_text()[:-20])
    with pytest.raises(SystemExit, match=r"decisions\.jsonl:1 is not a decision"):
        results.read()


@pytest.mark.parametrize(("current", "missing"), [("0.1.1", [1, 2]), ("0.1.2", [0, 1, 2])], ids=["same", "newer"])
def test_only_what_is_missing_of_this_version_is_asked(
    decided: Decided,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    current: str,
    missing: list[int],
) -> None:
    results = Results(tmp_path)
    results.append(decided("identical", False))
    asked = []

    def ask(_: Results, cell: Cell, version: str) -> Decision:
        asked.append(cell.repeat)
        return decided("identical", False, (), cell.repeat)

    monkeypatch.setattr(peers, "ask", ask)
    monkeypatch.setattr(peers, "install", lambda tool, environments: None)
    monkeypatch.setattr(peers, "version", lambda tool, venv: current)
    wanted = peers.cells(["stackgate"], ["objects"], [Change.IDENTICAL], Condition.QUIET, 10.0, range(3))
    peers.run(results, wanted)
    assert asked == missing
    assert len(results.read()) == 1 + len(missing)


def test_a_tool_that_broke_says_why_and_keeps_its_output(tmp_path: Path) -> None:
    def breaks(trial: peers_tools.Trial) -> dict[str, peers_answers.Answer]:
        trial.run("base", "first", [trial.python, "-c", "print('out of luck'); raise SystemExit(7)"])
        return {}

    trial = peers_tools.Trial(tmp_path, tmp_path, None, 1.0, 1e-3, tmp_path)
    decided = peers_tools.decide(peers_tools.Tool("breaks", breaks, ()), trial)
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
    levels = 1 + spread * np.linspace(-1, 1, 8)
    base = [np.full(5, level) for level in levels]
    head = [np.full(5, level * (1 + growth)) for level in levels]
    assert rules.RULES["stackgate"].slower(base, head, 0.05) is slower
