"""What one sample costs: the handler alone, and everything from the interrupt to the program's next instruction.

    python -m benchmarks.sampler.handler [--samples 4000] [--native]

The handler is the shipped one, timed from outside by a handler in front of it (``handler_clock.c``, the time stamp
counter). Delivery is the rest of the gap in a loop that only reads the clock: interrupt, kernel, signal, return. The
comparison is the gap that ``perf record -g`` leaves in the same loop. Exit status 1 if the median handler of a load of
at most 30 Python frames is over the limit: 0.8 µs, with native frames 4 µs.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shlex
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sampler.perf_record import PerfRecord
from benchmarks.sampler.series import MS, at_depth, documents, machine, python_loop
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler

GAP_NS = 1000
"""Shorter gaps are the loop's own."""


class Span(ctypes.Structure):
    _fields_ = (("began", ctypes.c_uint64), ("ended", ctypes.c_uint64))


class HandlerClock:
    """``handler_clock.c``, built here; spans as (began, ended) in nanoseconds of its own clock."""

    def __init__(self, folder: Path) -> None:
        library = folder / "handler_clock.so"
        compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
        source = Path(__file__).with_suffix("").with_name("handler_clock.c")
        subprocess.run([*compiler[:1], "-O2", "-fPIC", "-shared", str(source), "-o", str(library)], check=True)
        self._library = ctypes.CDLL(str(library))
        self._library.ticks.restype = self._library.reading_costs.restype = ctypes.c_uint64
        self._library.find_gaps.argtypes = (ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint32)
        began, began_ns = self._library.ticks(), time.monotonic_ns()
        while time.monotonic_ns() < began_ns + 50 * MS:
            pass
        self._per_ns = (self._library.ticks() - began) / (time.monotonic_ns() - began_ns)
        self.read_ns = self._library.reading_costs() / self._per_ns
        """Reading the clock itself: part of every span."""

    @contextmanager
    def around(self, number: int, room: int) -> Iterator[list[tuple[float, float]]]:
        """The list is filled on exit, with one span for each signal that was handled inside."""
        spans, into = (Span * room)(), list[tuple[float, float]]()
        failed = self._library.clock_install(number, spans, room)
        if failed:
            raise OSError(-failed, "no handler to time")
        try:
            yield into
        finally:
            into += self._in_ns(spans, self._library.clock_restore(number))

    def gaps(self, seconds: float, room: int = 1 << 16) -> list[tuple[float, float]]:
        spans = (Span * room)()
        until = self._library.ticks() + round(seconds * 1e9 * self._per_ns)
        return self._in_ns(spans, self._library.find_gaps(until, round(GAP_NS * self._per_ns), spans, room))

    def _in_ns(self, spans: ctypes.Array[Span], count: int) -> list[tuple[float, float]]:
        return [(spans[i].began / self._per_ns, spans[i].ended / self._per_ns) for i in range(count)]


@dataclass(frozen=True, slots=True)
class Spread:
    median: float
    p90: float
    p99: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        if len(values) < 100:
            raise SystemExit(f"only {len(values)} samples: too few to report")
        ordered = sorted(values)
        return cls(
            statistics.median(ordered),
            ordered[len(ordered) * 9 // 10],
            ordered[len(ordered) * 99 // 100],
            len(ordered),
        )

    def __str__(self) -> str:
        us = [f"{v / 1000:6.2f}" for v in (self.median, self.p90, self.p99)]
        return f"{'  '.join(us)}   {self.count:>6}"


def system_call_ns() -> float:
    """Median; shows how fast the machine is at the moment."""
    taken = []
    for _ in range(2000):
        began = time.perf_counter_ns()
        os.getppid()
        taken.append(time.perf_counter_ns() - began)
    return statistics.median(taken)


def handler_alone(clock: HandlerClock, sampler: NativeSampler, work: Callable[[], None], samples: int) -> Spread:
    sampler.clear()
    sampler.start(MS)
    sampler.resume()  # which expects to find its own handler
    with clock.around(signal.SIGTRAP, 4 * samples) as spans:
        deadline = time.thread_time_ns() + samples * MS
        while time.thread_time_ns() < deadline:
            work()
    sampler.pause()
    sampler.stop()
    return Spread.of([max(0.0, ended - began - clock.read_ns) for began, ended in spans])


def interrupt_to_resume(clock: HandlerClock, sampler: NativeSampler, samples: int) -> tuple[Spread, Spread]:
    """Whole gaps that contain exactly one run of the handler, and the part of them that is not the handler."""
    sampler.clear()
    sampler.start(MS)
    sampler.resume()
    with clock.around(signal.SIGTRAP, 4 * samples) as handled:
        gaps = clock.gaps(samples / 1000)
    sampler.pause()
    sampler.stop()
    whole, delivery, at = [], [], 0
    for began, ended in gaps:
        while at < len(handled) and handled[at][1] < began:
            at += 1
        inside = [span for span in handled[at : at + 2] if began <= span[0] and span[1] <= ended]
        if len(inside) == 1:
            whole.append(ended - began)
            delivery.append(ended - began - (inside[0][1] - inside[0][0]))
    return Spread.of(whole), Spread.of(delivery)


def gaps_under_perf(clock: HandlerClock, samples: int, kernel: bool) -> Spread:
    """The longest gaps, as many as perf took samples: the shorter ones are other work of the kernel."""
    with PerfRecord("task-clock" if kernel else "task-clock:u", MS) as perf:
        perf.enable()
        gaps = clock.gaps(samples / 1000)
        perf.disable()
        taken = perf.samples()
    lengths = sorted((ended - began for began, ended in gaps), reverse=True)
    return Spread.of(lengths[:taken])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=4000, help="per line of the table")
    parser.add_argument("--native", action="store_true", help="native frames as well")
    options = parser.parse_args()
    info = SamplerInfo("perf-sigtrap", "task-clock", True, 1000, native_frames=options.native)
    limit_us = 4.0 if options.native else 0.8
    loads: list[tuple[str, bool, Callable[[], None]]] = [
        (f"handler, loop {depth} frames deep", depth <= 30, lambda depth=depth: at_depth(depth, python_loop))  # type: ignore[misc]
        for depth in (3, 10, 20, 29, 300)
    ]
    loads.append(("handler, json and re and generators", True, lambda: at_depth(15, documents)))
    slow = []
    print(machine())
    with tempfile.TemporaryDirectory() as folder, NativeSampler(info) as sampler:
        clock = HandlerClock(Path(folder))
        sampler.set_stops((main.__code__,))
        print(
            f"a system call takes {system_call_ns():.0f} ns here, reading the clock {clock.read_ns:.0f} ns (subtracted)"
        )
        print(f"{'microseconds':<40} median    90 %    99 %  samples")
        for name, limited, work in loads:
            spread = handler_alone(clock, sampler, work, options.samples)
            print(f"{name:<40}{spread}", flush=True)
            if limited and spread.median > 1000 * limit_us:
                slow.append(name)
        whole, delivery = interrupt_to_resume(clock, sampler, options.samples)
        print(f"{'interrupt to resume':<40}{whole}\n{'  of it delivery':<40}{delivery}", flush=True)
        print(f"{'perf record -g, interrupt to resume':<40}{gaps_under_perf(clock, options.samples, True)}")
    for name in slow:
        print(f"OVER {limit_us} µs: {name}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
