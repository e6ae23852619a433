"""Child processes: profiled with the program on request, otherwise left alone."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable

import pytest
from profiled import about, stacks_with, total

from pytest_flame.model import Stack

MS = 1_000_000
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Costs = Callable[[], dict[Stack, int]]
FOLLOW = {"FLAME_PROFILE": "out.folded", "FLAME_PROFILE_FOLLOW": "1"}
CHILDREN = "[not sampled]"

PROCESSES = """
import multiprocessing

def work():
    spin(80 * MS)

if __name__ == "__main__":
    context = multiprocessing.get_context("{method}")
    children = [context.Process(target=work) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
"""
METHODS = ("fork", "spawn", "forkserver")


@pytest.mark.parametrize("method", METHODS)
def test_followed_processes_are_in_the_profile(run: Run, costs: Costs, method: str, sampler: str) -> None:
    done = run(PROCESSES.format(method=method), FLAME_PROFILE_SAMPLER=sampler, **FOLLOW)
    assert total(costs(), "work") == about(160 * MS, 0.15)
    assert "in 3 processes" in done.stderr or "in 4 processes" in done.stderr or "in 5 processes" in done.stderr


@pytest.mark.parametrize("method", METHODS)
def test_processes_that_are_not_followed_are_one_frame_of_the_right_size(run: Run, costs: Costs, method: str) -> None:
    run(PROCESSES.format(method=method), FLAME_PROFILE="out.folded")
    assert total(costs(), "work") == 0
    if method != "forkserver":  # whose children only the server waits for
        assert total(costs(), CHILDREN) >= 150 * MS


def test_a_forked_child_shows_below_the_fork(run: Run, costs: Costs) -> None:
    run(PROCESSES.format(method="fork"), **FOLLOW)
    (stack,) = stacks_with(costs(), "work") - {()}
    assert stack[0] == "<module>" and "start" in stack and stack[-1] == "spin"


def test_pools_are_followed(run: Run, costs: Costs) -> None:
    run(
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        def work(ns):
            spin(ns)

        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:  # its end terminates the workers
                pool.map(work, [20 * MS] * 4)
            with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
                list(executor.map(work, [20 * MS] * 4))
        """,
        **FOLLOW,
    )
    assert total(costs(), "work") == about(160 * MS, 0.2)


def test_python_subprocesses_are_followed_and_others_are_one_frame(run: Run, costs: Costs) -> None:
    run(
        """
        import subprocess
        CODE = "import time\\ndef sub():\\n  end = time.process_time() + .1\\n"
        CODE += "  while time.process_time() < end: pass\\nsub()"
        subprocess.run([sys.executable, "-c", CODE], check=True)
        subprocess.run(["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"], check=True)
        """,
        **FOLLOW,
    )
    assert total(costs(), "sub") == about(100 * MS, 0.15)
    assert total(costs(), CHILDREN) > 30 * MS


def test_a_forked_childs_children_are_followed(run: Run, costs: Costs) -> None:
    run(
        """
        def child(): spin(40 * MS)
        def grandchild(): spin(40 * MS)
        if os.fork() == 0:
            child()
            if os.fork() == 0:
                grandchild()
                os._exit(0)
            os.wait()
            os._exit(0)
        os.wait()
        """,
        **FOLLOW,
    )
    assert total(costs(), "child", "spin") == about(40 * MS, 0.2)
    assert total(costs(), "grandchild", "spin") == about(40 * MS, 0.2)


def test_a_daemon_that_outlives_the_program_adds_to_its_profile(run: Run, costs: Costs) -> None:
    """The program ends first; what its last process has is still written."""
    run(
        """
        def daemon(): spin(60 * MS)
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(writing)
            os.read(reading, 1)  # until the program is gone
            daemon()
            os._exit(0)
        os.close(reading)
        """,
        **FOLLOW,
    )
    deadline = time.monotonic() + 20
    while not total(costs(), "daemon") and time.monotonic() < deadline:
        os.sched_yield()  # it has no parent any more
    assert total(costs(), "daemon") == about(60 * MS, 0.2)


def test_a_child_that_is_killed_is_said(run: Run, costs: Costs) -> None:
    done = run(
        """
        import signal
        pid = os.fork()
        if pid == 0:
            spin(30 * MS)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        """,
        **FOLLOW,
    )
    assert "1 of the followed processes delivered no samples" in done.stderr
    assert total(costs(), CHILDREN) >= 25 * MS, "its CPU is still accounted for"


@pytest.mark.parametrize("follow", ["", "1"])
def test_a_program_started_by_exec_in_a_child_is_undisturbed(run: Run, follow: str) -> None:
    done = run(
        """
        import subprocess
        print(subprocess.run(["echo", "well"], preexec_fn=lambda: spin(5 * MS), capture_output=True).stdout)
        """,
        FLAME_PROFILE="out.folded",
        FLAME_PROFILE_FOLLOW=follow,
    )
    assert done.stdout == "b'well\\n'\n"


def test_a_child_that_is_not_followed_ends_by_sigterm_as_it_would(run: Run) -> None:
    done = run(
        """
        import signal
        pid = os.fork()
        if pid == 0:
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            os.kill(os.getpid(), signal.SIGTERM)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
        FLAME_PROFILE="out.folded",
    )
    assert done.stdout == "-15\n"
