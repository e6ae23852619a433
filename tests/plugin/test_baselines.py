"""Stored baselines in every state: broken, renamed, stale, of tests with hostile names."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys

import pytest

from pytest_flame.baseline import stored
from pytest_flame.baseline.json_text import content_sha256

from .conftest import SHORTEST, Project

STATES = ("conflicted", "truncated", "edited", "newer")


def broken_project(project: Project) -> Project:
    recording = project.store.load("test_work.py::test_spin")
    assert recording is not None
    project.write(
        "test_it.py",
        f"import pytest, work\n@pytest.mark.flame\n@pytest.mark.parametrize('state', {STATES})\n"
        "def test_it(state): work.spin(3000)",
    )
    for state in STATES:
        project.store.save(dataclasses.replace(recording, test_id=f"test_it.py::test_it[{state}]"))
    for state in STATES:
        path = project.store.path(f"test_it.py::test_it[{state}]")
        text = path.read_text(encoding="utf-8")
        if state == "conflicted":
            path.write_text(f"<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n", encoding="utf-8")
        elif state == "truncated":
            path.write_text(text[: len(text) // 2], encoding="utf-8")
        elif state == "edited":
            path.write_text(text.replace('"loop_ps": [', '"loop_ps": [1'), encoding="utf-8")
        else:
            document = json.loads(text)
            document["schema"] = f"{stored.NAME}{stored.VERSION + 1}"
            document["content_sha256"] = content_sha256(document)
            path.write_text(json.dumps(document), encoding="utf-8")
    return project


def test_broken_baselines_are_errors_and_repaired_by_the_command_given(recorded: Project) -> None:
    project = broken_project(recorded)
    before = project.baseline_bytes()
    ran = project.flame("--flame-update=changed", "test_it.py", time=SHORTEST)
    assert ran.ret == 1, ran.out
    assert ran.verdicts == {f"test_it.py::test_it[{state}]": "ERROR" for state in STATES}
    said = {state: ran.test(f"[{state}]")["details"] for state in STATES}
    assert "merge conflict" in said["conflicted"]
    assert "damaged" in said["truncated"]
    assert "changed after it was recorded" in said["edited"]
    assert "newer pytest-flame" in said["newer"]
    assert project.baseline_bytes() == before

    for state in ("conflicted", "truncated", "edited"):
        (command,) = (line for line in said[state].splitlines() if "--flame-update=all" in line)
        assert shlex.split(command.partition("pytest ")[2]) == ["--flame-update=all", f"test_it.py::test_it[{state}]"]
    ran = project.flame("--flame-update=all", "test_it.py", "-k", "truncated or newer", time=SHORTEST)
    assert project.store.load("test_it.py::test_it[truncated]") is not None
    assert ran.verdict("[newer]") == "ERROR", "what a newer version wrote is not this version's to replace"
    assert ran.outcomes == {"passed": 1, "failed": 1, "deselected": 2}
    assert "pip install --upgrade pytest-flame" in ran.out


def test_stale_baselines_are_named_by_a_run_over_everything_only(recorded: Project) -> None:
    recorded.write("sub/test_other.py", "def test_other(): pass")
    recorded.replace("test_work.py", "def test_spin", "def test_spun")
    everything = ("-m", "not flame")
    said = recorded.flame(*everything, "--flame-strict")
    assert said.ret == 1
    assert "stale baseline: there is no longer a test test_work.py::test_spin." in said.out
    assert "test_both any more" not in said.out
    for args, cwd in ((("test_work.py",), "."), ((), "sub"), (("--ignore=sub",), "."), (("--lf",), ".")):
        assert "stale baseline" not in recorded.flame(*everything, *args, cwd=cwd).out, (args, cwd)


def test_stale_baseline_that_cannot_be_read_does_not_cost_the_run(recorded: Project) -> None:
    recorded.replace("test_work.py", "def test_spin", "def test_spun")
    path = recorded.store.path("test_work.py::test_spin")
    path.write_text(path.read_text(encoding="utf-8")[:100], encoding="utf-8")
    ran = recorded.flame("-m", "not flame")
    assert ran.ret == 0, ran.out
    assert ran.outcomes["passed"] == 1
    assert "could not look for stale baselines" in ran.out
    assert "git checkout" in ran.out
    assert recorded.flame("-m", "not flame", "--flame-strict").ret == 1


def test_renamed_test_takes_its_baseline_along_by_the_command_given(recorded: Project) -> None:
    recorded.replace("test_work.py", "def test_spin", "def test_spun")
    ran = recorded.flame("-m", "not flame")
    (line,) = (line for line in ran.out.splitlines() if "--flame-move" in line)
    command = line.partition("pytest ")[2].partition(";")[0].replace("NEW-ID", "test_work.py::test_spun")
    ran = recorded.run(*shlex.split(command), "-m", "not flame")
    assert ran.ret == 0, ran.out
    assert "stale baseline" not in ran.out
    assert recorded.store.test_ids() == ["test_work.py::test_both", "test_work.py::test_spun"]
    recording = recorded.store.load("test_work.py::test_spun")
    assert recording is not None

    ran = recorded.run("--flame-move=test_work.py::test_both=test_work.py::test_spun", "-m", "not flame")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert "already has one" in ran.out


HOSTILE = """
import pytest

@pytest.mark.flame
@pytest.mark.parametrize("name", ["..", "日本/[a=b] $HOME `id` '", "X", "x", "y" * 300])
def test_größe(name): sum(range(2000))
"""


def test_tests_with_hostile_names_have_baselines_of_their_own(project: Project) -> None:
    escaping = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support"
    project.write("pytest.ini", f"[pytest]\npython_files = test*.py\n{escaping} = true\n")
    project.write("größe/test names.py", HOSTILE)
    ran = project.flame("--flame-update", time=SHORTEST)
    assert ran.ret == 0, ran.out
    assert list(ran.verdicts.values()) == ["NEW"] * 5
    assert project.store.test_ids() == sorted(ran.verdicts)
    names = [path.name.lower() for path in project.store.directory.iterdir()]
    assert len(set(names)) == len(names) == 5
    ran = project.flame("größe/test names.py::test_größe[日本/[a=b] $HOME `id` ']", time=SHORTEST)
    assert "NEW" not in ran.verdicts.values()


if sys.platform != "linux":
    pytest.skip("pytest-flame measures on Linux", allow_module_level=True)
