"""The C sampler's life: starting, pausing, stopping, threads, forks, handlers, limits."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from procfs import descriptors
from sampled import (
    MS,
    PERF,
    TIMER,
    beyond_chance,
    caught_signals,
    collect,
    shares,
    spin,
    stands_for,
    weights,
)

from pytest_flame.errors import FlameError, SamplerUnavailable
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.paths import AT_ROOT, MOST
from pytest_flame.sampling.profile_source import NATIVE_THREAD, TRUNCATED

Script = Callable[..., "subprocess.CompletedProcess[str]"]


def head(ns: int) -> None:
    spin(ns)


def tail(ns: int) -> None:
    spin(ns)


@contextlib.contextmanager
def running(work: Callable[[], object], threads: int = 1) -> Iterator[None]:
    """Threads that repeat the work as long as the block lasts."""
    done = threading.Event()

    def repeat() -> None:
        while not done.is_set():
            work()

    workers = [threading.Thread(target=repeat) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        done.set()
        for worker in workers:
            worker.join()


# --- how much ----------------------------------------------------------------------------------------------------


def test_samples_stand_for_the_cpu_used(rung: SamplerInfo) -> None:
    used = 0

    def work() -> None:
        nonlocal used
        began = time.process_time_ns()
        spin(200 * MS)
        used = time.process_time_ns() - began

    with NativeSampler(rung) as sampler:
        raw = collect(sampler, work)
    assert stands_for(raw.weight_ns, used, rung)
    assert sum(s.weight_ns for s in raw.stacks) == raw.weight_ns
    assert sum(s.count for s in raw.stacks) == raw.counts.taken


def test_shares_are_those_of_the_cpu_used(rung: SamplerInfo) -> None:
    def work() -> None:
        for _ in range(40):
            head(2 * MS)
            tail(8 * MS)

    with NativeSampler(rung) as sampler:
        raw = collect(sampler, work, seed=1)
    assert not beyond_chance(shares(raw, "head", "tail")["head"], 0.2, raw.counts.taken)


def test_the_beginning_of_a_region_is_hit_like_the_rest(rung: SamplerInfo) -> None:
    def work() -> None:
        head(MS // 2)
        tail(5 * MS // 2)

    rng = random.Random(1)
    with NativeSampler(rung) as sampler:
        for i in range(150):
            raw = collect(sampler, work, MS + i * 997, seed=rng.getrandbits(63))
    share = shares(raw, "head", "tail")["head"]
    if rung == TIMER:  # on a busy machine its helper thread wakes late, and late ticks fall on what comes last
        assert 1 / 30 < share < 1 / 4
    else:
        assert not beyond_chance(share, 1 / 6, raw.counts.taken)


def test_seed_zero_waits_one_whole_period(perf_required: SamplerInfo) -> None:
    def work() -> None:
        head(4 * MS)
        tail(2 * MS)

    with NativeSampler(perf_required) as sampler:
        raw = collect(sampler, work, 5 * MS)
    assert weights(raw, "head", "tail") == {"head": 0, "tail": 5 * MS}


def test_nothing_outside_regions_is_counted(rung: SamplerInfo) -> None:
    used_ns = 0  # switching the sampler on and off included, which a busy machine makes expensive
    with NativeSampler(rung) as sampler:
        sampler.start(MS)
        for _ in range(20):
            head(4 * MS)
            began = time.thread_time_ns()
            sampler.resume()
            tail(4 * MS)
            sampler.pause()
            used_ns += time.thread_time_ns() - began
        sampler.stop()
        raw = sampler.samples()
    assert weights(raw, "head")["head"] == 0
    assert stands_for(raw.weight_ns, 80 * MS, rung) or 80 * MS < raw.weight_ns < used_ns


def test_regions_shorter_than_a_period_add_up(rung: SamplerInfo) -> None:
    inner_ns = outer_ns = 0
    with NativeSampler(rung) as sampler:
        sampler.start(MS, seed=1)
        for _ in range(300):
            outside = time.thread_time_ns()
            sampler.resume()
            inside = time.thread_time_ns()
            spin(MS // 5)
            inner_ns += time.thread_time_ns() - inside
            sampler.pause()
            outer_ns += time.thread_time_ns() - outside
        sampler.stop()
        raw = sampler.samples()
    # Switching on and off is counted in part, and on a busy machine takes as long as a region.
    around = (inner_ns + outer_ns) // 2
    assert stands_for(raw.weight_ns, around, rung, slack=0.2 + (outer_ns - inner_ns) / 2 / around)


def test_a_second_sampler_starts_from_nothing(rung: SamplerInfo) -> None:
    with NativeSampler(rung) as first:
        collect(first, lambda: spin(5 * MS))
    spin(60 * MS)
    with NativeSampler(rung) as second:
        raw = collect(second, lambda: spin(5 * MS))
    assert raw.weight_ns < 20 * MS


def test_clear_forgets_samples(rung: SamplerInfo) -> None:
    with NativeSampler(rung) as sampler:
        collect(sampler, lambda: spin(10 * MS))
        sampler.clear()
        raw = sampler.samples()
    assert raw.stacks == ()
    assert raw.weight_ns == raw.counts.taken == 0


def test_long_system_calls_weigh_what_they_took(perf_required: SamplerInfo) -> None:
    """Ticks inside the kernel arrive together when the call ends: each sample tells how many it represents."""
    zeros = os.open("/dev/zero", os.O_RDONLY)
    buffer = bytearray(1 << 24)
    clocks = {"head": 0, "tail": 0}

    def work() -> None:
        for i in range(160):
            began = time.thread_time_ns()
            call()
            between = time.thread_time_ns()
            tail(MS + i * 7919 % 500 * 1000)
            clocks["head"] += between - began
            clocks["tail"] += time.thread_time_ns() - between

    def call() -> None:
        os.readv(zeros, [buffer])

    call()  # its pages
    began = time.thread_time_ns()
    call()
    size = int(len(buffer) * 1.5 * MS / (time.thread_time_ns() - began))
    buffer = bytearray(size)
    with NativeSampler(perf_required) as sampler:
        raw = collect(sampler, work, seed=1)
    os.close(zeros)
    truth = clocks["head"] / sum(clocks.values())
    assert raw.counts.late > 0
    assert not beyond_chance(shares(raw, "call", "tail")["call"], truth, raw.counts.taken)


def test_the_timer_does_not_run_in_step_with_calls_it_cuts_short() -> None:
    """A signal ends a read of /dev/zero. A look that could only come half a period after the last one would hardly ever
    see what such a program does right after it: it gave the reads 38 % of the samples when they had 23 % of the
    time."""
    zeros, buffer = os.open("/dev/zero", os.O_RDONLY), bytearray(1 << 20)
    os.readv(zeros, [buffer])
    began = time.thread_time_ns()
    os.readv(zeros, [buffer] * 100)
    each = max(1, (time.thread_time_ns() - began) // 100)
    rng, clocks = random.Random(2), {"call": 0, "tail": 0}

    def call(count: int) -> None:
        os.readv(zeros, [buffer] * count)

    def work() -> None:
        for _ in range(500):
            began = time.thread_time_ns()
            tail(int(rng.uniform(0.2, 2.8) * MS))
            between = time.thread_time_ns()
            call(max(1, min(1000, int(rng.uniform(0.2, 2.8) * MS / each))))
            clocks["tail"] += between - began
            clocks["call"] += time.thread_time_ns() - between

    with NativeSampler(TIMER) as sampler:
        raw = collect(sampler, work, seed=1)
    os.close(zeros)
    truth = clocks["call"] / sum(clocks.values())
    assert shares(raw, "call", "tail")["call"] == pytest.approx(truth, abs=0.09)


# --- threads -----------------------------------------------------------------------------------------------------


def test_threads_from_before_and_from_during_are_sampled(rung: SamplerInfo) -> None:
    begin = threading.Event()
    used: dict[str, int] = {}

    def before() -> None:
        begin.wait()
        began = time.thread_time_ns()
        spin(60 * MS)
        used["before"] = time.thread_time_ns() - began

    def during() -> None:
        began = time.thread_time_ns()
        spin(60 * MS)
        used["during"] = time.thread_time_ns() - began

    def work() -> None:
        late = threading.Thread(target=during)
        late.start()
        begin.set()
        late.join()
        early.join()

    early = threading.Thread(target=before)
    early.start()
    with NativeSampler(rung) as sampler:
        raw = collect(sampler, work)
    found = weights(raw, "before", "during")
    for name, ns in used.items():
        assert stands_for(found[name], ns, rung), name


def test_stacks_end_at_the_first_stop(perf_required: SamplerInfo) -> None:
    def outer() -> None:
        inner()

    def inner() -> None:
        head(20 * MS)

    with NativeSampler(perf_required) as sampler, running(lambda: tail(MS)):
        sampler.set_stops((outer.__code__, inner.__code__))
        raw = collect(sampler, outer)
    cut = [s for s in raw.stacks if s.cut]
    assert {s.frames[0].qualname for s in cut} == {"head"}
    assert {f.qualname for s in raw.stacks if not s.cut for f in s.frames} >= {"tail"}


def test_more_stops_than_the_handler_compares_are_refused() -> None:
    with NativeSampler(TIMER) as sampler, pytest.raises(FlameError, match="at most 4"):
        sampler.set_stops((spin.__code__,) * 5)


def test_threads_without_python_are_named_so(rung: SamplerInfo, run_script: Script) -> None:
    if importlib.util.find_spec("numpy") is None:
        pytest.skip("needs numpy: its BLAS brings threads that never ran Python")
    run_script(
        f"""
        import os
        os.environ["OPENBLAS_NUM_THREADS"] = "2"
        import numpy as np
        from sampled import *
        from pytest_flame.sampling.profile_source import NATIVE_THREAD
        a = np.ones((700, 700))
        a @ a
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            with NativeSampler({rung!r}) as sampler:
                raw = collect(sampler, lambda: [a @ a for _ in range(15)])
            native = [s for s in raw.stacks if s.frames == (NATIVE_THREAD,)]
            assert len(native) == 1 and not native[0].cut, raw.stacks
            assert native[0].weight_ns > 0.1 * raw.weight_ns, (native, raw.weight_ns)
        """
    )


# --- other processes ---------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # the timer's helper
def test_a_forked_child_is_left_alone_and_cannot_disturb_its_parent(rung: SamplerInfo) -> None:
    def child() -> str:
        taken = sampler.samples().counts.taken
        spin(20 * MS)
        if sampler.samples().counts.taken != taken:
            return "the child is sampled"
        if any("perf_event" in d for d in descriptors()):
            return "the child holds its parent's events"
        if caught_signals() & {signal.SIGTRAP, signal.SIGRTMAX - 3}:
            return "the child has a handler"
        with contextlib.suppress(FlameError):
            sampler.pause()
        sampler.stop()
        with NativeSampler(rung) as own:
            if not collect(own, lambda: spin(20 * MS)).counts.taken:
                return "the child cannot sample itself"
        return "well"

    used = 0

    def work() -> None:
        head(20 * MS)
        pid = os.fork()
        if pid == 0:
            os.write(report, child().encode())
            os._exit(0)
        os.waitpid(pid, 0)
        nonlocal used
        began = time.thread_time_ns()
        tail(40 * MS)
        used = time.thread_time_ns() - began

    answer, report = os.pipe()
    with NativeSampler(rung) as sampler:
        raw = collect(sampler, work)
    os.close(report)
    with os.fdopen(answer) as file:
        assert file.read() == "well"
    assert stands_for(weights(raw, "tail")["tail"], used, rung, slack=0.2)


def test_a_new_program_in_the_process_is_not_sampled(perf_user_required: SamplerInfo, run_script: Script) -> None:
    """With kernel time too, a tick inside execve(2) itself can still end the new program: the kernel delivers it."""
    done = run_script(
        """
        from sampled import *
        sampler = NativeSampler(PERF_USER)
        sampler.start(MS // 10)
        sampler.resume()
        spin(5 * MS)
        os.execv(sys.executable, [sys.executable, "-c", "print(sum(range(3_000_000)))"])
        """
    )
    assert done.stdout == "4499998500000\n"


# --- what the program sees ---------------------------------------------------------------------------------------


def polls_cut_short(rung: SamplerInfo, count: int) -> int:
    results: list[int] = []
    libc = ctypes.CDLL(None)

    def waiting() -> None:
        for _ in range(count):
            results.append(libc.poll(None, 0, 5))

    def work() -> None:
        waiter = threading.Thread(target=waiting)
        waiter.start()
        while len(results) < count:
            spin(MS)
        waiter.join()

    with NativeSampler(rung) as sampler:
        collect(sampler, work)
    return sum(r != 0 for r in results)


def test_waiting_system_calls_are_not_disturbed(perf_required: SamplerInfo) -> None:
    assert polls_cut_short(perf_required, 40) == 0


def test_the_timer_rarely_ends_a_wait_early() -> None:
    """Only threads that run are signalled."""
    assert polls_cut_short(TIMER, 40) <= 8


def test_a_handler_from_before_still_gets_its_signals(perf_required: SamplerInfo) -> None:
    hits = []
    original = signal.signal(signal.SIGTRAP, lambda *_: hits.append("own"))
    try:
        with NativeSampler(perf_required) as sampler:
            sampler.start(MS)
            sampler.resume()
            spin(5 * MS)
            os.kill(os.getpid(), signal.SIGTRAP)
            spin(5 * MS)
            sampler.pause()
            sampler.stop()
            assert hits == ["own"]
            assert sampler.samples().counts.taken >= 9
        os.kill(os.getpid(), signal.SIGTRAP)
        assert hits == ["own", "own"]
    finally:
        signal.signal(signal.SIGTRAP, original)


def test_a_handler_from_before_survives_sampling_beside_other_threads(perf_required: SamplerInfo) -> None:
    """Our handler must stay while another thread may still have a tick on its way: it passes other signals on."""
    hits = []
    original = signal.signal(signal.SIGTRAP, lambda *_: hits.append("own"))
    try:
        with running(lambda: tail(MS)):
            for _ in range(2):
                with NativeSampler(perf_required) as sampler:
                    collect(sampler, lambda: spin(5 * MS))
            os.kill(os.getpid(), signal.SIGTRAP)
            spin(MS)
        assert hits == ["own"]
        with NativeSampler(perf_required) as sampler:
            collect(sampler, lambda: spin(MS))
        assert signal.SIGTRAP in caught_signals()
        os.kill(os.getpid(), signal.SIGTRAP)
        assert hits == ["own", "own"]
    finally:
        signal.signal(signal.SIGTRAP, original)


def test_a_thread_that_blocks_the_signal_lives_on(rung: SamplerInfo) -> None:
    """Its ticks wait until it unblocks, while those of perf events arrive as one; Linux before 5.18 would have ended
    the process."""
    used = 0

    def blocking() -> None:
        every = {signal.SIGTRAP, signal.SIGRTMAX - 3}
        signal.pthread_sigmask(signal.SIG_BLOCK, every)
        head(20 * MS)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, every)
        tail(20 * MS)

    def work() -> None:
        nonlocal used
        began = time.process_time_ns()
        thread = threading.Thread(target=blocking)
        thread.start()
        thread.join()
        used = time.process_time_ns() - began

    with NativeSampler(rung) as sampler:
        raw = collect(sampler, work)
    assert weights(raw, "head")["head"] == 0
    assert weights(raw, "tail")["tail"] >= (5 if rung == TIMER else 15) * MS
    assert rung == TIMER or 18 * MS <= raw.weight_ns <= 1.05 * used + 2 * MS  # the timer looks at random moments


def test_a_handler_that_c_code_installs_is_reported(rung: SamplerInfo) -> None:
    number = signal.SIGRTMAX - 3 if rung == TIMER else signal.SIGTRAP
    of_c = ctypes.CDLL(None).signal
    of_c.argtypes, of_c.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    ignored, default = 1, 0
    with NativeSampler(rung) as sampler:
        sampler.start(MS)
        sampler.resume()
        spin(5 * MS)
        of_c(number, ignored)
        spin(3 * MS)
        sampler.pause()
        try:
            with pytest.raises(FlameError, match="replaced the handler"):
                sampler.resume()
            with pytest.raises(FlameError, match="replaced the handler") as caught:
                sampler.stop()
        finally:
            of_c(number, default)
        assert sampler.samples().counts.taken >= 1, "what was sampled until then is kept"
    assert "do not install a handler" in caught.value.fix


RESETS = {
    "default": "signal.signal(NUMBER, signal.SIG_DFL)",
    "ignored": "signal.signal(NUMBER, signal.SIG_IGN)",
    "imported earlier": "set_signal(NUMBER, signal.SIG_DFL)",
    "all in a loop": """
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGINT}:
    signal.signal(number, signal.SIG_DFL)
