"""The changed project does what each kind says, decisions are judged as defined beforehand, and a series resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.trial import append_result, git
from benchmarks.verdicts import changed, changed_project, shop
from benchmarks.verdicts.shop import WORKLOADS, Calibration


@pytest.fixture
def calibration() -> Calibration:
    """One call takes 1 ms, 0.55 ms of it outside the leaves; a round costs 1 µs in all calls of its leaf together."""
    return Calibration(rest=0.55e-3, round=dict.fromkeys(changed_project.LEAVES, 1e-6))


# --- the project ------------------------------------------------------------------------------------------------


def test_growth_of_the_kinds_that_only_change_sizes() -> None:
    growth = {name: kind.growth for name, kind in changed_project.KINDS.items() if kind.sizes}
    assert growth == pytest.approx(
        {
            "leaf-20": 0.20,
            "leaf-10": 0.10,
            "leaf-5": 0.05,
            "frame-10": 0.05,
            "frame-5": 0.025,
            "masked": 0.0,
            "native": 0.10,
        }
    )


@pytest.mark.parametrize("workload", WORKLOADS)
def test_all_kinds_answer_the_same(calibration: Calibration, workload: str) -> None:
    answers = set()
    for kind in changed_project.KINDS.values():
        names: dict[str, Any] = {"__name__": "subject"}
        exec(changed_project.changed(workload, calibration, kind), names)
        answers.add(names["work"]())
    assert len(answers) == 1


@pytest.mark.parametrize("workload", WORKLOADS)
def test_what_kinds_do_to_calls_and_names(calibration: Calibration, workload: str) -> None:
    base = changed_project.changed(workload, calibration, changed_project.KINDS["identical"])
    head = {name: changed_project.changed(workload, calibration, kind) for name, kind in changed_project.KINDS.items()}
    assert base == shop.source(workload, calibration.rounds({}))
    assert [text.count(" weigh()\n") for text in (base, head["calls-10"], head["rename"])] == [1, 2, 0]
    assert head["rename"].count("heft") == 2
    assert "def audit" in head["new-10"]
    assert head["new-10"].count("audit()") == 2
    assert "tally" not in head["inline"]
    assert "bytes(50)" in head["inline"]
    assert [text.count("\ndef ") for text in (head["extract"], head["inline"])] == [
        base.count("\ndef ") + 1,
        base.count("\ndef ") - 1,
    ]


def test_the_repository_has_two_commits_and_the_change_is_checked_out(calibration: Calibration, tmp_path: Path) -> None:
    kind = changed_project.KINDS["leaf-20"]
    changed_project.write_repository(tmp_path, dict.fromkeys(WORKLOADS, calibration), kind)
    assert "bytes(400)" in (tmp_path / "shop/objects.py").read_text(encoding="utf-8")
    assert "bytes(200)" in git(tmp_path, "show", "base:shop/objects.py")
    assert git(tmp_path, "log", "--format=%s").splitlines() == [kind.what, "base"]
    assert git(tmp_path, "status", "--porcelain") == ""


# --- decisions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "verdict", "culprits", "expected"),
    [
        ("masked", "REGRESSED", ("shop.records:weigh",), "RIGHT"),
        ("masked", "REGRESSED", ("shop.records:weigh", "shop.records:stamp"), "MORE_NAMED"),
        ("masked", "REGRESSED", ("shop.records:stamp", "shop.records:weigh"), "WRONG_CULPRIT"),
        ("masked", "REGRESSED", ("shop.records:weigher",), "WRONG_CULPRIT"),
        ("masked", "REGRESSED", (), "UNNAMED"),
        ("masked", "PASS", (), "MISSED"),
        ("masked", "IMPROVED", (), "MISSED"),
        ("masked", "INCONCLUSIVE", ("shop.records:weigh",), "UNDECIDED"),
        ("masked", "ERROR", (), "BROKEN"),
        ("masked", "no result", (), "BROKEN"),
        ("native", "REGRESSED", ("libz.so.1:crc32_z",), "RIGHT"),
        ("native", "REGRESSED", ("shop.recursion:seal",), "RIGHT"),
        ("native", "REGRESSED", ("libc.so.6:memcpy",), "WRONG_CULPRIT"),
        ("rename", "PASS", (), "RIGHT"),
        ("rename", "REGRESSED", ("shop.records:heft",), "FALSE_ALARM"),
        ("rename", "IMPROVED", (), "FALSE_ALARM"),
        ("rename", "INCONCLUSIVE", (), "UNDECIDED"),
    ],
)
def test_what_a_decision_is_worth(kind: str, verdict: str, culprits: tuple[str, ...], expected: str) -> None:
    decision = changed.Decision(verdict, "why", culprits)
    assert changed.judged(changed_project.KINDS[kind], decision).name == expected


def run(kind: str, repeat: int, **more: Any) -> changed.Run:
    tests = {name: changed.Decision("PASS", "ok", ratio=1.01, pairs=5) for name in WORKLOADS}
    fields: dict[str, Any] = {"seconds": 60.0, "cpu_seconds": 30.0, "load": 1.0, "tests": tests} | more
    return changed.Run(kind, repeat, "CPUs 0", "abc", **fields)


def test_the_table_counts_every_decision() -> None:
    runs = [run("masked", 0), run("rename", 0), run("rename", 1, tests={}, broken="crashed")]
    text = changed.table(
        runs, [changed_project.KINDS["masked"], changed_project.KINDS["rename"], changed_project.KINDS["inline"]]
    )
    _, masked, rename, inline = text.splitlines()
    assert masked.split()[:4] == ["masked", "1", "3", "0/3"]
    assert "3 missed" in masked
    assert rename.split()[:4] == ["rename", "2", "6", "3/6"]
    assert "3 broken" in rename
    assert inline.split() == ["inline", "0", "0", *"------"]


def test_runs_read_back_as_they_were_written(tmp_path: Path) -> None:
    decision = changed.Decision("REGRESSED", "slower", ("a:b",), 1.1, 1.05, 1.15, 7, ("c:d",), ("note",))
    series = changed.Series(tmp_path, "CPUs 0", "abc")
    one = run("masked", 0, tests={"records": decision})
    append_result(series.path, one)
    assert series.finished() == [one]
    assert changed.Series(tmp_path, "CPUs 0", "another").finished() == []


def test_only_what_is_missing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    series = changed.Series(tmp_path, "CPUs 0", "abc")
    append_result(series.path, run("masked", 0))
    ran = []

    def gated(_series: changed.Series, kind: changed_project.Kind, repeat: int) -> changed.Run:
        ran.append((kind.name, repeat))
        return run(kind.name, repeat)

    monkeypatch.setattr(changed.Series, "run", gated)
    kinds = [changed_project.KINDS["masked"], changed_project.KINDS["rename"]]
    changed.run_missing(series, kinds, range(2))
    assert ran == [("rename", 0), ("masked", 1), ("rename", 1)]
    assert len(series.finished()) == 4
    assert "3/3 rename #1" in capsys.readouterr().out


def test_a_decision_is_what_the_result_says() -> None:
    result = {
        "verdict": "REGRESSED",
        "reason": "slower",
        "culprits": [{"frame": "shop.records:weigh"}],
        "moved": [],
        "ratio": 1.1,
        "low": 1.05,
        "high": 1.15,
        "processes": 7,
        "notes": ["one"],
    }
    found = changed.Decision.from_result(json.loads(json.dumps(result)))
    assert found == changed.Decision("REGRESSED", "slower", ("shop.records:weigh",), 1.1, 1.05, 1.15, 7, (), ("one",))
