"""A process that hangs is found by what it announced, and the result says where it hangs."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_flame.measure.deadline import (
    FACTOR,
    LEAST_S,
    MOST_MORE_S,
    UNKNOWN_S,
    DeadlineWatch,
    Hang,
    Patience,
    Phase,
    allowed_s,
)
from pytest_flame.measure.workers import Awaited

START = """
import os, sys, time
from pytest_flame.measure.deadline import Patience, Pulse, show_stacks_when_asked
def wait():
    print("waits", flush=True)
    sys.stdin.read()
"""
Start = Callable[[str], "subprocess.Popen[bytes]"]
Begin = Callable[[str], Awaited]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Runs a program that ends when its input does."""
    started = []

    def run(program: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", START + program], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def waited(watch: DeadlineWatch, process: Awaited, timeout_s: float) -> Hang | None:
    """Until it has ended (None) or hangs."""
    end = time.monotonic_ns() + round(timeout_s * 1e9)
    while not process.ends_until(min(end, watch.until_ns, time.monotonic_ns() + 10**8)):
        now = time.monotonic_ns()
        if (hang := watch.hang(now)) is not None:
            return hang
        if now >= end:
            raise TimeoutError
    return None


@pytest.fixture
def begin(start: Start) -> Iterator[Begin]:
    """The same, as a launcher waits for it."""
    with contextlib.ExitStack() as ends:

        def run(program: str) -> Awaited:
            awaited = Awaited(start(program))
            ends.callback(awaited.close)
            return awaited

        yield run


@pytest.mark.parametrize(
    ("known_s", "allowed"),
    [
        (None, UNKNOWN_S),
        (0.001, LEAST_S),
        (LEAST_S / FACTOR, LEAST_S),
        (2.0, 2.0 * FACTOR),
        (10_000.0, 10_000.0 + MOST_MORE_S),
    ],
)
def test_base_tells_how_long_head_may_take(known_s: float | None, allowed: float) -> None:
    assert allowed_s(known_s) == allowed


@pytest.mark.parametrize(
    ("hang", "words"),
    [
        (Hang(Phase.STARTING, 30.2), "did not reach its first call in 30 s"),
        (Hang(Phase.CALLING, 30.0, 1, 1), "did not return in 30 s"),
        (Hang(Phase.CALLING, 9.0, 1, 1, 2.0), "did not return in 9 s; its own timeout is 2 s"),
        (Hang(Phase.CALLING, 200.0, 41, 41), "did not return from call 41 in 3 min 20 s"),
        (Hang(Phase.CALLING, 1.5, 41, 80), "did not return from calls 41 to 80 in 1.5 s"),
        (Hang(Phase.ENDING, 30.0), "made its calls but did not exit in 30 s"),
    ],
)
def test_words_say_what_did_not_return(hang: Hang, words: str) -> None:
    assert hang.words == words


def test_process_that_ends_is_no_hang(tmp_path: Path, begin: Begin) -> None:
    watch = DeadlineWatch(tmp_path, Patience(600, 600))
    assert waited(watch, begin(""), 60) is None
    watch.close()


def test_process_that_says_nothing_has_the_time_of_a_start(tmp_path: Path, begin: Begin) -> None:
    watch = DeadlineWatch(tmp_path, Patience(0.05, 600))
    hang = waited(watch, begin("wait()"), 60)
    assert hang is not None
    assert hang.phase is Phase.STARTING and hang.seconds >= 0.05
    watch.close()


def test_calls_have_a_time_of_their_own(tmp_path: Path, begin: Begin) -> None:
    """The start may take a minute; the second group of calls hangs."""
    watch = DeadlineWatch(tmp_path, Patience(60, 0.2))
    program = "pulse = Pulse('.', Patience(60, 0.2)); pulse.before(3); pulse.after(3); pulse.before(4); wait()"
    hang = waited(watch, begin(program), 60)
    assert hang is not None
    assert (hang.phase, hang.first_call, hang.last_call, hang.own_timeout_s) == (Phase.CALLING, 4, 7, None)
    assert hang.seconds < 60
    watch.close()


def test_own_timeout_of_the_project_is_what_one_call_is_waited_for(
    tmp_path: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import pytest_flame.measure.deadline as d; d.CALL_MORE_S = 0.1; pulse = Pulse('.', Patience(60, 60));"
        "pulse.own_timeout(0.05); pulse.before(1); wait()"
    )
    watch = DeadlineWatch(tmp_path, Patience(60, 60))
    hang = waited(watch, begin(program), 60)
    assert hang is not None
    assert (hang.phase, hang.first_call, hang.own_timeout_s) == (Phase.CALLING, 1, 0.05)
    assert 0.2 <= hang.seconds < 60
    watch.close()


def test_worker_that_promises_too_much_is_not_believed(tmp_path: Path, begin: Begin) -> None:
    watch = DeadlineWatch(tmp_path, Patience.asked_for(0.1))
    hang = waited(watch, begin("pulse = Pulse('.', Patience(900, 900)); pulse.ending(); wait()"), 60)
    assert hang is not None
    watch.close()


def test_end_of_the_runs_time_is_no_hang(tmp_path: Path, begin: Begin) -> None:
    watch = DeadlineWatch(tmp_path, Patience(600, 600))
    with pytest.raises(TimeoutError):
        waited(watch, begin("wait()"), 0.05)
    watch.close()


def test_without_pidfds_the_same_is_found(tmp_path: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int) -> int:
        raise PermissionError

    monkeypatch.setattr("os.pidfd_open", refused)
    watch = DeadlineWatch(tmp_path, Patience(0.05, 600))
    hang = waited(watch, begin("wait()"), 60)
    assert hang is not None
    again = DeadlineWatch(tmp_path, Patience(600, 600))
    assert waited(again, begin(""), 60) is None
    watch.close()
    again.close()


def test_stacks_say_where_it_hangs(tmp_path: Path, start: Start) -> None:
    watch = DeadlineWatch(tmp_path, Patience(600, 600))
    process = start("show_stacks_when_asked('.'); wait()")
    assert process.stdout is not None
    process.stdout.readline()
    awaited = Awaited(process)
    shown = watch.stacks(awaited)
    awaited.close()
    assert "in wait" in shown
    watch.close()


def test_a_fork_takes_over_where_stacks_are_written_without_a_warning(tmp_path: Path) -> None:
    # Projects make warnings errors, and pytest fails a test for those that cannot be raised.
    for name in ("prepared", "forked"):
        (tmp_path / name).mkdir()
    program = "show_stacks_when_asked('prepared'); show_stacks_when_asked('forked')"
    code = f"from pytest_flame.measure.deadline import show_stacks_when_asked; {program}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_process_that_cannot_say_where_it_hangs_is_not_asked(tmp_path: Path, start: Start) -> None:
    watch = DeadlineWatch(tmp_path, Patience(600, 600))
    process = start("wait()")
    assert process.stdout is not None
    process.stdout.readline()
    awaited = Awaited(process)
    assert watch.stacks(awaited) == ""
    awaited.close()
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    watch.close()