""",
    "saved and restored": """
saved = signal.getsignal(NUMBER)
signal.signal(NUMBER, signal.SIG_IGN)
spin(5 * MS)
signal.signal(NUMBER, saved)
""",
    "a handler, then the default action": """
assert signal.signal(NUMBER, lambda *_: hits.append(1)) == signal.SIG_DFL
spin(5 * MS)
assert not hits
signal.raise_signal(NUMBER)
assert hits == [1]
assert signal.signal(NUMBER, signal.SIG_DFL) != signal.SIG_DFL
""",
}


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("which", ["perf", "timer"])
def test_a_program_that_resets_signals_lives_on_and_is_sampled(
    which: str, reset: str, request: pytest.FixtureRequest, run_script: Callable[..., Any]
) -> None:
    if which == "perf":
        request.getfixturevalue("perf_required")
    program = """
import signal
from signal import signal as set_signal
from sampled import *
def head(ns):
    spin(ns)
def tail(ns):
    spin(ns)
RUNG, NUMBER = (PERF, signal.SIGTRAP) if WHICH == "perf" else (TIMER, signal.SIGRTMAX - 3)
hits = []
with NativeSampler(RUNG) as sampler:
    sampler.start(MS)
    sampler.resume()
    head(20 * MS)
RESET
    tail(20 * MS)
    after = signal.getsignal(NUMBER)
    sampler.pause()
    sampler.stop()
    raw = sampler.samples()
