"""Do the samples give each part of a program the share of CPU that it really used? Known loads on every rung of the
ladder.

    python -m benchmarks.sampler.shares [--samples 4000] [--repeats 20] [--results build/shares.jsonl]

Truth is the CPU clock (CLOCK_THREAD_CPUTIME_ID), read around every call of a part. Each repeat checks whether the
part's samples are within the 99 % interval of a binomial distribution with that share. Exit status 1 if more of them
are outside than chance allows (once in a thousand runs).
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.intervals import binomial_interval
from benchmarks.sampler.series import MS, ROOT, Series, machine
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.meter import Meter
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.profile_source import RawFrame
from pytest_flame.sampling.stacks import Clocks, FoldedSamples, fold_samples

FREQUENCY_HZ = 997
CLOCK_TOLERANCE = 0.03
"""If the kernel's own split of user and system CPU decides, its error is added."""

RUNGS = {
    "perf": SamplerInfo("perf-sigtrap", "task-clock", True, FREQUENCY_HZ),
    "perf, user only": SamplerInfo("perf-sigtrap", "task-clock", False, FREQUENCY_HZ),
    "timer": SamplerInfo("timer", "cpu-clock-looks", True, FREQUENCY_HZ),
}


@dataclass
class Load:
    """Parts by name, each with the CPU it really used, and the work that runs all of them once."""

    name: str
    work: Callable[[], None]
    used_ns: dict[str, int] = field(default_factory=dict)

    def run(self, part: Callable[[], None], name: str) -> None:
        began = time.thread_time_ns()
        part()
        self.used_ns[name] = self.used_ns.get(name, 0) + time.thread_time_ns() - began


# --- parts: their names are searched for in the stacks ------------------------------------------------------------


def turn(count: int) -> None:
    for _ in range(count):
        pass


def turns_per_ms() -> int:
    turn(100_000)
    began = time.thread_time_ns()
    turn(2_000_000)
    return 2_000_000 * MS // (time.thread_time_ns() - began)


def seventy(count: int) -> None:
    turn(count)


def twenty(count: int) -> None:
    turn(count)


def nine(count: int) -> None:
    turn(count)


def one(count: int) -> None:
    turn(count)


def user_part(count: int) -> None:
    turn(count)


def kernel_part(descriptor: int, buffers: list[bytearray], calls: int) -> None:
    for _ in range(calls):
        os.preadv(descriptor, buffers, 0)


def thread_part(count: int) -> None:
    turn(count)


def loops() -> Load:
    per_ms = turns_per_ms()
    rng = random.Random(1)
    load = Load("70/20/9/1 loops", lambda: None)
    parts = [(seventy, 0.70), (twenty, 0.20), (nine, 0.09), (one, 0.01)]

    def work() -> None:
        for _ in range(8):
            rng.shuffle(parts)
            for part, share in parts:
                count = int(3 * per_ms * share)
                load.run(lambda part=part, count=count: part(count), part.__name__)  # type: ignore[misc]

    load.work = work
    return load


