"""Is kernel time right? Programs that spend their time in system calls, measured in four ways in turn.

    python -m benchmarks.sampler.kernel_time [--samples 2000] [--repeats 2] [--only WORD]

Share of CPU that is kernel time: from ``perf record`` on this process, from kernel frames, from
``kernel:[not sampled]`` when only user mode is sampled (as for an unprivileged user with
``kernel.perf_event_paranoid=2``), and from getrusage(2). Each of the four sees different runs of the same work, one
after the other, repeatedly; ``±`` is three standard errors of the samples of two of them. The last column is the
largest difference between ``perf record``'s and our shares of the five kernel functions that cost most by themselves.
Exit status 1 if a share is off by more than ± and 3 points for the difference between runs.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import re
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.sampler.perf_record import PerfRecord
from pytest_flame.model import KERNEL_NOT_SAMPLED, FrameKind, SamplerInfo
from pytest_flame.sampling.meter import Meter
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.profile_source import RawFrame
from pytest_flame.sampling.stacks import Clocks, fold_samples

FREQUENCY_HZ: Final = 997
PERIOD_NS: Final = 1_003_009
FRAMES: Final = SamplerInfo("perf-sigtrap", "task-clock", True, FREQUENCY_HZ, kernel_frames=True)
USER: Final = SamplerInfo("perf-sigtrap", "task-clock", False, FREQUENCY_HZ)
DRIFT: Final = 0.03
TOP: Final = 5
BODY: Final = RawFrame("body", "<body>", 1)

Work = Callable[[], object]


# --- programs ----------------------------------------------------------------------------------------------------


def walk_files(folder: Path) -> Work:
    library = Path(sysconfig.get_path("stdlib"))
    return lambda: sum((Path(at) / name).stat().st_size for at, _, names in os.walk(library) for name in names[:3])


def copy_files(folder: Path) -> Work:
    source = Path(sysconfig.get_path("stdlib")) / "email"

    def work() -> None:
        for i in range(6):
            shutil.copytree(source, folder / f"copy{i}")
            shutil.rmtree(folder / f"copy{i}")

    return work


def database(folder: Path) -> Work:
    connection = sqlite3.connect(folder / "orders.db")
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, total REAL)")

    def work() -> None:
        for _ in range(40):
            with connection:
                connection.executemany("INSERT INTO orders (customer, total) VALUES (?, ?)", [("someone", 1.5)] * 20)
        connection.execute("SELECT customer, sum(total) FROM orders GROUP BY customer").fetchall()

    return work


def sockets(folder: Path) -> Work:
    one, other = socket.socketpair()
    message = b"x" * 4096

    def work() -> None:
        for _ in range(4000):
            one.sendall(message)
            other.recv(8192)

    return work


def fresh_memory(folder: Path) -> Work:
    return lambda: [bytearray(1 << 22).count(1) for _ in range(20)]


def archive(folder: Path) -> Work:
    source = Path(sysconfig.get_path("stdlib")) / "asyncio"

    def work() -> None:
        with tarfile.open(folder / "archive.tar", "w") as tar:
            tar.add(source)

    return work


def long_reads(folder: Path) -> Work:
    zeros, buffer = os.open("/dev/zero", os.O_RDONLY), bytearray(1 << 25)

    def work() -> None:
        for _ in range(8):
            os.readv(zeros, [buffer])
            sum(range(100_000))

    return work


PROGRAMS: Final = (walk_files, copy_files, database, sockets, fresh_memory, archive, long_reads)


# --- witnesses ---------------------------------------------------------------------------------------------------


@dataclass
class Witness:
    """Kernel share of the samples or seconds, and the shares of the kernel functions' self cost."""

    total: float = 0
    kernel: float = 0
    leaves: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        return self.kernel / max(self.total, 1)

    def top(self, name: str) -> float:
        return self.leaves[name] / max(self.total, 1)