assert after == signal.getsignal(NUMBER), (after, signal.getsignal(NUMBER))
found = weights(raw, "head", "tail")
assert min(found.values()) >= 5 * MS, found
if after == signal.SIG_DFL and WHICH == "perf":
    signal.raise_signal(signal.SIGTRAP)  # as the program wanted it, now that nobody samples
    raise SystemExit("the default action ends a process")
"""
    text = program.replace("WHICH", repr(which)).replace("RESET", textwrap.indent(RESETS[reset].strip(), "    "))
    ends = which == "perf" and reset != "ignored"
    run_script(text, status=-signal.SIGTRAP if ends else 0)


def test_what_a_program_asks_of_its_signal_holds_for_signals_that_are_no_ticks(perf_required: SamplerInfo) -> None:
    try:
        with NativeSampler(perf_required) as sampler:
            sampler.start(MS)
            sampler.resume()
            signal.signal(signal.SIGTRAP, signal.SIG_IGN)
            os.kill(os.getpid(), signal.SIGTRAP)
            spin(3 * MS)
            sampler.pause()
            sampler.stop()
        assert signal.getsignal(signal.SIGTRAP) == signal.SIG_IGN
        os.kill(os.getpid(), signal.SIGTRAP)
    finally:
        signal.signal(signal.SIGTRAP, signal.SIG_DFL)


def test_a_forked_child_has_its_own_functions_and_what_its_parent_set(
    perf_required: SamplerInfo, run_script: Callable[..., Any]
) -> None:
    run_script(
        """
        import _signal, signal
        from sampled import *
        original = _signal.signal, _signal.getsignal
        with NativeSampler(PERF) as sampler:
            sampler.start(MS)
            sampler.resume()
            assert _signal.signal is not original[0]
            signal.signal(signal.SIGTRAP, signal.SIG_IGN)
            pid = os.fork()
            if not pid:
                assert (_signal.signal, _signal.getsignal) == original
                assert signal.getsignal(signal.SIGTRAP) == signal.SIG_IGN
                os.kill(os.getpid(), signal.SIGTRAP)
                sampler.close()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            spin(3 * MS)
            sampler.pause()
            sampler.stop()
        assert (_signal.signal, _signal.getsignal) == original
        assert signal.getsignal(signal.SIGTRAP) == signal.SIG_IGN
        """
    )


@pytest.mark.parametrize("where", ["here", "in a child"])
@pytest.mark.parametrize("info", ["perf", "kernel frames"])
def test_a_program_that_closes_every_descriptor_keeps_its_own(
    where: str, info: str, request: pytest.FixtureRequest, run_script: Callable[..., Any]
) -> None:
    """It opens its own files under the same numbers, including events."""
    request.getfixturevalue({"perf": "perf_required", "kernel frames": "perf_kernel_required"}[info])
    program = """
