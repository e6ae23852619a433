"""CPU of processes that keep running, with real ones that report what they used."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pytest_flame.sampling import descendants as module
from pytest_flame.sampling.descendants import Descendants, command, status

TICK_NS = 10_000_000
SERVER = """
import sys, time
for line in sys.stdin:
    end = time.process_time_ns() + int(line)
    while time.process_time_ns() < end:
        pass
    print(time.process_time_ns(), flush=True)
"""
PYTHON = (sys.executable, "-I", "-S")


class Server:
    """A child that works on request. ``used`` is its own figure for all its work."""

    def __init__(self, command: tuple[str, ...] = (*PYTHON, "-c", SERVER)) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.used = 0
        self.work(0)

    def work(self, ns: int) -> None:
        self.ask(ns)
        assert self.process.stdout is not None
        self.used = int(self.process.stdout.readline())

    def ask(self, ns: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{ns}\n")
        self.process.stdin.flush()


@contextmanager
def serving(*command: str) -> Iterator[Server]:
    server = Server(command) if command else Server()
    with server.process:
        try:
            yield server
        finally:
            server.process.kill()


@pytest.fixture
def mine() -> Iterator[Descendants]:
    found = Descendants(os.getpid())
    yield found
    found.close()


def test_a_child_that_lives_on(mine: Descendants) -> None:
    with serving() as server:
        used, before = server.used, mine.cpu_ns()
        server.work(30_000_000)
        grown = mine.cpu_ns() - before
        # What it does before and after it answers is not in its own figure.
        assert server.used - used <= grown + 3_000_000
        assert grown < server.used - used + TICK_NS


def test_what_a_child_used_is_neither_lost_nor_doubled_when_it_ends(mine: Descendants) -> None:
    with serving() as server:
        begin, waited = mine.cpu_ns(), resource.getrusage(resource.RUSAGE_CHILDREN)
        lived = status(server.process.pid)
        assert lived is not None
        server.work(30_000_000)
        assert server.process.stdin is not None
        server.process.stdin.close()
        os.waitid(os.P_PID, server.process.pid, os.WEXITED | os.WNOWAIT)
        ended = mine.cpu_ns()
    after, all_waited = mine.cpu_ns(), resource.getrusage(resource.RUSAGE_CHILDREN)
    assert abs(after - ended) < 10_000, "what is kept for its parent is what the parent is charged"
    life_ns = (all_waited.ru_utime + all_waited.ru_stime - waited.ru_utime - waited.ru_stime) * 1e9
    assert after - begin <= life_ns + 10_000
    assert after - begin >= 30_000_000


def test_children_of_children_and_what_their_parents_waited_for(mine: Descendants) -> None:
    middle = f"import subprocess, sys; sys.exit(subprocess.call({[*PYTHON, '-c', SERVER]!r}))"
    with serving(*PYTHON, "-c", middle + "or input()") as server:
        before, used = mine.cpu_ns(), server.used
        server.work(40_000_000)
        assert mine.cpu_ns() - before >= server.used - used - 100_000


def test_waited_for_by_a_child_is_counted_in_ticks(mine: Descendants) -> None:
    spin = "import time\nwhile time.process_time() < 0.1: pass"
    middle = f"""
import subprocess
input()
subprocess.run({[*PYTHON, "-c", spin]!r})
print(0, flush=True)
input()
"""
    with subprocess.Popen([*PYTHON, "-c", middle], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        try:
            before = mine.cpu_ns()
            child.stdin.write("\n")
            child.stdin.flush()
            child.stdout.readline()
            grown = mine.cpu_ns() - before
        finally:
            child.kill()
    assert grown > 100_000_000 - 2 * TICK_NS


def test_processes_are_met_whether_or_not_the_last_number_is_known(
    mine: Descendants, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in (True, False):
        if not known:
            monkeypatch.setattr(Descendants, "_last_number", lambda self: None)
        with serving() as server:
            mine.cpu_ns()
            assert server.process.pid in mine.living()


def test_a_number_that_was_given_out_again_is_another_process(mine: Descendants) -> None:
    with serving() as server:
        mine.cpu_ns()
        pid = server.process.pid
        mine._known[pid] -= 1  # as if it had been an earlier one's
        before = mine.cpu_ns()
        server.work(20_000_000)
        assert mine.cpu_ns() - before >= 19_000_000
        assert pid in mine.living()


def test_nothing_is_looked_at_where_nothing_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Descendants, "_last_number", lambda self: 77)
    with serving() as server:
        childless = Descendants(server.process.pid)
        childless.cpu_ns()
        monkeypatch.setattr(module, "status", None)
        monkeypatch.setattr(Descendants, "_discover", None)
        childless.cpu_ns()
        childless.close()


def test_other_processes_are_none_of_ours(mine: Descendants) -> None:
    with serving() as server:
        other = Descendants(server.process.pid)
        assert os.getpid() not in other.living()
        assert 1 not in mine.living()
        other.close()


def test_threads_are_no_processes(mine: Descendants) -> None:
    """The kernel shows them under their numbers, as children of their process's parent."""
    before = set(mine.living())
    threads = """
import subprocess, sys, threading, time
for _ in range(3): threading.Thread(target=sys.stdin.readline, daemon=True).start()
print(0, flush=True); time.sleep(1000)
"""
    with serving(*PYTHON, "-c", threads) as server:
        assert set(mine.living()) - before == {server.process.pid}


def test_commands() -> None:
    with serving("sh", "-c", "read a; echo 0; read a") as server:
        assert command(server.process.pid) == "sh -c read a; echo 0; read a"
    assert command(2**22 + 1) == f"process {2**22 + 1}"


# --- what is not seen -------------------------------------------------------------------------------------------


def test_children_at_rest_hide_nothing(mine: Descendants) -> None:
    assert mine.unseen(10**9) is None
    with serving() as server:
        server.work(10_000_000)
        assert mine.unseen(10**9) is None


def test_work_that_goes_on_behind_the_body(mine: Descendants) -> None:
    with serving() as server:
        mine.cpu_ns()
        server.ask(10**12)
        assert "keep working" in (mine.unseen(100_000_000) or "")


def test_ignoring_sigchld_drops_what_children_cost(mine: Descendants) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert "ignores SIGCHLD" in (mine.unseen(10**9) or "")
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_child_that_ignores_sigchld_is_named(mine: Descendants) -> None:
    ignoring = f"import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n{SERVER}"
    with serving(*PYTHON, "-c", ignoring):
        assert "-c import signal; signal.signal(signal.SIGCHLD" in (mine.unseen(10**9) or "")


def test_children_that_proc_does_not_show(mine: Descendants, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under hidepid=2 for a program of another user."""
    with serving():
        monkeypatch.setattr(module, "status", lambda pid: None)
        assert "cannot be seen in /proc" in (mine.unseen(10**9) or "")


def test_processes_that_never_stand_still(mine: Descendants, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving():
        monkeypatch.setattr(Descendants, "_sum", lambda self: None)
        mine.cpu_ns()
        assert "too fast" in (mine.unseen(10**9) or "")


def test_proc_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_open", lambda path: None)

    def refused(path: str) -> list[str]:
        raise PermissionError(path)

    monkeypatch.setattr(os, "listdir", refused)
    blind = Descendants(os.getpid())
    with monkeypatch.context() as context:
        context.setattr(module, "has_children", lambda: False)
        assert blind.unseen(10**9) is None
    with serving():
        assert "cannot be seen in /proc" in (blind.unseen(10**9) or "")
