"""What a sampled program pays in its own CPU time, compared with ``perf record -g`` at the same event, period and
modes.

    python -m benchmarks.sampler.overhead [--pairs 70] [--frequency 1000] [--results build/overhead.jsonl]

In one process the same work runs again and again, each time in random order: alone, sampled by pytest-flame, and with
``perf record -g`` attached and enabled. The CPU time of the process for the work is compared pair by pair; every ten
pairs come from a fresh process. Exit status 1 if the upper bound of the median ratio to perf (95 % interval) is over
the limit: 1.01, with native frames 1.02.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.intervals import median_interval
from benchmarks.sampler.perf_record import PerfRecord
from benchmarks.sampler.series import LOADS, ROOT, Series, at_depth, load_named, machine
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler

NS_PER_S = 1_000_000_000
PER_PROCESS = 10
BLOCK_NS = NS_PER_S // 2
DEPTH = 15


def calibrated(load: Callable[[], object]) -> Callable[[], None]:
    """The load, repeated for half a second of CPU, below ``DEPTH`` frames."""
    load()
    began, count = time.process_time_ns(), 0
    while time.process_time_ns() - began < BLOCK_NS // 4:
        load()
        count += 1

    def work() -> None:
        for _ in range(4 * count):
            load()

    return lambda: at_depth(DEPTH, work)


def cpu_of(work: Callable[[], None]) -> int:
    began = time.process_time_ns()
    work()
    return time.process_time_ns() - began


def with_flame(sampler: NativeSampler, period_ns: int, work: Callable[[], None]) -> int:
    sampler.start(period_ns, random.getrandbits(32))
    sampler.resume()
    try:
        return cpu_of(work)
    finally:
        sampler.pause()
        sampler.stop()


def with_perf(perf: PerfRecord, work: Callable[[], None]) -> int:
    perf.enable()
    try:
        return cpu_of(work)
    finally:
        perf.disable()


def in_one_process(name: str, kernel: bool, native: bool, frequency: int, rounds: int, seed: int) -> None:
    """Prints one line of JSON for each round: CPU nanoseconds by side."""
    rng = random.Random(seed)
    period_ns = NS_PER_S // frequency
    info = SamplerInfo("perf-sigtrap", "task-clock", kernel, frequency, native_frames=native)
    work = calibrated(LOADS[name])
    event = "task-clock" if kernel else "task-clock:u"
    with NativeSampler(info) as sampler, PerfRecord(event, period_ns) as perf:
        sides: dict[str, Callable[[], int]] = {
            "alone": lambda: cpu_of(work),
            "flame": lambda: with_flame(sampler, period_ns, work),
            "perf": lambda: with_perf(perf, work),
        }
        work()
        for _ in range(rounds):
            before = sampler.samples().counts.taken
            found = {side: sides[side]() for side in rng.sample(list(sides), len(sides))}
            print(json.dumps(found | {"samples": sampler.samples().counts.taken - before}), flush=True)


def run(series: Series, load: str, options: argparse.Namespace) -> bool:
    key = {"load": load, "kernel": not options.user, "native": options.native, "frequency": options.frequency}
    while (done := len(series.having(**key))) < options.pairs:
        arguments = [f"--process={load}", f"--frequency={options.frequency}", f"--seed={done}"]
        arguments += [f"--rounds={min(PER_PROCESS, options.pairs - done)}"]
        arguments += [flag for flag in ("--user", "--native") if getattr(options, flag[2:])]
        lines = subprocess.run(
            [sys.executable, "-m", "benchmarks.sampler.overhead", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.splitlines()
        for line in lines:
            series.add(key | json.loads(line))
    rows = series.having(**key)
    sides = (("flame", "perf"), ("flame", "alone"), ("perf", "alone"))
    against = {f"{one}/{other}": median_interval([row[one] / row[other] for row in rows]) for one, other in sides}
    seconds = sum(row["flame"] for row in rows) / NS_PER_S
    rate = sum(row["samples"] for row in rows) / seconds
    limit = 1.02 if options.native else 1.01
    good = against["flame/perf"].high <= limit
    print(f"{load:<14}{len(rows):>4} pairs  {rate:5.0f} Hz", end="")
    print("".join(f"   {name} {interval}" for name, interval in against.items()), "" if good else f"  OVER {limit}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=70)
    parser.add_argument("--frequency", type=int, default=1000)
    parser.add_argument("--load", action="append", help=f"one of {', '.join(LOADS)}; default: all")
    parser.add_argument("--user", action="store_true", help="leave the kernel out, on both sides")
    parser.add_argument("--native", action="store_true", help="native frames as well")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "overhead.jsonl")
    parser.add_argument("--process", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=PER_PROCESS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.process:
        in_one_process(
            options.process, not options.user, options.native, options.frequency, options.rounds, options.seed
        )
        return 0
    print(machine())
    series = Series(options.results)
    return 0 if all([run(series, load, options) for load in load_named(options.load or LOADS)]) else 1


if __name__ == "__main__":
    sys.exit(main())