import os, threading
from sampled import *
def head(ns):
    spin(ns)
def tail(ns):
    spin(ns)
def young():
    sampler.adopt_thread()
    started.set()
    end.wait()
def close_and_open():
    highest = max(map(int, os.listdir("/proc/self/fd")))
    os.closerange(3, highest + 1)
    mine = [os.eventfd(1, os.EFD_NONBLOCK) if i % 2 else os.memfd_create("mine") for i in range(highest)]
    identity = [(os.fstat(fd).st_ino, os.readlink(f"/proc/self/fd/{fd}")) for fd in mine]
    assert max(mine) >= highest - 1
    return mine, identity
def check(mine, identity):
    assert [(os.fstat(fd).st_ino, os.readlink(f"/proc/self/fd/{fd}")) for fd in mine] == identity
started, end = threading.Event(), threading.Event()
with NativeSampler(RUNG) as sampler:
    sampler.start(MS)
    sampler.resume()
    thread = threading.Thread(target=young)
    thread.start()
    started.wait()
    head(20 * MS)
    if CHILD:
        mine = close_and_open()
        pid = os.fork()
        if not pid:
            check(*mine)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    else:
        mine = close_and_open()
    tail(5 * MS)
    end.set()
    thread.join()
    sampler.pause()
    try:
        sampler.stop()
    except Exception as e:
        print(e)
    check(*mine)
    raw = sampler.samples()
