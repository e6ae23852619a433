"""Tests forked from a prepared process: they share its start, and nothing that another one did."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flame.measure.job import Status, WorkerResult
from pytest_flame.measure.workers import Prepared

from .conftest import Project


@pytest.fixture
def prepared() -> Iterator[Prepared]:
    made = Prepared(hash_seed=1)
    yield made
    made.close()


def note(project: Project) -> list[str]:
    path = project.path / "said.txt"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


SAY = """
import os, pathlib
def say(what):
    with open(pathlib.Path(__file__).with_name("said.txt"), "a") as file:
        file.write(f"{what}\\n")
"""


def measured(result: WorkerResult) -> WorkerResult:
    assert result.status is Status.MEASURED, result
    return result


def test_everything_is_imported_once_and_nothing_is_left(project: Project, prepared: Prepared) -> None:
    project.write("helper.py", SAY)
    project.write("conftest.py", "import helper; helper.say('conftest')")
    project.write(
        "test_it.py",
        """
        import helper, random, pytest
        helper.say("file")
        SEEN = []

        @pytest.fixture(scope="session")
        def session():
            helper.say("session")
            return []

        def test_a(session, tmp_path):
            if not SEEN:
                helper.say(f"a {random.random():.6f} {len(list(tmp_path.iterdir()))}")
                (tmp_path / "left").write_text("")
            SEEN.append(1)

        def test_b(session, tmp_path):
            if not SEEN:
                helper.say(f"b {random.random():.6f} {len(list(tmp_path.iterdir()))}")
            SEEN.append(1)
        """,
    )
    results = [measured(project.worker(f"test_it.py::test_{name}", prepared=prepared)) for name in "aba"]
    said = note(project)
    assert said[:2] == ["conftest", "file"]
    calls = [line for line in said if line[0] in "ab"]
    assert len(calls) == 3 and calls[0] == calls[2]
    assert len({line[2:] for line in calls}) == 1, "the same random numbers and empty folders"
    assert said.count("session") == 3
    assert [result.own_process for result in results] == [None] * 3
    assert {result.recording.processes[0].hash_seed for result in results if result.recording} == {1}


def test_exit_handlers_run_where_they_were_registered(project: Project, prepared: Prepared) -> None:
    """One of the test file would remove a folder that its other tests need."""
    project.write("helper.py", SAY)
    project.write(
        "test_it.py",
        """
        import atexit, helper, os, tempfile
        FOLDER = tempfile.TemporaryDirectory()
        OWNER = os.getpid()
        atexit.register(lambda: helper.say(f"file, its own process: {os.getpid() == OWNER}"))

        def test_a():
            assert os.path.isdir(FOLDER.name)
            atexit.register(helper.say, "test")
        """,
    )
    for _ in range(2):
        measured(project.worker("test_it.py::test_a", prepared=prepared))
        assert set(note(project)) == {"test"}
    prepared.close()
    assert note(project)[-1] == "file, its own process: True"


def test_a_file_is_collected_in_a_process_of_its_own(project: Project, prepared: Prepared) -> None:
    project.write("shared.py", "VALUES = []")
    for name in "ab":
        project.write(
            f"test_{name}.py",
            f"""
            import shared
            shared.VALUES.append("{name}")
            def test_it():
                assert shared.VALUES == ["{name}"]
            """,
        )
    for name in "aba":
        measured(project.worker(f"test_{name}.py::test_it", prepared=prepared))


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (
            "from threading import Event, Thread\nThread(target=Event().wait, daemon=True, name='ticker').start()",
            "ticker",
        ),
        ("import subprocess\nserver = subprocess.Popen(['sleep', '60'])", "child processes"),
    ],
    ids=["thread", "child"],
)
def test_what_cannot_be_forked_gets_interpreters_of_its_own(
    project: Project, prepared: Prepared, code: str, why: str
) -> None:
    project.write("test_it.py", f"{code}\ndef test_it(): pass\n")
    project.write("test_other.py", "def test_it(): pass")
    for _ in range(2):
        result = measured(project.worker("test_it.py::test_it", prepared=prepared))
        assert result.own_process is not None and why in result.own_process
    assert measured(project.worker("test_other.py::test_it", prepared=prepared)).own_process is None


def test_a_test_that_dies_ends_nothing_else(project: Project, prepared: Prepared) -> None:
    project.write(
        "test_it.py",
        """
        import os, signal
        def test_killed(): os.kill(os.getpid(), signal.SIGKILL)
        def test_left(): os._exit(3)
        def test_fine(): pass
        """,
    )
    died = project.worker("test_it.py::test_killed", prepared=prepared)
    assert died.status is Status.DIED and "SIGKILL" in died.message
    left = project.worker("test_it.py::test_left", prepared=prepared)
    assert left.status is Status.DIED and "status 3" in left.message
    assert measured(project.worker("test_it.py::test_fine", prepared=prepared)).own_process is None


def test_a_file_that_dies_ends_nothing_else(project: Project, prepared: Prepared) -> None:
    project.write("test_it.py", "import os\nos._exit(5)\ndef test_it(): pass")
    project.write("test_other.py", "def test_it(): pass")
    died = project.worker("test_it.py::test_it", prepared=prepared)
    assert died.status is Status.DIED and "status 5" in died.message
    measured(project.worker("test_other.py::test_it", prepared=prepared))


def test_a_test_that_hangs_is_killed_and_shown(project: Project, prepared: Prepared) -> None:
    project.write("test_it.py", "import time\ndef test_hangs():\n    time.sleep(3600)\ndef test_fine(): pass")
    measured(project.worker("test_it.py::test_fine", prepared=prepared))
    hung = project.worker("test_it.py::test_hangs", prepared=prepared, before_s=3)
    assert hung.status is Status.HUNG, hung
    assert "test_hangs" in hung.details
    measured(project.worker("test_it.py::test_fine", prepared=prepared))


def test_what_a_test_leaves_running_is_killed(project: Project, prepared: Prepared) -> None:
    project.write(
        "test_it.py",
        """
        import pathlib, subprocess
        def test_it():
            child = subprocess.Popen(["sleep", "3600"], start_new_session=True)
            with open(pathlib.Path(__file__).with_name("pids"), "a") as file:
                file.write(f"{child.pid}\\n")
        """,
    )
    result = project.worker("test_it.py::test_it", prepared=prepared)
    assert result.left and set(result.left) == {"sleep 3600"}
    for pid in (project.path / "pids").read_text(encoding="utf-8").split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_a_conftest_file_that_fails_says_so(project: Project, prepared: Prepared) -> None:
    project.write("conftest.py", "raise RuntimeError('out of order')")
    project.write("test_it.py", "def test_it(): pass")
    for _ in range(2):
        result = project.worker("test_it.py::test_it", prepared=prepared)
        assert result.status is Status.FAILED and "out of order" in result.message, result


def test_all_of_it_ends_with_the_run(project: Project) -> None:
    project.write("test_it.py", "def test_it(): pass")
    prepared = Prepared(hash_seed=1)
    measured(project.worker("test_it.py::test_it", prepared=prepared))
    assert prepared.interpreter is not None
    group = os.getpgid(prepared.interpreter.pid)
    prepared.kill()
    with pytest.raises(ProcessLookupError):
        os.killpg(group, signal.SIGCONT)


def test_output_is_that_of_the_test(project: Project, prepared: Prepared) -> None:
    project.write(
        "test_it.py",
        """
        def test_talks():
            print("from the first")
            assert False
        def test_fails():
            print("from the second")
            assert False
        """,
    )
    first, second = (project.worker(f"test_it.py::test_{name}", prepared=prepared) for name in ("talks", "fails"))
    assert "from the first" in first.details and "from the second" in second.details
    assert "from the first" not in second.details
    assert Path(project.path, ".scratch", "output.txt").exists()
