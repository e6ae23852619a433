"""Recording, comparing, judging: what a user sees of each verdict, and what it does to the exit status."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ET

import jsonschema
import pytest

from pytest_flame.render.json import schema

from .conftest import SHORTEST, Project

SPIN = "test_work.py::test_spin"
BOTH = "test_work.py::test_both"
STORED = "--flame-remeasure=never"
"""The baseline decides alone."""


def slow_down(project: Project, factor: str = "16 * n") -> None:
    project.replace("work.py", "range(n):\n        total += i * i", f"range({factor}):\n        total += i * i")


def test_slower_code_fails_exactly_its_test_and_names_the_culprit(recorded: Project) -> None:
    slow_down(recorded)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        recorded.monkeypatch.setenv(name, str(recorded.path / f"{name}.txt"))
    files = ("--flame-sarif=out/a.sarif", "--flame-openmetrics=out/a.txt", "--flame-codequality=out/a.json")
    ran = recorded.flame(
        *(STORED, "--junitxml=junit.xml", "--flame-markdown=out/summary.md", "-k", "spin or plain"),
        *(*files, "--flame-github=on"),
    )
    assert ran.ret == 1, ran.out
    assert ran.outcomes == {"failed": 1, "passed": 1, "deselected": 1}
    test = ran.test("test_spin")
    assert test["verdict"] == "REGRESSED"
    assert test["ratio"] > 8
    assert test["low"] > 4
    assert [culprit["frame"] for culprit in test["culprits"]] == ["work:spin"]
    assert test["culprits"][0]["path"] == "work.py"
    assert "work:spin" in ran.out
    assert "REGRESSED test_work.py::test_spin" in ran.out
    jsonschema.validate(ran.document, schema())
    assert "work:spin" in (recorded.path / "out/summary.md").read_text(encoding="utf-8")
    kinds = {path.suffix for path in (recorded.path / "flame-report").iterdir()}
    assert {".html", ".svg"} <= kinds
    (picture,) = (line for line in ran.out.splitlines() if line.startswith("picture: "))
    assert (recorded.path / picture.removeprefix("picture: ")).is_file()

    cases = {case.get("name"): case for case in ET.parse(recorded.path / "junit.xml").iter("testcase")}
    assert [name for name, case in cases.items() if case.find("failure") is not None] == ["test_spin"]
    properties = {p.get("name"): p.get("value") for p in cases["test_spin"].iter("property")}
    assert properties["flame_verdict"] == "REGRESSED"
    assert properties["flame_culprit"] == "work:spin"
    assert float(properties["flame_ratio"] or 0) == pytest.approx(test["ratio"], abs=1e-4)
    assert properties["flame_interval"] == f"{test['low']:.4f}..{test['high']:.4f}"
    assert "flame_verdict" not in {p.get("name") for p in cases["test_plain"].iter("property")}

    line = test["culprits"][0]["line"]
    (found,) = json.loads((recorded.path / "out/a.sarif").read_text())["runs"][0]["results"]
    place = found["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("work.py", line)
    (found,) = json.loads((recorded.path / "out/a.json").read_text())
    assert found["location"] == {"path": "work.py", "lines": {"begin": line}}
    assert 'flame_verdict{test="test_work.py::test_spin",verdict="REGRESSED"} 1.0' in (
        recorded.path / "out/a.txt"
    ).read_text(encoding="utf-8")
    (command,) = (line for line in ran.out.splitlines() if line.startswith("::"))
    assert command.startswith(f"::error file=work.py,line={line},title=test_work.py%3A%3Atest_spin regressed%2C +")
    assert "work:spin" in (recorded.path / "GITHUB_STEP_SUMMARY.txt").read_text(encoding="utf-8")
    assert "\nREGRESSED\n" in (recorded.path / "GITHUB_OUTPUT.txt").read_text(encoding="utf-8")


def test_same_code_passes_and_its_baseline_stays_untouched(recorded: Project) -> None:
    before = recorded.baseline_bytes()
    ran = recorded.flame("--flame-update", "-v", "-k", "spin or plain")
    assert ran.ret == 0, ran.out
    assert ran.verdict("test_spin") == "PASS"
    assert "test_work.py::test_spin PASS " in ran.out
    assert "test_work.py::test_plain PASSED " in ran.out
    assert recorded.baseline_bytes() == before


def test_one_part_slower_and_another_faster_is_found(recorded: Project) -> None:
    recorded.replace("work.py", "range(n):\n        total += i * i", "range(4 * n):\n        total += i * i")
    recorded.replace("work.py", "range(n):\n        total ^= i + n", "range(n // 50):\n        total ^= i + n")
    ran = recorded.flame(STORED, BOTH)
    assert ran.verdict("test_both") == "REGRESSED", ran.out
    assert ran.test("test_both")["low"] < 1.6, "the total alone is not over its threshold"
    assert "REGRESSED in work:spin, +" in ran.out
    assert [culprit["frame"] for culprit in ran.test("test_both")["culprits"]] == ["work:spin"]


def test_faster_code_passes_as_improved_and_updating_accepts_it(recorded: Project) -> None:
    recorded.replace("test_work.py", 'threshold="300%", frame', 'threshold="80%", frame')
    slow_down(recorded, "n // 20")
    before = recorded.baseline_bytes()
    ran = recorded.flame("--flame-update=changed", SPIN)
    assert ran.ret == 0
    assert ran.verdict("test_spin") == "IMPROVED", ran.out
    after = recorded.baseline_bytes()
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert len(changed) == 1
    assert all("test_spin" in name for name in changed)


def test_updating_accepts_a_regression_and_says_so(recorded: Project) -> None:
    slow_down(recorded)
    ran = recorded.flame("--flame-update=changed", "--flame-strict", SPIN)
    assert ran.ret == 0, ran.out
    assert ran.verdict("test_spin") == "REGRESSED"
    assert "baseline written" in ran.test("test_spin")["reason"]
    written = ran.test("test_spin")["baseline_written"]
    assert written.startswith("flame-baselines/")
    assert (recorded.path / written).exists()
    assert "accepted: +" in ran.out
    assert f"baseline written: {written}; commit it" in ran.out
    assert "1 baseline written; to keep: git add flame-baselines" in ran.out


def test_updating_what_is_missing_leaves_a_regression_failing(recorded: Project) -> None:
    slow_down(recorded)
    recorded.write("test_more.py", "import pytest\n@pytest.mark.flame\ndef test_more(): sum(range(3000))")
    before = recorded.baseline_bytes()
    ran = recorded.flame("--flame-update=missing", SPIN, "test_more.py")
    assert ran.ret == 1
    assert ran.verdicts == {SPIN: "REGRESSED", "test_more.py::test_more": "NEW"}
    assert ran.outcomes == {"failed": 1, "passed": 1}
    after = recorded.baseline_bytes()
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 1


def test_updating_all_replaces_passing_baselines_of_the_named_file_only(recorded: Project) -> None:
    recorded.write("test_more.py", "import pytest\n@pytest.mark.flame\ndef test_more(): sum(range(3000))")
    before = recorded.baseline_bytes()
    ran = recorded.flame("--flame-update=all", SPIN, time=SHORTEST)
    assert ran.ret == 0, ran.out
    after = recorded.baseline_bytes()
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed
    assert all("test_spin" in name for name in changed)


# --- no base ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("args", "ret", "outcome"), [((), 0, "skipped"), (("--flame-strict",), 1, "failed")])
def test_new_test_is_skipped_or_failed_but_never_passed(
    project: Project, args: tuple[str, ...], ret: int, outcome: str
) -> None:
    project.write("test_it.py", "import pytest\n@pytest.mark.flame\ndef test_it(): sum(range(3000))")
    ran = project.flame(*args, "-rs", time=SHORTEST)
    assert ran.ret == ret
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}
    assert ran.outcomes == {outcome: 1}
    assert "no baseline" in ran.out
    assert "pytest --flame-update" in ran.out
    assert not (project.path / "flame-baselines").exists()


@pytest.mark.parametrize("strict", [False, True])
def test_baseline_of_another_machine_is_not_compared(recorded: Project, strict: bool) -> None:
    recording = recorded.store.load(SPIN)
    assert recording is not None
    recorded.store.save(dataclasses.replace(recording, fingerprint={**recording.fingerprint, "cpu": "Abacus 3000"}))
    ran = recorded.flame(SPIN, *(["--flame-strict"] if strict else ["--flame-update"]), time=SHORTEST)
    assert ran.verdict("test_spin") == "INCOMPATIBLE"
    assert "Abacus 3000" in ran.out
    assert ran.test("test_spin")["ratio"] is None
    assert ran.ret == (1 if strict else 0)
    now = recorded.store.load(SPIN)
    assert now is not None
    assert (now.fingerprint == recording.fingerprint) is not strict


def test_other_ways_to_measure_are_not_compared(recorded: Project) -> None:
    recorded.replace("test_work.py", 'frame_threshold="300%"', 'frame_threshold="300%", fresh=True')
    ran = recorded.flame(SPIN, "--flame-frequency=250", time=SHORTEST)
    assert ran.verdict("test_spin") == "INCOMPATIBLE"
    assert "fresh=True was not set" in ran.test("test_spin")["details"]
    assert "Hz when recorded, 250 Hz here" in ran.test("test_spin")["details"]  # a busy machine records at a lower rate


# --- errors -------------------------------------------------------------------------------------------------------


def test_bodies_without_a_verdict_and_bodies_that_fail(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import os, pytest
        pytestmark = pytest.mark.flame

        def test_failing(): assert 0, "out of order"
        def test_dying(): os._exit(0)
        @pytest.mark.skip(reason="not today")
        def test_skipped(): pass
        @pytest.mark.xfail(reason="bug 7")
        def test_xfailed(): assert 0
        SEEN = []
        def test_unrepeatable():
            assert not SEEN
            SEEN.append(1)
        @pytest.mark.flame(fresh=True)
        def test_unrepeatable_fresh():
            assert not SEEN
            SEEN.append(1)
        """,
    )
    ran = project.flame("-rA", "--junitxml=junit.xml", "--flame-update=all", time=SHORTEST)
    assert ran.ret == 1
    assert ran.outcomes == {"failed": 4, "skipped": 1, "xfailed": 1}
    names = ("failing", "dying", "unrepeatable", "unrepeatable_fresh")
    assert ran.verdicts == {f"test_it.py::test_{name}": "ERROR" for name in names}
    assert "out of order" in ran.out
    assert "test_it.py:5" in ran.out
    assert "exited with status 0" in ran.test("test_dying")["reason"]
    assert "fresh=True" in ran.test("test_unrepeatable")["reason"]
    assert "fresh=True" not in ran.test("test_unrepeatable_fresh")["reason"]
    assert not (project.path / "flame-baselines").exists()
    cases = {case.get("name"): case for case in ET.parse(project.path / "junit.xml").iter("testcase")}
    assert {name for name, case in cases.items() if case.find("failure") is not None} == {f"test_{n}" for n in names}


