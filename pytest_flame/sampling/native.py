"""The C sampler. The only importer of the C module."""

from __future__ import annotations

import atexit
import functools
import os
import platform
import sys
import weakref
from array import array
from dataclasses import replace
from types import CodeType, FrameType
from typing import Any, Final

from pytest_flame.errors import FlameError, SamplerUnavailable
from pytest_flame.model import CPU, Metric, SampleCounts, SamplerInfo
from pytest_flame.sampling import dispositions, events
from pytest_flame.sampling.dispositions import Dispositions
from pytest_flame.sampling.native_names import NativeModule, NativeNamer
from pytest_flame.sampling.paths import LEFT_OUT, Paths
from pytest_flame.sampling.profile_source import (
    IN_KERNEL,
    NATIVE_THREAD,
    TRUNCATED,
    RawFrame,
    RawLine,
    RawSamples,
    RawStack,
)
from pytest_flame.sampling.source_lines import LineTable
from pytest_flame.sampling.symbols.kernel import KernelSymbols

MACHINES: Final = ("x86_64", "aarch64")
"""The machines whose registers the C sampler knows; elsewhere the package installs without it."""
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14", "3.15")
"""The versions whose frames have been checked against the interpreter's own view; never free-threaded builds."""
MAX_NODES: Final = 1 << 17
MAX_CODES: Final = 1 << 14
TEXT_BYTES: Final = 1 << 22
_ENCODINGS: Final = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}


def unsupported() -> str | None:
    """Why no sampler can exist here, whatever is installed; None if one can be built."""
    implementation, machine = platform.python_implementation(), platform.machine()
    if implementation == "CPython" and sys.platform == "linux" and machine in MACHINES:
        return None
    return (
        f"pytest-flame samples CPython on Linux on {' and '.join(MACHINES)}; "
        f"this is {implementation} on {sys.platform}, {machine}"
    )


def c_module() -> Any:
    """The C sampler. Raises ``SamplerUnavailable`` if it cannot exist here or is not installed."""
    reason = unsupported()
    if reason is not None:
        raise SamplerUnavailable(reason)
    try:
        from pytest_flame.sampling import _sampler
    except ImportError as e:
        raise SamplerUnavailable(
            "the C sampler is not installed",
            why=str(e),
            fix="pip install --force-reinstall --no-deps --no-cache-dir --no-binary pytest-flame pytest-flame   "
            "(needs a C compiler and Python's headers)",
        ) from e
    return _sampler