assert weights(raw, "head")["head"] >= 5 * MS, raw
"""
    text = program.replace("RUNG", "PERF" if info == "perf" else "PERF_KERNEL").replace(
        "CHILD", str(where == "in a child")
    )
    done = run_script(text)
    assert "descriptors of the sampler were closed by the program: samples are missing" in done.stdout


def test_threads_come_out_of_a_first_tick_that_is_due_at_once(
    perf_required: SamplerInfo, run_script: Callable[..., Any]
) -> None:
    """Each begins with a random part of the period, and of 6,000 some hundred have a part shorter than a tick takes: a
    thread whose event ticked again and again after so short a time made no progress for seconds, or until the script's
    time limit."""
    run_script(
        """
        import threading
        from sampled import *
        def short():
            global clock
            sampler.adopt_thread()
            began = time.thread_time_ns()
            spin(MS // 4)
            clock += time.thread_time_ns() - began
        clock = 0
        with NativeSampler(PERF) as sampler:
            sampler.start(2 * MS // 5)
            sampler.resume()
            for _ in range(6000):
                thread = threading.Thread(target=short)
                thread.start()
                thread.join()
            sampler.pause()
            sampler.stop()
            raw = sampler.samples()
        assert 0.8 * clock < weights(raw, "short")["short"] < 1.2 * clock
        """
    )


def test_too_few_descriptors_are_said_and_none_is_kept(
    perf_required: SamplerInfo, run_script: Callable[..., Any]
) -> None:
    """A thread that begins later has none of its own."""
    done = run_script(
        """
        import os, resource, threading
        from sampled import *
        def wait():
            end.wait()
        def late():
            sampler.adopt_thread()
            tail(10 * MS)
        def tail(ns):
            spin(ns)
        end = threading.Event()
        threads = [threading.Thread(target=wait) for _ in range(30)]
        for thread in threads:
            thread.start()
        before = sorted(os.listdir("/proc/self/fd"))
        with NativeSampler(PERF) as sampler:
            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (20, most))
            try:
                sampler.start(MS)
            except OSError as e:
                print(e.strerror)
            assert sorted(os.listdir("/proc/self/fd")) == before
            end.set()
            for thread in threads:
                thread.join()
            sampler.start(MS)
            sampler.resume()
            held = [os.dup(0) for _ in range(20 - len(os.listdir("/proc/self/fd")) + 1)]
            thread = threading.Thread(target=late)
            thread.start()
            thread.join()
            for fd in held:
                os.close(fd)
            sampler.pause()
            sampler.stop()
            assert weights(sampler.samples(), "tail")["tail"] >= 2 * MS
        """
    )
    assert "perf_event_open: Too many open files" in done.stdout


def test_a_traced_process_is_not_sampled(perf_required: SamplerInfo, run_script: Script) -> None:
    done = run_script(
        """
        import ctypes
        from sampled import *
        NativeSampler(PERF).close()  # an editable installation builds it first: the child's end would stop this process
        ctypes.CDLL(None).ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
        print(refusal(PERF), flush=True)
        os._exit(0)  # a leak checker at exit would want to trace it, too
        """
    )
    assert "is being traced" in done.stdout


# --- life cycle --------------------------------------------------------------------------------------------------


def test_starting_again_and_again_leaves_nothing(rung: SamplerInfo) -> None:
    """The check is in ``nothing_left_behind``; here it has a hundred opportunities to find something."""
    with NativeSampler(rung) as sampler:
        for seed in range(100 if rung == PERF else 30):
            collect(sampler, lambda: spin(MS // 10), seed=seed)
    with NativeSampler(rung) as sampler, running(lambda: tail(MS)):
        for seed in range(20):
            collect(sampler, lambda: spin(MS // 10), seed=seed)


def test_the_handler_goes_where_no_other_thread_could_still_be_ticked(rung: SamplerInfo, run_script: Script) -> None:
    done = run_script(
        f"""
        import signal
        from sampled import *
        from pytest_flame.model import SamplerInfo
        with NativeSampler({rung!r}) as sampler:
            collect(sampler, lambda: spin(MS))
        print(caught_signals() & {{signal.SIGTRAP, signal.SIGRTMAX - 3}})
        """
    )
    assert done.stdout == "set()\n"


def test_starting_twice_is_refused(rung: SamplerInfo) -> None:
    with NativeSampler(rung) as sampler, NativeSampler(rung) as other:
        sampler.start(MS)
        with pytest.raises(OSError, match="already started"):
            sampler.start(MS)
        with pytest.raises(OSError, match="another sampler is started"):
            other.start(MS)
        sampler.stop()
        other.start(MS)
        other.stop()


def test_closing_a_running_sampler_stops_it(rung: SamplerInfo) -> None:
    sampler = NativeSampler(rung)
    sampler.start(MS)
    sampler.resume()
    sampler.close()
    sampler.close()
    with NativeSampler(rung) as other:
        assert collect(other, lambda: spin(20 * MS)).counts.taken


@pytest.mark.parametrize("use", [NativeSampler.resume, NativeSampler.pause])
def test_switching_a_sampler_that_is_not_started_is_refused(use: Callable[[NativeSampler], None]) -> None:
    with NativeSampler(TIMER) as sampler, pytest.raises(FlameError, match="not started"):
        use(sampler)


def test_too_short_a_period_is_refused(rung: SamplerInfo) -> None:
    with NativeSampler(rung) as sampler, pytest.raises(OSError, match="too short"):
        sampler.start(999)


# --- limits ------------------------------------------------------------------------------------------------------


def many_functions() -> None:
    names: dict[str, Callable[[int], None]] = {"spin": spin}
    for i in range(40):
        exec(f"def f{i}(ns): spin(ns)", names)
        names[f"f{i}"](MS)


@pytest.mark.parametrize("limits", [{"max_nodes": 8}, {"max_codes": 8}, {"text_bytes": 8400}], ids=str)
def test_what_does_not_fit_is_counted(perf_required: SamplerInfo, limits: dict[str, Any]) -> None:
    used_ns = 0

    def work() -> None:
        nonlocal used_ns
        began = time.thread_time_ns()
        many_functions()
        used_ns = time.thread_time_ns() - began

    with NativeSampler(perf_required, **limits) as sampler:
        sampler.set_stops((many_functions.__code__,))
        raw = collect(sampler, work)
    assert raw.counts.overflowed > 0
    arrived = raw.counts.taken + raw.counts.overflowed + raw.counts.unwindable + raw.counts.late
    assert arrived == pytest.approx(used_ns / MS, abs=6)
    assert raw.counts.taken * MS <= raw.weight_ns <= (raw.counts.taken + raw.counts.late) * MS


@pytest.mark.parametrize("limits", [{"max_nodes": 3}, {"max_codes": 100}, {"text_bytes": 0}], ids=str)
def test_impossible_table_sizes_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(SamplerUnavailable, match="cannot start"):
        NativeSampler(TIMER, **limits)


def test_stacks_too_deep_are_kept_and_marked(rung: SamplerInfo) -> None:
    def down(levels: int) -> None:
        if levels:
            down(levels - 1)
        else:
            spin(20 * MS)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(6000)
    try:
        with NativeSampler(rung) as sampler:
            raw = collect(sampler, lambda: down(5000))
    finally:
        sys.setrecursionlimit(limit)
    deepest = max(raw.stacks, key=lambda s: s.weight_ns)
    assert raw.counts.truncated > 5
    assert deepest.frames[0] == TRUNCATED
    assert deepest.frames[-1].qualname == "spin"
    assert len(deepest.frames) == MOST + 1
    assert deepest.frames[AT_ROOT] == TRUNCATED


@pytest.mark.parametrize("levels", [900, 2000])
def test_of_deep_recursion_the_middle_is_left_out_and_every_depth_becomes_one_stack(
    perf_required: SamplerInfo, levels: int
) -> None:
    def down(levels: int) -> None:
        spin(MS // 50)
        if levels:
            down(levels - 1)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(6000)
    try:
        with NativeSampler(perf_required) as sampler:
            raw = collect(sampler, lambda: down(levels))
            whole = sampler.samples(whole=True)
    finally:
        sys.setrecursionlimit(limit)
    assert sum(s.count for s in raw.stacks) == sum(s.count for s in whole.stacks) == raw.counts.taken
    assert sum(s.weight_ns for s in raw.stacks) == raw.weight_ns
    assert max(len(s.frames) for s in raw.stacks) <= MOST + 1
    elsewhere = [s for s in raw.stacks if not s.frames[-1].qualname.endswith(("spin", "down"))]
    assert sum(s.count for s in elsewhere) <= 2, "a tick may meet what calls the recursion"
    deep = sum(s.count for s in whole.stacks if len(s.frames) > MOST)
    assert raw.counts.truncated == deep
    if levels == 2000:
        assert deep > 5
        assert len([s for s in raw.stacks if TRUNCATED in s.frames]) <= 4
    assert whole.counts.truncated == 0


def test_names_of_every_width_are_read(rung: SamplerInfo) -> None:
    names: dict[str, Callable[[int], None]] = {"spin": spin}
    functions = ("plain", "größe", "размер", "𐌰")
    source = "\n".join(f"def {name}(ns): spin(ns)" for name in functions)
    exec(compile(source, "/tmp/größe/размер/𐌰.py", "exec"), names)

    def work() -> None:
        for name in functions:
            names[name](5 * MS)

    with NativeSampler(rung) as sampler:
        raw = collect(sampler, work)
    seen = {f.qualname for s in raw.stacks for f in s.frames if f.filename == "/tmp/größe/размер/𐌰.py"}
    assert seen == set(functions)


def test_a_function_name_beyond_the_handlers_limit_is_cut(perf_required: SamplerInfo) -> None:
    names: dict[str, Callable[[int], None]] = {"spin": spin}
    exec("def " + "x" * 5000 + "(ns): spin(ns)", names)
    with NativeSampler(perf_required) as sampler:
        raw = collect(sampler, lambda: names["x" * 5000](10 * MS))
    assert "x" * 4096 in {f.qualname for s in raw.stacks for f in s.frames}


def test_a_path_that_is_not_utf8_does_not_stop_the_self_check() -> None:
    path = os.fsdecode(b"/tmp/\xff.py")
    names = {"NativeSampler": NativeSampler, "TIMER": TIMER}
    exec(compile("def make(): return NativeSampler(TIMER)", path, "exec"), names)
    names["make"]().close()  # type: ignore[operator]


def test_native_thread_is_not_confused_with_python(rung: SamplerInfo) -> None:
    with NativeSampler(rung) as sampler:
        raw = collect(sampler, lambda: spin(20 * MS))
    assert all(s.frames[0] != NATIVE_THREAD for s in raw.stacks)