def test_body_that_costs_nothing_never_passes(project: Project) -> None:
    project.write("test_it.py", "import pytest\n@pytest.mark.flame\ndef test_it(): pass")
    assert project.flame("--flame-update", time=SHORTEST).ret == 0
    ran = project.flame("--flame-strict", time=SHORTEST)
    assert ran.verdict("test_it") not in ("PASS", "IMPROVED"), ran.out
    assert ran.ret == 1


def test_slow_body_says_what_it_could_not_see(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest, time
        @pytest.mark.flame
        def test_it():
            end = time.process_time() + 0.7
            while time.process_time() < end: pass
        """,
    )
    ran = project.flame("--flame-update")
    assert ran.ret == 0, ran.out
    notes = " ".join(ran.test("test_it")["notes"])
    assert "iterations in all" in notes
    assert "no warm-up" in notes
    recording = project.store.load("test_it.py::test_it")
    assert recording is not None
    assert [(p.timing.rounds, p.timing.calls) for p in recording.processes] == [(1, 1)] * 3


def test_cost_that_grows_is_named(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest
        SEEN = list(range(20_000))
        @pytest.mark.flame
        def test_it():
            SEEN.extend(range(20))
            sum(SEEN)
        """,
    )
    ran = project.flame("--flame-update", time=("--flame-time=3", "--flame-processes=5"))
    notes = " ".join(ran.test("test_it")["notes"])
    assert "drifts" in notes, ran.out
    assert "fresh=True" in notes


# --- files --------------------------------------------------------------------------------------------------------


def test_report_that_cannot_be_written_loses_no_verdict(project: Project) -> None:
    project.write("test_it.py", "import pytest\n@pytest.mark.flame\ndef test_it(): sum(range(3000))")
    project.write("flame-report/index.html", "mine")
    project.write("file", "mine")
    ran = project.flame("--flame-markdown=file/summary.md", "--flame-update", time=SHORTEST)
    assert ran.ret == 1
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}
    assert "index.html is in the way of the report" in ran.out
    assert "summary.md cannot be written" in ran.out
    assert project.store.load("test_it.py::test_it") is not None
    assert (project.path / "flame-report/index.html").read_text() == "mine"