def ns_per_call(descriptor: int, buffers: list[bytearray]) -> int:
    kernel_part(descriptor, buffers, 1)
    began = time.thread_time_ns()
    kernel_part(descriptor, buffers, 20)
    return max(1, (time.thread_time_ns() - began) // 20)


def long_system_calls() -> Load:
    """Each longer than a period or shorter, at random. A signal ends such a read early, so not for the timer."""
    per_ms, rng = turns_per_ms(), random.Random(2)
    descriptor, buffers = os.open("/dev/zero", os.O_RDONLY), [bytearray(1 << 20)]
    each = ns_per_call(descriptor, buffers)
    load = Load("half in long read(2) of /dev/zero", lambda: None)

    def work() -> None:
        for _ in range(8):
            count = max(1, min(1000, int(rng.uniform(0.2, 2.8) * MS / each)))
            load.run(lambda: user_part(int(rng.uniform(0.2, 2.8) * per_ms)), "user_part")
            load.run(lambda count=count: kernel_part(descriptor, buffers * count, 1), "kernel_part")  # type: ignore[misc]

    load.work = work
    return load


def system_calls() -> Load:
    """Reads of a file in memory, each a tenth of a period or so; nothing ends them early."""
    per_ms, rng = turns_per_ms(), random.Random(2)
    descriptor, buffers = os.memfd_create("zeros"), [bytearray(1 << 20)]
    os.write(descriptor, buffers[0])
    each = ns_per_call(descriptor, buffers)
    load = Load("half in read(2) of a file", lambda: None)

    def work() -> None:
        for _ in range(8):
            count = max(1, int(rng.uniform(0.2, 2.8) * MS / each))
            load.run(lambda: user_part(int(rng.uniform(0.2, 2.8) * per_ms)), "user_part")
            load.run(lambda count=count: kernel_part(descriptor, buffers, count), "kernel_part")  # type: ignore[misc]

    load.work = work
    return load


def eight_threads() -> Load:
    """Each in its own named thread, with one to eight parts of the work. On the timer rung, what a thread uses after
    its last tick is lost when it ends: half a period."""
    per_ms = turns_per_ms()
    load = Load("eight threads", lambda: None)

    def runner(index: int) -> Callable[[], None]:
        names: dict[str, object] = {"thread_part": thread_part}
        exec(f"def thread_{index}(count): thread_part(count)", names)
        function = names[f"thread_{index}"]
        return lambda: load.run(lambda: function(5 * (index + 1) * per_ms), f"thread_{index}")  # type: ignore[operator]

    runners = [runner(i) for i in range(8)]

    def work() -> None:
        threads = [threading.Thread(target=r) for r in runners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    load.work = work
    return load


# --- sampling them ------------------------------------------------------------------------------------------------


def measured(load: Load, info: SamplerInfo, samples: int) -> FoldedSamples:
    """As a worker does: rounds, each with its own period and phase, folded with the exact clock."""
    load.used_ns.clear()
    with NativeSampler(info) as sampler:
        sampler.set_stops((measured.__code__,))
        meter = Meter(sampler, random.Random(3))
        while meter.ticks_due < samples:
            meter.begin(sampled=True)
            meter.enter()
            load.work()
            meter.leave()
            meter.end(1)
        clocks = Clocks(meter.sampled_cpu_ns, meter.sampled_system_ns, meter.sampled_child_ns, meter.ticks_due)
        return fold_samples(sampler.samples(), FrameNamer("."), RawFrame("body", "<body>", 1), clocks, info)


def shares(folded: FoldedSamples, parts: list[str], kernel_sampled: bool) -> dict[str, float]:
    weights = dict.fromkeys(parts, 0)
    for stack, sample in folded.stacks.items():
        names = {f.qualname for f in stack}
        if not kernel_sampled and "[not sampled]" in names:
            names = {"kernel_part"}
        for part in names & weights.keys():
            weights[part] += sample.weight_ns
    return {part: weight / max(1, sum(weights.values())) for part, weight in weights.items()}


def measure(make: Callable[[], Load], rung: str, samples: int) -> dict[str, Any]:
    """One repeat: what each part used and what the samples say, with the counts of what went wrong."""
    load = make()
    folded = measured(load, RUNGS[rung], samples)
    total = sum(load.used_ns.values())
    found = shares(folded, sorted(load.used_ns), RUNGS[rung].kernel)
    counts = {
        name: getattr(folded.counts, name)
        for name in ("taken", "late", "lost", "unwindable", "overflowed", "throttled")
    }
    parts = {part: [used / total, found[part]] for part, used in load.used_ns.items()}
    return {"name": load.name, "parts": parts, "counts": counts}


def is_inside(truth: float, found: float, taken: int, by_clock: bool) -> bool:
    # Samples, not ticks: the ticks of one long system call arrive as one sample.
    low, high = binomial_interval(truth, taken)
    slack = CLOCK_TOLERANCE * taken if by_clock else 0.5
    return low - slack <= found * taken <= high + slack


def shown(rows: list[dict[str, Any]], rung: str) -> tuple[int, int]:
    """Prints the block of one load on one rung. Returns how many shares were checked and how many are outside."""
    name, looked, outside = rows[0]["name"], 0, 0
    by_clock = not RUNGS[rung].kernel and "read(2)" in name
    sums = {key: sum(row["counts"][key] for row in rows) for key in rows[0]["counts"]}
    missing = ", ".join(f"{sums[key]} {key}" for key in sums if key != "taken")
    print(f"\n{name}, {rung}: {len(rows)} repeats, {sums['taken']} samples, {missing}")
    for part in sorted(rows[0]["parts"], key=lambda part: -rows[0]["parts"][part][0]):
        pairs = [(*row["parts"][part], row["counts"]["taken"]) for row in rows]
        misses = sum(not is_inside(t, f, n, by_clock) for t, f, n in pairs)
        truth = sum(t * n for t, _, n in pairs) / sums["taken"]
        found = sum(f * n for _, f, n in pairs) / sums["taken"]
        worst = max((f - t for t, f, _ in pairs), key=abs)
        print(
            f"  {part:<12} truth {truth:7.2%}  sampled {found:7.2%}  farthest repeat {100 * worst:+5.2f} points  "
            f"outside the 99 % interval: {misses} of {len(rows)}"
        )
        looked, outside = looked + len(rows), outside + misses
    return looked, outside


def refused(info: SamplerInfo) -> str | None:
    with NativeSampler(info) as sampler:
        try:
            sampler.start(MS)
        except OSError as e:
            return str(e.strerror)
        sampler.stop()
    return None


LOADS = {make.__name__: make for make in (loops, system_calls, long_system_calls, eight_threads)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=4000, help="per load, rung and repeat")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--load", action="append", choices=LOADS)
    parser.add_argument("--rung", action="append", choices=RUNGS)
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "shares.jsonl")
    options = parser.parse_args()
    print(machine())
    series, looked, outside = Series(options.results), 0, 0
    available = []
    for rung in options.rung or RUNGS:
        reason = refused(RUNGS[rung])
        if reason is None:
            available.append(rung)
        else:
            print(f"{rung}: refused here ({reason})")
    cells = [
        {"load": load, "rung": rung, "asked": options.samples}
        for load in options.load or LOADS
        for rung in available
        # A signal ends a long read early.
        if not (load == "long_system_calls" and rung == "timer")
    ]
    for repeat in range(options.repeats):
        for cell in random.Random(repeat).sample(cells, len(cells)):
            if not series.having(**cell, repeat=repeat):
                row = measure(LOADS[cell["load"]], cell["rung"], options.samples)
                series.add(cell | {"repeat": repeat} | row)
    for cell in cells:
        some = shown(series.having(**cell), cell["rung"])
        looked, outside = looked + some[0], outside + some[1]
    most = binomial_interval(0.01, looked, 0.998)[1]
    print(f"\noutside the 99 % interval: {outside} of {looked}; by chance at most {most}")
    return 0 if outside <= most else 1


if __name__ == "__main__":
    sys.exit(main())
