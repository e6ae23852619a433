"""Kernel frames: below the Python function whose system call they serve, one tick each, never another thread's."""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sampled import MS, beyond_chance, collect, shares, spin, stands_for, weights

from pytest_flame.errors import FlameError
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.profile_source import IN_KERNEL, RawFrame, RawSamples, RawStack
from pytest_flame.sampling.symbols.kernel import KernelSymbols

KERNEL = "kernel"
PAGE_BYTES = 1 << 21
MOST_PAGES = 1000
"""Two GiB, which is what one read(2) takes at most."""


@pytest.fixture
def kernel(perf_kernel_required: SamplerInfo) -> SamplerInfo:
    return perf_kernel_required


@pytest.fixture
def names_required() -> None:
    symbols = KernelSymbols.open()
    if not len(symbols):
        pytest.skip(f"{symbols.reason}: {symbols.fix}")


class Zeros:
    """Reads of /dev/zero: system calls of any length, nearly all of it in the kernel."""

    def __init__(self) -> None:
        self._file = os.open("/dev/zero", os.O_RDONLY)
        self._page = bytearray(PAGE_BYTES)
        os.readv(self._file, [self._page] * 16)
        self._ns = max(1, min(self._one_page_ns() for _ in range(20)))

    def _one_page_ns(self) -> int:
        began = time.thread_time_ns()
        os.readv(self._file, [self._page] * 64)
        return (time.thread_time_ns() - began) // 64

    def read(self, ns: int) -> None:
        """One system call that takes about this much CPU."""
        os.readv(self._file, [self._page] * min(MOST_PAGES, max(1, ns // self._ns)))

    def close(self) -> None:
        os.close(self._file)


@pytest.fixture
def zeros() -> Iterator[Zeros]:
    made = Zeros()
    yield made
    made.close()


def kernel_part(stack: RawStack) -> list[str]:
    return [f.qualname for f in stack.frames if f.library == KERNEL]


def below(raw: RawSamples, function: str) -> list[RawStack]:
    """Stacks whose innermost Python function has this name."""
    found = []
    for stack in raw.stacks:
        python = [f for f in stack.frames if not f.library]
        if python and python[-1].qualname.rpartition(".")[2] == function:
            found.append(stack)
    return found


def in_kernel(stacks: list[RawStack]) -> int:
    return sum(s.count for s in stacks if kernel_part(s))


@pytest.mark.usefixtures("names_required")
def test_a_system_calls_functions_hang_below_its_caller(kernel: SamplerInfo, zeros: Zeros) -> None:
    def work() -> None:
        for _ in range(10):
            zeros.read(5 * MS)

    with NativeSampler(kernel) as sampler:
        raw = collect(sampler, work)
    reading = [s for s in below(raw, "read") if "read_iter_zero" in kernel_part(s)]
    assert sum(s.count for s in reading) >= 0.5 * raw.counts.taken
    for stack in reading:
        python = [i for i, f in enumerate(stack.frames) if not f.library]
        assert python == list(range(len(python))), "the kernel's frames come last"
        assert kernel_part(stack)[0].startswith(("entry_SYSCALL", "el0t_64_sync"))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="native frames are read on x86-64")
@pytest.mark.usefixtures("names_required")
def test_native_frames_lie_between(kernel: SamplerInfo, zeros: Zeros) -> None:
    with NativeSampler(replace(kernel, native_frames=True)) as sampler:
        raw = collect(sampler, lambda: [zeros.read(30 * MS) for _ in range(10)])
    reading = max((s for s in raw.stacks if "read_iter_zero" in kernel_part(s)), key=lambda s: s.count)
    kinds = ["kernel" if f.library == KERNEL else "native" if f.library else "python" for f in reading.frames]
    first_kernel = kinds.index("kernel")
    assert kinds[first_kernel - 1] == "native"
    assert reading.frames[first_kernel - 1].library.startswith("libc.so")
    assert "python" in kinds[:first_kernel] and set(kinds[first_kernel:]) == {"kernel"}


def test_user_code_has_no_kernel_frames(kernel: SamplerInfo) -> None:
    def loop() -> None:
        for _ in range(20_000_000):  # enough samples that a few interrupts are a small part
            pass

    with NativeSampler(kernel) as sampler:
        raw = collect(sampler, loop)
    stacks = below(raw, "loop")
    assert in_kernel(stacks) <= 0.2 * sum(s.count for s in stacks), "interrupts, and ends of time slices, only"


def test_every_tick_of_a_long_system_call_is_a_sample(kernel: SamplerInfo, zeros: Zeros) -> None:
    clocks = {"read": 0, "spin": 0}

    def work() -> None:
        for i in range(60):
            began = time.thread_time_ns()
            zeros.read(4 * MS)
            between = time.thread_time_ns()
            spin(MS + i * 7919 % 500 * 1000)
            clocks["read"] += between - began
            clocks["spin"] += time.thread_time_ns() - between

    with NativeSampler(kernel) as sampler:
        raw = collect(sampler, work, seed=1)
    used = sum(clocks.values())
    assert stands_for(raw.weight_ns, used, kernel)
    assert raw.counts.taken == raw.weight_ns // MS
    assert raw.counts.late == raw.counts.lost == 0
    assert not beyond_chance(shares(raw, "read", "spin")["read"], clocks["read"] / used, raw.counts.taken)


def test_threads_keep_their_own_kernel_frames(kernel: SamplerInfo, zeros: Zeros) -> None:
    """They share the rings of two CPUs, and the first to come reads for all."""

    def reader() -> None:
        for _ in range(30):
            zeros.read(3 * MS)

    def spinner() -> None:
        end = time.monotonic_ns() + 100 * MS
        while time.monotonic_ns() < end:
            for _ in range(1000):
                pass

    def work() -> None:
        threads = [threading.Thread(target=f) for f in (reader, spinner, reader, spinner)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with NativeSampler(kernel) as sampler:
        raw = collect(sampler, work)
    reading, spinning = below(raw, "read"), below(raw, "spinner")
    assert in_kernel(reading) > 50
    assert sum(s.count for s in spinning) > 5
    zero = {name for s in spinning for name in kernel_part(s) if "zero" in name and "read" in name}
    assert not zero


def test_ticks_that_were_held_back_lose_their_kernel_frames(kernel: SamplerInfo, zeros: Zeros) -> None:
    """A thread that blocks the signal gets it later, elsewhere: the time is counted, but no place is invented."""
    used = 0

    def blocking() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTRAP})
        zeros.read(20 * MS)
        spin(3 * MS)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTRAP})
        tail()

    def tail() -> None:
        spin(20 * MS)

    def work() -> None:
        nonlocal used
        began = time.process_time_ns()
        thread = threading.Thread(target=blocking)
        thread.start()
        thread.join()
        used = time.process_time_ns() - began

    with NativeSampler(kernel) as sampler:
        raw = collect(sampler, work)
    names = {name for s in raw.stacks for name in kernel_part(s)}
    assert "read_iter_zero" not in names
    assert stands_for(raw.weight_ns, used, kernel)