def _text(name: str) -> str:
    """As in ``samples``: file names that are not UTF-8 contain lone surrogates, which no report can print."""
    return name.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class NativeSampler:
    """One sampler of this process, with room for the given number of nodes of the stack tree, functions and bytes of
    their names (the first two powers of two); what does not fit is counted as overflowed. With native frames,
    ``inlined`` also shows the functions that compilers copied into others, as far as there is debug information:
    reading it takes seconds. ``with_fault`` breaks the walk on purpose, to test the tests."""

    def __init__(
        self,
        info: SamplerInfo,
        *,
        max_nodes: int = MAX_NODES,
        max_codes: int = MAX_CODES,
        text_bytes: int = TEXT_BYTES,
        inlined: bool = False,
        with_fault: bool = False,
    ) -> None:
        module = c_module()
        self._ffi, self._lib = module.ffi, module.lib
        self._info = info
        self._handle = self._ffi.NULL
        layout = self._layout()
        self._stops: Any = None
        self._modules: list[NativeModule] = []
        self._native_namer = NativeNamer(inlined=inlined) if info.native_frames else None
        self._dispositions: Dispositions | None = None
        self._handle = self._new(layout, MAX_NODES, MAX_CODES, TEXT_BYTES)
        _open.add(self)
        self._self_check()
        if with_fault or (max_nodes, max_codes, text_bytes) != (MAX_NODES, MAX_CODES, TEXT_BYTES):
            self.close()
            layout.fault = with_fault
            self._handle = self._new(layout, max_nodes, max_codes, text_bytes)
        detail = self._lib.FLAME_NATIVE_PLACES if inlined else self._lib.FLAME_NATIVE_FUNCTIONS
        if info.native_frames and self._lib.flame_set_native(self._handle, detail):
            reason = self._message()
            self.close()
            raise SamplerUnavailable("native frames cannot be sampled here", why=reason, fix="omit --flame-native")
        self._kernel = KernelSymbols.open() if info.kernel_frames else KernelSymbols([], [])
        starts = self._ffi.from_buffer("uint64_t[]", array("Q", self._kernel.starts))
        if self._lib.flame_set_kernel_functions(self._handle, starts, len(starts)):
            reason = self._message()
            self.close()
            raise FlameError("the kernel's functions cannot be used", why=reason)

    @property
    def info(self) -> SamplerInfo:
        return self._info

    @property
    def gives(self) -> Metric:
        return CPU

    def total(self) -> int | None:
        return None

    def set_stops(self, codes: tuple[object, ...]) -> None:
        self._stops = codes  # kept alive: the handler compares addresses
        self._check(
            self._lib.flame_set_stops(self._handle, self._ffi.new("uintptr_t[]", [id(c) for c in codes]), len(codes))
        )

    def start(self, period_ns: int, seed: int = 0) -> None:
        lib, info = self._lib, self._info
        rung = lib.FLAME_PERF if info.rung == "perf-sigtrap" else lib.FLAME_TIMER
        counters = {"cycles": lib.FLAME_CYCLES, "instructions": lib.FLAME_INSTRUCTIONS}
        event = counters.get(events.hardware(info.event) or "", lib.FLAME_TASK_CLOCK)
        # Counters advance at an unknown, changing rate: three per nanosecond is close enough for the requested
        # frequency.
        period = period_ns if event == lib.FLAME_TASK_CLOCK else 3 * period_ns
        kernel = lib.FLAME_KERNEL_FRAMES if info.kernel_frames else lib.FLAME_KERNEL_TIME
        code = lib.flame_start(self._handle, rung, event, kernel if info.kernel else lib.FLAME_KERNEL_OFF, period, seed)
        if code:
            raise OSError(-code, self._message())
        if self._dispositions is None:
            self._dispositions = _dispositions(lib)
            self._dispositions.open()
        if event != lib.FLAME_TASK_CLOCK:
            level = lib.flame_precise_level(self._handle)
            self._info = replace(info, event=events.with_precision(info.event, level))

    def resume(self) -> None:
        if self._lib.flame_resume(self._handle):
            raise FlameError(f"sampling could not be switched on: {self._message()}")

    def adopt_thread(self) -> None:
        """Called by a thread that has just begun: its ticks start at its beginning, not only after a period.

        It may fail for lack of descriptors; then the thread is sampled like any other.
        """
        self._lib.flame_adopt_thread()

    def pause(self) -> None:
        if self._lib.flame_pause(self._handle):
            raise FlameError(f"sampling could not be switched off: {self._message()}")

    def stop(self) -> None:
        if self._lib.flame_stop(self._handle):
            raise FlameError(
                f"sampling ended badly: {self._message()}",
                fix="do not install a handler for that signal in the measured test (debuggers and coverage tools do)",
            )

    def helper_cpu_ns(self) -> int:
        return int(self._lib.flame_helper_cpu_ns(self._handle))

    def samples(self, *, whole: bool = False) -> RawSamples:
        """``whole``: also the middle of very deep stacks, which may take a lot of memory."""
        lib, s = self._lib, self._handle
        nodes, codes = lib.flame_nodes(s), lib.flame_codes(s)
        self._read_modules()
        frames: list[tuple[RawFrame, ...]] = [(NATIVE_THREAD,), (TRUNCATED,), (IN_KERNEL,)]
        frames += [self._raw_frames(codes[i]) for i in range(3, lib.flame_code_count(s))]
        count = lib.flame_node_count(s)
        paths, shortened = Paths(nodes, count), 0
        found: dict[tuple[tuple[RawFrame, ...], bool], list[int]] = {}
        # Cut without a frame: in the loop that calls the body, or in a C function that it calls directly.
        directly = nodes[lib.FLAME_ROOT_CUT]
        if directly.count:
            found[((), True)] = [directly.count, directly.weight_ns]
        for i in range(2, count):
            if not nodes[i].count:
                continue
            root, path = paths.path(i, whole=whole)
            stack = tuple(f for at in path for f in ((TRUNCATED,) if at == LEFT_OUT else frames[nodes[at].code]))
            if LEFT_OUT in path and stack[0] != TRUNCATED:
                shortened += nodes[i].count
            entry = found.setdefault((stack, root == lib.FLAME_ROOT_CUT), [0, 0])
            entry[0] += nodes[i].count
            entry[1] += nodes[i].weight_ns
        stacks = tuple(RawStack(stack, cut, *sampled) for (stack, cut), sampled in found.items())
        c = lib.flame_get_counts(s)
        deep = c.truncated + shortened
        counts = SampleCounts(c.taken, c.unwindable, c.lost, c.overflowed, c.late, 0, deep, c.guessed, c.incomplete)
        return RawSamples(stacks, counts, c.weight_ns, self._raw_lines(frames))

    def clear(self) -> None:
        self._lib.flame_clear(self._handle)

    def close(self) -> None:
        if self._handle != self._ffi.NULL:
            self._lib.flame_free(self._handle)
            self._handle = self._ffi.NULL
        if self._dispositions is not None:
            self._dispositions.close()
            self._dispositions = None

    def __enter__(self) -> NativeSampler:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _layout(self) -> Any:
        layout, error = self._ffi.new("flame_layout *"), self._ffi.new("char[512]")
        if self._lib.flame_read_layout(0, self._ffi.NULL, layout, error, 512):
            raise SamplerUnavailable(
                f"pytest-flame cannot read the frames of this CPython {platform.python_version()}",
                why=self._ffi.string(error).decode(),
                fix=f"use CPython {PYTHONS[0]} to {PYTHONS[-1]}, not free-threaded",
            )
        return layout

    def _new(self, layout: Any, max_nodes: int, max_codes: int, text_bytes: int) -> Any:
        error = self._ffi.new("char[512]")
        handle = self._lib.flame_new(layout, max_nodes, max_codes, text_bytes, error, 512)
        if handle == self._ffi.NULL:
            raise SamplerUnavailable(
                "the sampler cannot start",
                why=self._ffi.string(error).decode(),
                fix="in a container: docker run --security-opt seccomp=unconfined, or --cap-add SYS_PTRACE",
            )
        return handle

    def _self_check(self) -> None:
        """Refuse rather than misread: the walker must see the same as ``sys._getframe`` at this point."""
        seen: tuple[CodeType, ...] = ()
        here = sys._getframe()
        frame: FrameType | None = here
        while frame is not None:
            seen = (frame.f_code, *seen)
            frame = frame.f_back
        failed, line = self._lib.flame_sample_here(self._handle), here.f_lineno
        read = self.samples(whole=True)
        self.clear()
        expected = tuple(RawFrame(_text(c.co_qualname), _text(c.co_filename), c.co_firstlineno) for c in seen)
        same = [s.frames for s in read.stacks] == [expected]
        if failed or not same or [(at.frame, at.line) for at in read.lines] != [(expected[-1], line)]:
            self.close()
            raise SamplerUnavailable(
                f"this CPython {platform.python_version()} keeps its frames where pytest-flame does not expect them",
                why="the sampler's start-up self-check read a different stack than sys._getframe()",
                fix=f"use a release build of CPython {PYTHONS[0]} to {PYTHONS[-1]} (debug builds are not supported)",
            )

    def _raw_frames(self, code: Any) -> tuple[RawFrame, ...]:
        """One frame; more if functions are inlined, outermost first; none for code that is not the program's."""
        if code.kind == self._lib.FLAME_KIND_KERNEL:
            frame = self._kernel.frame(code.address)
            return (RawFrame(frame.qualname, "", 0, library=frame.module),)
        if code.kind == self._lib.FLAME_KIND_NATIVE:
            return self._native_frames(code)
        text = self._lib.flame_text(self._handle)

        def decode(offset: int, size: int, kind: int) -> str:
            raw = bytes(self._ffi.buffer(text + offset, size))
            return raw.decode(_ENCODINGS[kind], "replace") if size else ""

        python = RawFrame(
            decode(code.qualname, code.qualname_bytes, code.qualname_kind),
            decode(code.filename, code.filename_bytes, code.filename_kind),
            code.firstlineno,
        )
        # The cost of our replacement of signal.signal belongs to its caller.
        return () if python.filename == dispositions.__file__ else (python,)

    def _raw_lines(self, frames: list[tuple[RawFrame, ...]]) -> tuple[RawLine, ...]:
        lib, s = self._lib, self._handle
        codes, lines = lib.flame_codes(s), lib.flame_lines(s)
        tables: dict[int, LineTable] = {}
        found: dict[tuple[RawFrame, int], list[int]] = {}
        for i in range(lib.flame_line_count(s)):
            sampled, code = lines[i], codes[lines[i].code]
            if not sampled.count or not code.linetable_bytes or not frames[sampled.code]:
                continue
            table = tables.get(sampled.code)
            if table is None:
                copied = self._ffi.buffer(lib.flame_text(s) + code.linetable, code.linetable_bytes)
                table = tables[sampled.code] = LineTable(bytes(copied), code.firstlineno)
            entry = found.setdefault((frames[sampled.code][-1], table.line(sampled.offset)), [0, 0])
            entry[0] += sampled.count
            entry[1] += sampled.weight_ns
        return tuple(RawLine(frame, line, count, weight) for (frame, line), (count, weight) in found.items())

    def _read_modules(self) -> None:
        lib = self._lib
        if self._native_namer is not None:
            self._native_namer.refresh()
        found = [lib.flame_module_at(i) for i in range(lib.flame_module_count())] if self._info.native_frames else []
        self._modules = [
            NativeModule(os.fsdecode(self._ffi.string(m.path)), m.bias, m.start, m.end, bool(m.loaded)) for m in found
        ]

    def _native_frames(self, code: Any) -> tuple[RawFrame, ...]:
        assert self._native_namer is not None
        module = self._modules[code.qualname_object - 1] if code.qualname_object else None
        return self._native_namer.frames(code.address, module, bool(code.filename_object))

    def _message(self) -> str:
        text: str = self._ffi.string(self._lib.flame_error(self._handle)).decode()
        return text

    def _check(self, code: int) -> None:
        if code:
            raise FlameError(self._message())


_open: weakref.WeakSet[NativeSampler] = weakref.WeakSet()


@functools.cache
def _dispositions(lib: Any) -> Dispositions:
    """One for the process, as its signals are."""
    return Dispositions(lib)


@atexit.register
def _close_all() -> None:
    """Before the interpreter destroys its threads' states, which the handler of a daemon thread would still read.

    Registered when this module is imported, so code that starts a sampler can still stop it in an ``atexit`` function.
    """
    for sampler in list(_open):
        sampler.close()
