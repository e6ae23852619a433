"""Nothing is left behind, however a run ends. Real processes, really killed."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_flame.trees.scratch import scratch_directory

RUN = """
import subprocess, sys
from pytest_flame.trees.scratch import scratch_directory

with scratch_directory() as scratch:
    (scratch.path / "read-only").mkdir()
    (scratch.path / "read-only" / "file").write_text("")
    (scratch.path / "read-only").chmod(0o500)
    worker = subprocess.Popen(["sh", "-c", "sleep 1000 & echo ready; wait"], stdout=sys.stdout, start_new_session=True)
    scratch.guard(worker.pid)
    sys.stdout.write(f"{scratch.path} {scratch.reaper.pid}\\n")  # in one piece: the worker writes there too
    sys.stdout.flush()
    worker.wait()
"""


def test_gone_after_the_block() -> None:
    with scratch_directory() as scratch:
        (scratch.path / "a").mkdir()
        (scratch.path / "a" / "b").write_text("")
        (scratch.path / "a").chmod(0o500)
    assert not scratch.path.exists()
    assert scratch.reaper is not None
    assert scratch.reaper.returncode is not None


def test_a_released_group_is_let_live() -> None:
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        with scratch_directory() as scratch:
            scratch.guard(child.pid)
            scratch.release(child.pid)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_from_outside(number: signal.Signals) -> None:
    """The directory and the worker with its children end with the run."""
    run = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert run.stdout is not None
    lines = [run.stdout.readline().decode().strip() for _ in range(2)]
    path, reaper = next(line for line in lines if line != "ready").split()
    assert Path(path).is_dir()
    ended = os.pidfd_open(int(reaper))
    try:
        run.send_signal(number)
        run.wait(20)
        # The worker and its child hold the pipe: it ends when they do.
        assert run.stdout.read() == b""
        readable, _, _ = select.select([ended], [], [], 20)
        assert readable, "the reaper did not end"
        assert not Path(path).exists()
    finally:
        os.close(ended)
        run.stdout.close()
