"""Native frames between the Python ones: their places, their names, and what the sampler learns late."""

from __future__ import annotations

import ctypes
import importlib
import mmap
import os
import re
import shutil
import signal
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sampled import MS, PERF, PERF_USER, TIMER, collect, spin

from benchmarks.sampler import stack_truth
from pytest_flame.baseline.fingerprint import sampler_differences
from pytest_flame.model import Frame, FrameKind, SamplerInfo
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.profile_source import NATIVE_THREAD, RawFrame, RawSamples, RawStack

pytestmark = pytest.mark.skipif(sysconfig.get_platform() != "linux-x86_64", reason="native frames: x86-64 only")
np.eye(300) @ np.eye(300)  # its threads exist from here on
CALLBACK = ctypes.CFUNCTYPE(None)


@pytest.fixture(params=["perf", "timer"])
def native(request: pytest.FixtureRequest) -> SamplerInfo:
    info = TIMER if request.param == "timer" else request.getfixturevalue("perf_required")
    return replace(info, native_frames=True)


def sampled(info: SamplerInfo, work: Callable[[], object], period_ns: int = MS // 2) -> RawSamples:
    with NativeSampler(info) as sampler:
        return collect(sampler, work, period_ns, seed=1)


def python_only(stack: RawStack) -> tuple[RawFrame, ...]:
    return tuple(f for f in stack.frames if not f.library)


def shown(stack: RawStack) -> str:
    return ";".join(f"{f.library}:{f.qualname}" if f.library else f.qualname.rpartition(".")[2] for f in stack.frames)


def share(raw: RawSamples, pattern: str, among: str = "") -> float:
    """Of the samples whose stack has ``among``, the share that also matches."""
    counts: Counter[bool] = Counter()
    for stack in raw.stacks:
        text = shown(stack)
        if re.search(among, text):
            counts[re.search(pattern, text) is not None] += stack.count
    assert counts.total() > 20, "too few samples to tell"
    return counts[True] / counts.total()


def spin_a_little(_: object = None) -> int:
    spin(2 * MS)
    return 0


# --- their places ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def possible() -> set[tuple[RawFrame, ...]]:
    stack_truth.workload()  # imports and caches
    seen: set[tuple[RawFrame, ...]] = stack_truth.possible_stacks()
    return seen


def test_the_python_frames_are_those_without_native_ones(
    native: SamplerInfo, possible: set[tuple[RawFrame, ...]]
) -> None:
    with NativeSampler(native) as sampler:
        raw = stack_truth.sampled_stacks(sampler, MS // 10, 1500)
    assert any(f.library for stack in raw.stacks for f in stack.frames)
    plain = replace(raw, stacks=tuple(replace(stack, frames=python_only(stack)) for stack in raw.stacks))
    assert stack_truth.impossible_stacks(plain, possible) == []
    assert raw.counts.incomplete <= 0.01 * raw.counts.taken


def sorting() -> None:
    sorted(range(3), key=spin_a_little)


def replacement(_: re.Match[str]) -> str:
    return str(spin_a_little())


def substituting() -> None:
    re.sub("x", replacement, "xxx")


@pytest.mark.parametrize(
    ("work", "outer", "between", "inner"),
    [
        (sorting, "sorting", r"(builtin_sorted|list_sort|sort)", "spin_a_little"),
        (substituting, "substituting", "", "replacement"),
    ],
    ids=["sorted", "re.sub"],
)
def test_native_frames_stand_between_caller_and_callback(
    native: SamplerInfo, work: Callable[[], None], outer: str, between: str, inner: str
) -> None:
    raw = sampled(native, lambda: [work() for _ in range(8)])
    # Outer Python function, at least one native one, inner Python function; the eval loop is not among them.
    order = rf"{outer};(\[?[\w.+-]+\]?:[^;]*;|sub;)+{re.escape(inner)}(;|$)"
    assert share(raw, order, among=re.escape(f";{inner}")) > 0.98
    assert share(raw, "_PyEval_EvalFrameDefault;", among=inner) < 0.01


def test_stacks_end_at_the_stop_with_nothing_native_above_it(native: SamplerInfo) -> None:
    def body() -> None:
        sorting()

    def stop() -> None:
        for _ in range(8):
            list(map(lambda _: body(), (1,)))

    with NativeSampler(native) as sampler:
        sampler.set_stops((stop.__code__,))
        raw = collect(sampler, stop, MS // 2, seed=1)
    inside = [s for s in raw.stacks if any(f.qualname.endswith("body") for f in s.frames)]
    assert inside
    for stack in inside:
        assert stack.cut
        libraries = [f.library for f in stack.frames[:3]]
        assert not any(
            "python3" in library and "_start" in f.qualname for library, f in zip(libraries, stack.frames, strict=False)
        )
        names = [f.qualname.rpartition(".")[2] for f in stack.frames if not f.library]
        assert names[:2] == ["<lambda>", "body"]


def test_without_the_option_there_are_none(rung: SamplerInfo) -> None:
    raw = sampled(rung, lambda: [sorting() for _ in range(4)])
    assert {f.library for stack in raw.stacks for f in stack.frames} <= {"", "kernel"}
    assert raw.counts.guessed == raw.counts.incomplete == 0


def test_kernel_frames_stand_on_the_native_ones_that_asked_for_them(perf_kernel_required: SamplerInfo) -> None:
    random = os.open("/dev/urandom", os.O_RDONLY)

    def reading() -> None:
        for _ in range(200):
            os.read(random, 100_000)

    try:
        raw = sampled(replace(perf_kernel_required, native_frames=True), reading)
    finally:
        os.close(random)
    order = r"reading;(\[?[\w.+-]+\]?:[^;]*;)*libc\.so\.6:[^;]*;(kernel:[^;]*;)*kernel:[^;]*$"
    assert share(raw, order, among="kernel:.*random") > 0.95


# --- code without unwind information --------------------------------------------------------------------------------

SUB_CALL = bytes.fromhex("4883ec28 ffd7 4883c428 c3")
"""sub $40,%rsp; call *%rdi; add $40,%rsp; ret"""
FRAME_POINTER_CALL = bytes.fromhex("55 4889e5 4883e4e0 4881ec00010000 ffd7 4889ec 5d c3")
"""push %rbp; mov %rsp,%rbp; and $-32,%rsp; sub $256,%rsp; call *%rdi; mov %rbp,%rsp; pop %rbp; ret"""
SPIN = bytes.fromhex("b900000010 ffc9 75fc c3")
"""mov $0x10000000,%ecx; 1: dec %ecx; jnz 1b; ret"""


@pytest.fixture
def compiled() -> Iterator[Callable[[bytes], int]]:
    """Machine code as a compiler at run time leaves it: no library, no unwind information."""
    flags, access = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=flags, prot=access)

    at = ctypes.addressof(ctypes.c_char.from_buffer(page))  # freed immediately: it would keep the page from closing

    def place(code: bytes) -> int:
        page[: len(code)] = code
        return at

    yield place
    page.close()


@pytest.mark.parametrize("code", [SUB_CALL, FRAME_POINTER_CALL], ids=["no frame pointer", "frame pointer"])
def test_frames_behind_code_compiled_at_run_time_are_found_and_flagged(
    native: SamplerInfo, compiled: Callable[[bytes], int], code: bytes
) -> None:
    call = ctypes.CFUNCTYPE(None, CALLBACK)(compiled(code))
    callback = CALLBACK(spin_a_little)

    def calling() -> None:
        for _ in range(20):
            call(callback)

    raw = sampled(native, calling)
    assert share(raw, r"calling;.*\[anonymous\]:\[unknown\]_\[g\];.*;spin_a_little", among="spin_a_little") > 0.95
    assert raw.counts.guessed > 0.9 * raw.counts.taken
    assert raw.counts.incomplete <= 0.02 * raw.counts.taken


def test_a_thread_without_python_has_native_frames(native: SamplerInfo, compiled: Callable[[bytes], int]) -> None:
    libc = ctypes.CDLL(None)
    number = ctypes.c_ulong()

    def start_and_join() -> None:
        assert libc.pthread_create(ctypes.byref(number), None, ctypes.c_void_p(compiled(SPIN)), None) == 0
        assert libc.pthread_join(number, None) == 0

    raw = sampled(native, start_and_join)
    threads = [stack for stack in raw.stacks if stack.frames[0] == NATIVE_THREAD]
    assert sum(s.count for s in threads) > 20
    assert all(f.library for s in threads for f in s.frames[1:])
    # Now and then a sample falls on the C library, or a sanitizer, that starts or ends the thread.
    there = sum(s.count for s in threads if s.frames[-1].qualname == "[unknown]_[g]")
    assert there > 0.8 * sum(s.count for s in threads)


# --- what comes and goes ----------------------------------------------------------------------------------------------


def test_a_library_loaded_while_sampling_is_known_soon(native: SamplerInfo, run_script: Callable[..., object]) -> None:
    done = run_script(f"""
        from dataclasses import replace
        from pytest_flame.model import SamplerInfo
        from pytest_flame.sampling.native import NativeSampler
        with NativeSampler({native!r}) as sampler:
            sampler.start(500_000, 1)
            sampler.resume()
            assert "_decimal" not in sys.modules
            import decimal
            end = time.thread_time() + 0.8
            with decimal.localcontext(decimal.Context(prec=3000)):
                while time.thread_time() < end:
                    decimal.Decimal(2).sqrt()
            sampler.pause()
            sampler.stop()
            raw = sampler.samples()
        inside = sum(s.count for s in raw.stacks if "dec" in s.frames[-1].library)  # _decimal, libmpdec
        print(inside / raw.counts.taken, raw.counts.incomplete / raw.counts.taken)
    """)
    inside, incomplete = map(float, done.stdout.split())  # type: ignore[attr-defined]
    assert inside > 0.6
    assert incomplete < 0.3


def test_a_library_that_was_unloaded_keeps_its_name(native: SamplerInfo, tmp_path: Path) -> None:
    # Which modules are built in differs; a copy has not been loaded before.
    path = str(tmp_path / "unloaded.so")
    shutil.copy(str(importlib.import_module("_cffi_backend").__file__), path)
    libc = ctypes.CDLL(None)
    libc.dlclose.argtypes = [ctypes.c_void_p]
    with NativeSampler(native) as sampler:
        sampler.start(MS)
        library = ctypes.CDLL(path)
        sampler.resume()
        sampler.pause()
        sampler.stop()
        libc.dlclose(library._handle)
        assert any(m.path == path for m in sampler_modules(sampler))


def sampler_modules(sampler: NativeSampler) -> list[Any]:
    sampler.samples()
    return list(sampler._modules)


def test_a_signal_handlers_frames_stand_on_those_it_interrupted(native: SamplerInfo) -> None:
    libc = ctypes.CDLL(None)
    libc.signal.restype = ctypes.c_void_p
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(spin_a_little)
    before = libc.signal(signal.SIGUSR1, ctypes.cast(handler, ctypes.c_void_p))

    def raising() -> None:
        for _ in range(20):
            getattr(libc, "raise")(signal.SIGUSR1)

    try:
        raw = sampled(native, raising)
    finally:
        libc.signal(signal.SIGUSR1, before)
    assert share(raw, r"raising;.*libc\.so\.6:[^;]*;(libc\.so\.6:[^;]*;)+.*spin_a_little", among="spin_a_little") > 0.95
    assert raw.counts.guessed <= 0.1 * raw.counts.taken  # every one, if the signal frame could not be read


def test_a_forked_child_samples_for_itself(native: SamplerInfo, run_script: Callable[..., object]) -> None:
    done = run_script(f"""
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from sampled import collect, spin, MS
        from pytest_flame.model import SamplerInfo
        from pytest_flame.sampling.native import NativeSampler
        with NativeSampler({native!r}) as sampler:
            sampler.start(MS)
            sampler.resume()
            child = os.fork()
            if not child:
                with NativeSampler({native!r}) as own:
                    raw = collect(own, lambda: spin(50 * MS), MS)
                os._exit(not any(f.library for s in raw.stacks for f in s.frames))
            spin(50 * MS)
            status = os.waitpid(child, 0)[1]
            sampler.pause()
            sampler.stop()
        print(status)
    """)
    assert done.stdout == "0\n"  # type: ignore[attr-defined]


# --- names and comparability -----------------------------------------------------------------------------------------


def test_native_functions_are_named_by_library_and_symbol(perf_required: SamplerInfo) -> None:
    raw = sampled(replace(perf_required, native_frames=True), lambda: [sorting() for _ in range(4)])
    namer = FrameNamer("/")
    frames = {namer.frame(f) for stack in raw.stacks for f in stack.frames if f.library}
    assert {f.kind for f in frames} == {FrameKind.NATIVE}
    assert Frame("libc.so.6", "__libc_start_main") in frames or any("__libc_start_main" in f.qualname for f in frames)
    assert namer.line(RawFrame("read", "", 0, library="libc.so.6")) is None


@pytest.mark.parametrize("info", [PERF, PERF_USER, TIMER], ids=lambda i: i.event)
def test_recordings_with_and_without_are_not_comparable(info: SamplerInfo) -> None:
    with_native = replace(info, native_frames=True)
    assert sampler_differences(info, with_native) == ["native frames: not shown when recorded, shown here"]
    assert sampler_differences(with_native, with_native) == []


def test_the_watcher_ends_with_the_sampler(perf_required: SamplerInfo) -> None:
    before = threading.active_count(), set(Path("/proc/self/task").iterdir())
    with NativeSampler(replace(perf_required, native_frames=True)) as sampler:
        sampler.start(MS)
        assert len(set(Path("/proc/self/task").iterdir()) - before[1]) == 1
        sampler.stop()
        sampler.start(MS)
        sampler.stop()
    assert sys.exc_info() == (None, None, None)


def test_the_samplers_own_threads_share_no_descriptors_with_the_program(perf_required: SamplerInfo) -> None:
    """They would make the program's system calls more expensive."""
    tasks = Path("/proc/self/task")
    for info in (replace(perf_required, native_frames=True), TIMER):
        before = set(tasks.iterdir())
        with NativeSampler(info) as sampler:
            sampler.start(MS)
            (own,) = set(tasks.iterdir()) - before
            assert list((own / "fd").iterdir()) == []
            sampler.stop()