def test_what_is_still_in_the_kernel_at_the_end_has_no_caller(kernel: SamplerInfo) -> None:
    file, page = os.open("/dev/zero", os.O_RDONLY), bytearray(PAGE_BYTES)
    begun, clock = threading.Event(), [0]

    def reading() -> None:
        clock[0] = time.pthread_getcpuclockid(threading.get_ident())
        begun.set()
        os.readv(file, [page] * MOST_PAGES)

    def work() -> None:
        thread.start()
        begun.wait()
        while thread.is_alive() and time.clock_gettime_ns(clock[0]) < 10 * MS:
            os.sched_yield()

    thread = threading.Thread(target=reading)
    with NativeSampler(kernel) as sampler:
        sampler.start(MS)
        sampler.resume()
        work()
        sampler.pause()
        still_reading = thread.is_alive()
        sampler.stop()
        thread.join()
        raw = sampler.samples()
    os.close(file)
    assert still_reading, "the read was over too soon to test anything"
    waiting = [s for s in raw.stacks if s.frames[0] == IN_KERNEL]
    assert in_kernel(waiting) >= 5
    assert sum(s.count for s in raw.stacks) == raw.counts.taken


def test_a_ring_that_is_full_loses_ticks_and_says_so(kernel: SamplerInfo, zeros: Zeros) -> None:
    period = 20_000

    used = 0

    def work() -> None:
        nonlocal used
        began = time.thread_time_ns()
        zeros.read(1000 * MS)
        used = time.thread_time_ns() - began

    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})  # the ring of one CPU
    try:
        with NativeSampler(kernel) as sampler:
            raw = collect(sampler, work, period)
    finally:
        os.sched_setaffinity(0, cpus)
    assert raw.counts.lost > 0
    arrived = (raw.counts.taken + raw.counts.lost) * period
    assert 0.5 * used <= arrived <= 1.25 * used  # a virtual CPU that is stolen misses ticks of such a short period


def test_clearing_forgets_kernel_frames(kernel: SamplerInfo, zeros: Zeros) -> None:
    with NativeSampler(kernel) as sampler:
        collect(sampler, lambda: zeros.read(10 * MS))
        sampler.clear()
        assert sampler.samples().stacks == ()
        raw = collect(sampler, lambda: zeros.read(10 * MS))
    assert weights(raw, "read")["read"] == pytest.approx(10 * MS, rel=0.5)


def test_functions_without_names_are_one(kernel: SamplerInfo, zeros: Zeros, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses change at every boot: no name is better than one of those."""
    monkeypatch.setattr(KernelSymbols, "open", lambda: KernelSymbols([], [], "hidden"))
    with NativeSampler(kernel) as sampler:
        raw = collect(sampler, lambda: [zeros.read(2 * MS) for _ in range(30)])
    kernels = {tuple(kernel_part(s)) for s in raw.stacks if kernel_part(s)}
    assert kernels == {("[unknown]",)}
    assert RawFrame("[unknown]", "", 0, library=KERNEL) in {f for s in raw.stacks for f in s.frames}


def test_functions_out_of_order_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KernelSymbols, "open", lambda: KernelSymbols([2, 1], ["b", "a"]))
    info = SamplerInfo("perf-sigtrap", "task-clock", True, 1000, kernel_frames=True)
    with pytest.raises(FlameError, match="cannot be used") as caught:
        NativeSampler(info)
    assert "not ascending" in caught.value.why
