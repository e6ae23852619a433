"""Stored baselines that are not enough for a test: their commit is measured again, or the result says why not."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import jsonschema
import pytest
from repositories import Checkout

from pytest_flame.render.json import schema

from .conftest import SHORT, WORK, Project, Ran
from .test_against import initialised, state

TESTS = """
import pytest
import work

pytestmark = pytest.mark.flame(threshold="300%", frame_threshold="300%")


def test_spin():
    work.spin(3000)


def test_churn():
    work.churn(3000)
"""
SPIN, CHURN = "test_work.py::test_spin", "test_work.py::test_churn"
IGNORED = "flame-report/\n__pycache__/\n.pytest_cache/\nresult.json\n"


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose last commit has two tests and their baselines; made once, to be copied."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        project = Project(tmp_path_factory.mktemp("committed"), monkeypatch)
        checkout = initialised(project)
        project.write("pytest.ini", "[pytest]\n")
        project.write(".gitignore", IGNORED)
        project.write("work.py", WORK)
        project.write("test_work.py", TESTS)
        ran = project.flame("--flame-update", time=("--flame-time=0.9", "--flame-processes=3"))
        assert ran.ret == 0, ran.out
        checkout.commit()
        return project.path


@pytest.fixture
def stored(committed: Path, project: Project) -> Project:
    shutil.copytree(committed, project.path, dirs_exist_ok=True)
    return project


def slow_down(project: Project) -> None:
    project.replace("work.py", "range(n):\n        total += i * i", "range(16 * n):\n        total += i * i")


def of_another_machine(project: Project, test_id: str) -> None:
    recording = project.store.load(test_id)
    assert recording is not None
    project.store.save(dataclasses.replace(recording, fingerprint={**recording.fingerprint, "cpu": "Abacus 3000"}))


def lines(ran: Ran, said: str) -> list[str]:
    return [line for line in ran.out.splitlines() if said in line]


def test_suspicion_is_confirmed_and_a_difference_of_machines_dispelled(
    stored: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    stored.monkeypatch.setenv("TMPDIR", str(temporary))
    checkout = Checkout(stored.path)
    of_another_machine(stored, CHURN)
    checkout.git("commit", "-q", "-a", "--amend", "--no-edit")
    base = checkout.git("rev-parse", "HEAD")
    slow_down(stored)
    before = state(checkout)
    ran = stored.flame()
    assert ran.verdicts == {SPIN: "REGRESSED", CHURN: "PASS"}, ran.out
    assert ran.ret == 1
    assert [culprit["frame"] for culprit in ran.test("test_spin")["culprits"]] == ["work:spin"]
    (line,) = lines(ran, "re-measured here for ")
    assert base[:7] in line
    assert "for 2 tests: " in line
    assert "slower than the stored baseline" in line
    assert "under other conditions (" in line
    assert ran.document is not None
    assert ran.document["mode"] == "stored"
    jsonschema.validate(ran.document, schema())
    assert "against the stored baseline" in " ".join(ran.test("test_spin")["notes"])
    assert state(checkout) == before
    assert list(temporary.iterdir()) == []


def test_slowdown_that_was_committed_is_still_compared_with_the_baselines_own_commit(stored: Project) -> None:
    checkout = Checkout(stored.path)
    base = checkout.git("rev-parse", "HEAD")
    slow_down(stored)
    checkout.commit()
    stored.write("notes.txt", "more")
    checkout.commit()
    ran = stored.flame(SPIN)
    assert ran.verdict("test_spin") == "REGRESSED", ran.out
    (line,) = lines(ran, "re-measured here for 1 test: ")
    assert base[:7] in line


def test_what_passes_is_not_measured_again(stored: Project) -> None:
    ran = stored.flame(SPIN)
    assert ran.verdicts == {SPIN: "PASS"}, ran.out
    assert not lines(ran, "re-measured")


def test_never_leaves_the_verdict_to_the_stored_baseline(stored: Project) -> None:
    slow_down(stored)
    ran = stored.flame(SPIN, "--flame-remeasure=never")
    assert ran.verdict("test_spin") == "REGRESSED", ran.out
    assert not lines(ran, "re-measured")


def test_always_asks_no_stored_baseline(stored: Project) -> None:
    of_another_machine(stored, SPIN)
    Checkout(stored.path).commit()
    ran = stored.flame(SPIN, "--flame-remeasure=always")
    assert ran.verdict("test_spin") == "PASS", ran.out
    (line,) = lines(ran, "re-measured here for 1 test: ")
    assert "--flame-remeasure=always" in line


def test_suspicion_without_a_repository_is_inconclusive_and_says_so(stored: Project) -> None:
    shutil.rmtree(stored.path / ".git")
    slow_down(stored)
    ran = stored.flame(SPIN, "--flame-strict")
    test = ran.test("test_spin")
    assert test["verdict"] == "INCONCLUSIVE", ran.out
    assert "a suspicion that could not be confirmed" in test["reason"]
    assert "is not in a git repository" in test["reason"]
    assert ran.ret == 1
    assert ran.outcomes == {"failed": 1}


def test_suspicion_whose_sources_no_commit_holds_is_inconclusive(stored: Project) -> None:
    checkout = Checkout(stored.path)
    shutil.rmtree(stored.path / ".git")
    checkout.git("init", "-q", "-b", "main")
    slow_down(stored)
    checkout.commit()
    ran = stored.flame(SPIN)
    assert ran.verdict("test_spin") == "INCONCLUSIVE", ran.out
    assert "a suspicion that could not be confirmed" in ran.test("test_spin")["reason"]


def test_updating_measures_nothing_again(stored: Project) -> None:
    slow_down(stored)
    ran = stored.flame(SPIN, "--flame-update=missing", "--flame-remeasure=always")
    assert ran.verdict("test_spin") == "REGRESSED", ran.out
    assert not lines(ran, "re-measured")


def test_three_recordings_teach_the_variance_between_sessions(stored: Project) -> None:
    for _ in range(2):
        added = stored.flame(SPIN, "--flame-update=add", time=SHORT)
        assert "recording added to the baseline" in added.test("test_spin")["reason"], added.out
    ran = stored.flame(SPIN, "--flame-remeasure=never", time=SHORT)
    notes = " ".join(ran.test("test_spin")["notes"])
    assert "session sd " in notes, ran.out
    assert "from 3 recordings" in notes
