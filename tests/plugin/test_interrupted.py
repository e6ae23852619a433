"""Ctrl-C and the time limit: what is done is kept and reported, and nothing is left behind."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import SHORTEST, Project
from .test_bodies import ends

HANGS_LATE = """
import os, pathlib, signal, pytest, work
FOLDER = pathlib.Path(__file__).parent

@pytest.mark.flame(threshold="300%", frame_threshold="300%")
def test_spin(): work.spin(3000)

@pytest.mark.flame(processes=5)
def test_hangs_late():
    work.spin(3000)

def hang():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.fork()
    with open(FOLDER / "pids", "a") as file:
        file.write(f"{os.getpid()} ")
    while True: signal.pause()

@pytest.fixture(autouse=True)
def counted(request):
    with open(FOLDER / request.node.name, "a+") as file:
        file.write("started ")
        file.seek(0)
        words = file.read().split()
    # The tests take turns, a process each: when this one starts its fourth the other has had its three.
    if len(words) == 4:
        hang()
"""


@contextlib.contextmanager
def on_a_terminal(project: Project, *args: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A run in its own session whose output is a terminal; and the terminal's other end."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "pytest", "--flame", "--flame-json=result.json", *args]
    process = subprocess.Popen(
        command, cwd=project.path, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    try:
        yield process, master
    finally:
        process.kill()
        process.wait()
        os.close(master)


def read_until(master: int, end: str | None, limit_s: float = 60) -> str:
    """The terminal's output up to a text, or all of it."""
    text, deadline = "", time.monotonic() + limit_s
    while end is None or end not in text:
        assert select.select([master], [], [], max(0, deadline - time.monotonic()))[0], f"no {end!r} in:\n{text}"
        try:
            data = os.read(master, 65536)
        except OSError:  # EIO: the other end is closed
            data = b""
        if not data:
            assert end is None, f"no {end!r} in:\n{text}"
            break
        text += data.decode(errors="replace")
    return text


def wait_for_words(path: Path, words: int) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() or len(path.read_text().split()) < words:
        assert time.monotonic() < deadline, f"{path} is not written"
        os.sched_yield()


def test_ctrl_c_keeps_and_reports_what_is_done(recorded: Project) -> None:
    temporary = recorded.path / "temporary"
    temporary.mkdir()
    recorded.monkeypatch.setenv("TMPDIR", str(temporary))
    recorded.write("test_work.py", HANGS_LATE)
    work_as_recorded = recorded.store.load("test_work.py::test_spin")
    assert work_as_recorded is not None
    recorded.store.save(dataclasses.replace(work_as_recorded, test_id="test_work.py::test_hangs_late"))
    with on_a_terminal(recorded, "--flame-time=0.6", "--flame-processes=3", "--flame-seed=1") as (process, master):
        wait_for_words(recorded.path / "pids", 2)
        os.kill(process.pid, signal.SIGINT)
        shown = read_until(master, None)
        assert process.wait(30) == pytest.ExitCode.INTERRUPTED, shown
    assert "KeyboardInterrupt" in shown
    document = json.loads((recorded.path / "result.json").read_text())
    assert document["interrupted"] is True
    tests = {test["id"].partition("::")[2]: test for test in document["tests"]}
    assert tests["test_spin"]["verdict"] == "PASS", shown
    assert "only 3 of 5 processes were measured: interrupted" in tests["test_hangs_late"]["notes"]
    assert (recorded.path / "flame-report/index.html").exists()
    for pid in (recorded.path / "pids").read_text().split():
        assert ends(int(pid)), f"process {pid} still runs"
    assert list(temporary.iterdir()) == []


def test_cancelled_job_leaves_nothing_behind(project: Project) -> None:
    temporary = project.path / "temporary"
    temporary.mkdir()
    project.monkeypatch.setenv("TMPDIR", str(temporary))
    project.write(
        "test_it.py",
        """
        import os, pathlib, pytest, time
        @pytest.mark.flame
        def test_it(tmp_path):
            pathlib.Path(__file__).with_name("pids").write_text(f"{os.getpid()} .")
            time.sleep(1000)
        """,
    )
    with on_a_terminal(project, *SHORTEST) as (process, master):
        wait_for_words(project.path / "pids", 2)
        os.kill(process.pid, signal.SIGTERM)
        shown = read_until(master, None)
        assert process.wait(30) == pytest.ExitCode.INTERRUPTED, shown
    assert "interrupted after 0 of 3 processes" in shown
    assert ends(int((project.path / "pids").read_text().split()[0]))
    assert list(temporary.iterdir()) == []


def test_time_of_the_run_ends_a_body_that_hangs(recorded: Project) -> None:
    recorded.write("test_hanging.py", "import pytest, time\n@pytest.mark.flame\ndef test_it():\n    time.sleep(1000)\n")
    ran = recorded.flame("test_hanging.py", "--flame-max-time=1.5", time=SHORTEST)
    assert ran.ret == 0, ran.out
    assert ran.verdict("test_it") == "INCONCLUSIVE"
    assert "the run's time limit was reached (--flame-max-time) after 0 of 3 processes" in ran.out
    assert ran.outcomes == {"skipped": 1}


def test_line_moves_on_a_terminal(recorded: Project) -> None:
    with on_a_terminal(recorded, *SHORTEST, "-k", "spin") as (process, master):
        shown = read_until(master, None)
        assert process.wait(30) == 0
    assert "\rflame: test_work.py::test_spin: process 1 of 3" in shown
    assert "\rflame: test_work.py::test_spin: process 3 of 3, about " in shown
    assert "\nflame: test_work.py::test_spin: process" not in shown