def by_sampler(work: Work, info: SamplerInfo, samples: int, seen: Witness, clock: Witness) -> None:
    """As a worker measures: rounds, each with its own period and phase, folded with the exact clock."""
    with NativeSampler(info) as sampler:
        sampler.set_stops((by_sampler.__code__,))
        meter = Meter(sampler, random.Random(1))
        while meter.ticks_due < samples:
            meter.begin(sampled=True)
            meter.enter()
            with used(clock):
                work()
            meter.leave()
            meter.end(1)
        clocks = Clocks(meter.sampled_cpu_ns, meter.sampled_system_ns, meter.sampled_child_ns, meter.ticks_due)
        folded = fold_samples(sampler.samples(), FrameNamer("."), BODY, clocks, info)
    if folded.counts.lost or folded.counts.throttled:
        print(f"  {folded.counts}")
    for stack, sample in folded.stacks.items():
        seen.total += sample.weight_ns / PERIOD_NS
        if stack[-1] == KERNEL_NOT_SAMPLED or stack[-1].kind is FrameKind.KERNEL:
            seen.kernel += sample.weight_ns / PERIOD_NS
            seen.leaves[stack[-1].qualname] += sample.count


def by_perf(work: Work, samples: int, seen: Witness, clock: Witness) -> None:
    with PerfRecord("task-clock", PERIOD_NS) as perf:
        done = Witness()
        while done.total < samples * PERIOD_NS / 1e9:
            perf.enable()
            with used(done):
                work()
            perf.disable()
        perf.stop()
        text = subprocess.run(
            ["perf", "script", "-i", str(perf.data), "-F", "ip,sym"], capture_output=True, text=True, check=True
        ).stdout
    clock.total += done.total
    clock.kernel += done.kernel
    for sample in text.strip().split("\n\n"):
        leaf = re.match(r"\s*([0-9a-f]+) (\S+)", sample)
        if leaf is None:
            continue
        seen.total += 1
        if int(leaf[1], 16) >> 63:
            seen.kernel += 1
            seen.leaves[leaf[2]] += 1


@contextmanager
def used(clock: Witness) -> Iterator[None]:
    """Seconds of this process by getrusage(2)."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    yield
    after = resource.getrusage(resource.RUSAGE_SELF)
    system = after.ru_stime - before.ru_stime
    clock.kernel += system
    clock.total += system + after.ru_utime - before.ru_utime


def compare(name: str, work: Work, samples: int, repeats: int) -> bool:
    work()
    perf, frames, user, clock = Witness(), Witness(), Witness(), Witness()
    for _ in range(repeats):
        by_perf(work, samples // repeats, perf, clock)
        by_sampler(work, FRAMES, samples // repeats, frames, clock)
        by_sampler(work, USER, samples // repeats, user, clock)
    spread = 3 * math.sqrt(2 * max(perf.share * (1 - perf.share), 0.01) / max(perf.total, 1)) + DRIFT
    near = all(abs(other.share - perf.share) <= spread for other in (frames, user))
    worst = max((abs(frames.top(f) - perf.top(f)) for f, _ in perf.leaves.most_common(TOP)), default=0.0)
    clock_share = clock.kernel / max(clock.total, 1e-9)
    print(
        f"{name:<14} {perf.share:11.1%} {frames.share:14.1%} {user.share:13.1%} {clock_share:11.1%} "
        f"   ±{spread:.1%}  {worst:6.1%}{'' if near else '   OUTSIDE'}"
    )
    return near


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=2000, help="per program and witness")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--only", default="", help="programs whose name contains this")
    options = parser.parse_args()
    print(f"{'kernel share':<14} perf record  kernel frames  [not sampled]   getrusage             functions")
    good = True
    for program in PROGRAMS:
        if options.only not in program.__name__:
            continue
        with tempfile.TemporaryDirectory(prefix="kernel-time-") as folder:
            good &= compare(program.__name__, program(Path(folder)), options.samples, options.repeats)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
