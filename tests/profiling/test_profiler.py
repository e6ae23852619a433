"""The public API: ``with pytest_flame.Profiler() as p: …; p.profile``."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from procfs import descriptors
from profiled import about, stacks_with, total
from sampled import MS, PERF_USER, caught_signals, refusal, spin

import pytest_flame
from pytest_flame import Profiler
from pytest_flame.errors import SamplerUnavailable, UsageError


def busy(ns: int) -> None:
    spin(ns)


def other(ns: int) -> None:
    spin(ns)


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import pytest_flame; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert {name for name in imported if name.startswith("pytest_flame")} == {"pytest_flame"}
    assert not imported & {"typing", "re", "dataclasses", "inspect", "asyncio", "json", "_cffi_backend"}


def test_the_package_names_what_it_offers() -> None:
    assert {"Profiler", "ProfileResult"} <= set(dir(pytest_flame))
    with pytest.raises(AttributeError, match="no attribute 'Profiller'"):
        pytest_flame.Profiller  # noqa: B018


def test_a_block_is_profiled(sampler: str, temporary: Path) -> None:
    with Profiler(sampler=sampler, seed=1) as p:
        busy(120 * MS)
        other(60 * MS)
    profile = p.profile
    assert total(profile.costs(), "busy") == about(120 * MS, 0.1)
    assert total(profile.costs(), "other") == about(60 * MS, 0.1)
    assert profile.cpu_ns == pytest.approx(180 * MS, rel=0.1)
    assert profile.sampled_ns == pytest.approx(profile.cpu_ns, rel=0.1)
    assert profile.sampler.frequency_hz == 997
    assert profile.stacks.lines[next(f for f in profile.stacks.lines if f.qualname == "busy")].path.endswith(
        "test_profiler.py"
    )


def test_a_program_whose_time_stands_still_is_profiled(temporary: Path) -> None:
    freezegun = pytest.importorskip("freezegun")
    with freezegun.freeze_time("2012-01-14"), Profiler() as p:
        spin(20 * MS)
    assert p.profile.wall_ns >= p.profile.cpu_ns // 2 >= 10 * MS // 2


def test_page_faults_are_counted(temporary: Path) -> None:
    with Profiler() as p, mmap.mmap(-1, 500 * mmap.PAGESIZE) as memory:
        memory.write(bytes(500 * mmap.PAGESIZE))
    assert p.profile.minor_faults is not None and p.profile.minor_faults >= 500


def test_nothing_of_the_profiler_itself_is_in_the_profile(temporary: Path) -> None:
    with Profiler(frequency=5000) as p:
        for _ in range(50):
            threading.Thread(target=spin, args=(MS // 10,)).start()
    names = {frame.module for stack in p.profile.stacks.costs for frame in stack}
    assert not [name for name in names if name.startswith("pytest_flame.")]


def test_a_block_that_raises_is_profiled(temporary: Path) -> None:
    p = Profiler()
    with pytest.raises(ZeroDivisionError), p:
        busy(30 * MS)
        _ = 1 / 0
    assert total(p.profile.costs(), "busy") == about(30 * MS, 0.2)


def test_started_again_it_adds_up(temporary: Path) -> None:
    p = Profiler()
    for _ in range(3):
        p.start()
        busy(30 * MS)
        p.stop()
        other(30 * MS)
    assert total(p.profile.costs(), "busy") == about(90 * MS, 0.15)
    assert total(p.profile.costs(), "other") == 0


def test_all_threads_are_profiled_whoever_starts_and_stops(sampler: str, temporary: Path) -> None:
    p = Profiler(sampler=sampler)
    done = threading.Event()

    def before() -> None:
        while not done.is_set():
            busy(MS)

    early = threading.Thread(target=before)
    early.start()
    starter = threading.Thread(target=p.start)
    starter.start()
    starter.join()
    late = threading.Thread(target=other, args=(60 * MS,))
    late.start()
    late.join()
    p.stop()
    done.set()
    early.join()
    assert total(p.profile.costs(), "other") == about(60 * MS, 0.2)
    assert total(p.profile.costs(), "before") > 20 * MS


def test_short_threads_are_seen_from_beginning_to_end(temporary: Path) -> None:
    """An inherited event alone ticks always at the same place of threads that do the same, or never."""
    if (reason := refusal(PERF_USER)) is not None:
        pytest.skip(f"this machine refuses perf events: {reason}")

    def work() -> None:
        busy(MS * 2 // 10)
        other(MS * 5 // 10)

    with Profiler(sampler="perf", seed=1) as p:
        for _ in range(300):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    seen = total(p.profile.costs(), "busy"), total(p.profile.costs(), "other")
    assert sum(seen) == about(210 * MS)
    assert seen[0] / sum(seen) == pytest.approx(2 / 7, abs=0.12)


def test_many_threads_leave_no_descriptors(temporary: Path) -> None:
    before = descriptors()
    with Profiler(frequency=5000):
        for _ in range(20):
            threads = [threading.Thread(target=spin, args=(MS // 5,)) for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        during = descriptors()
    assert sum("perf_event" in d for d in during) <= 10
    assert not [d for d in descriptors() - before if "perf_event" in d]


# --- misuse and refusals -------------------------------------------------------------------------------------------


def test_two_at_a_time_are_refused(temporary: Path) -> None:
    with Profiler(), pytest.raises(UsageError, match="already running in this process"):
        Profiler().start()
    with Profiler() as p, pytest.raises(UsageError, match="already running in this process"):
        p.start()
    with Profiler() as p:
        busy(20 * MS)
    assert p.profile.counts.taken


def test_the_profile_of_a_running_one_is_refused(temporary: Path) -> None:
    p = Profiler()
    with pytest.raises(UsageError, match="nothing was profiled yet"):
        _ = p.profile
    with p, pytest.raises(UsageError, match="still running"):
        _ = p.profile


@pytest.mark.parametrize(("arguments", "said"), [({"frequency": 0}, "no samples"), ({"sampler": "best"}, "'best'")])
def test_arguments_without_meaning_are_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Profiler(**arguments)  # type: ignore[arg-type]


def test_a_sampler_that_does_not_work_here_is_refused_and_leaves_nothing(temporary: Path) -> None:
    before = os._exit, os.execv, caught_signals()
    try:
        with Profiler(sampler="cycles"):
            pytest.skip("this machine counts cycles")
    except SamplerUnavailable:
        assert (os._exit, os.execv, caught_signals()) == before
    with Profiler():
        busy(MS)


def test_what_it_replaces_it_gives_back(temporary: Path) -> None:
    before = os._exit, os.execv, os.execve, threading.Thread._set_native_id, dict(os.environ)  # type: ignore[attr-defined]
    with Profiler(follow=True):
        assert os._exit is not before[0]
        assert "FLAME_PROFILE_SESSION" in os.environ
    assert before == (
        os._exit,
        os.execv,
        os.execve,
        threading.Thread._set_native_id,  # type: ignore[attr-defined]
        dict(os.environ),
    )


# --- children ------------------------------------------------------------------------------------------------------


def child(ns: int) -> None:
    spin(ns)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("follow", [False, True], ids=["alone", "followed"])
def test_processes_started_in_the_block(method: str, follow: bool, temporary: Path) -> None:
    context: Any = multiprocessing.get_context(method)
    with Profiler(follow=follow) as p:
        process = context.Process(target=child, args=(80 * MS,))
        process.start()
        process.join()
    assert process.exitcode == 0
    seen = total(p.profile.costs(), "child")
    assert seen == (about(80 * MS) if follow else 0)
    stop_helpers()


def stop_helpers() -> None:
    """Otherwise they would live as long as the tests do, with what they inherited."""
    from multiprocessing import forkserver, resource_tracker

    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]


def test_a_forked_child_that_leaves_the_block_disturbs_nobody(temporary: Path) -> None:
    reading, writing = os.pipe()
    with Profiler() as p:
        pid = os.fork()
        busy(40 * MS)
    if pid == 0:
        try:
            with Profiler() as own:  # the child may profile itself
                other(40 * MS)
            answer = "well" if total(own.profile.costs(), "other") > 20 * MS else "no samples"
        except BaseException as e:  # noqa: BLE001 (a child of the test runner must not run on as another one)
            answer = repr(e)
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        assert file.read() == "well"
    os.waitpid(pid, 0)
    assert total(p.profile.costs(), "busy") == about(40 * MS, 0.2)


def test_a_forked_child_holds_none_of_its_parents_events(temporary: Path) -> None:
    """Not even those of threads that have just begun."""
    done = threading.Event()
    begun = threading.Barrier(2)

    def young() -> None:
        begun.wait()
        done.wait()

    with Profiler():
        thread = threading.Thread(target=young)
        thread.start()
        begun.wait()
        held = sum("perf_event" in d for d in descriptors())
        pid = os.fork()
        if pid == 0:
            os._exit(sum("perf_event" in d for d in descriptors()))
        done.set()
        thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    if refusal(PERF_USER) is None:
        assert held >= 2, "the thread's own event was not there to be inherited"


def test_a_child_that_outlives_the_block_is_counted_as_unfinished(temporary: Path) -> None:
    reading, writing = os.pipe()
    running, runs = os.pipe()
    with Profiler(follow=True) as p:
        pid = os.fork()
        if pid == 0:
            os.close(writing)
            os.write(runs, b".")
            os.read(reading, 1)
            os._exit(0)
        os.read(running, 1)
    for descriptor in (reading, writing, running, runs):
        os.close(descriptor)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert p.profile.unfinished == 1
    assert any("delivered no samples" in note for note in p.profile.notes())


def test_stacks_of_a_followed_fork_stand_on_the_parents(temporary: Path) -> None:
    with Profiler(follow=True) as p:
        pid = os.fork()
        if pid == 0:
            child(40 * MS)
            os._exit(0)
        os.waitpid(pid, 0)
    found = stacks_with(p.profile.costs(), "child")
    assert found and all("test_stacks_of_a_followed_fork_stand_on_the_parents" in stack for stack in found)
