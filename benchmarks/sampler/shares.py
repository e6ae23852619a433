"""Are the samples true? Known loads on every rung of the ladder, and stacks the program can not have.

    python benchmarks/sampler_truth.py [--samples 4000] [--stacks 50000]

Truth is each load's own CPU clock (CLOCK_THREAD_CPUTIME_ID), read around every call of it. ``z`` is the sampled share's
distance from it in standard errors of a binomial draw: beyond ±3.89 once in ten thousand times. Exit status 1 when
a share is farther off, when a stack is impossible, or when the broken walker goes unnoticed.
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

import stack_truth

from pytest_flame.measure.meter import Meter
from pytest_flame.measure.stacks import Clocks, Folded, fold_samples
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.sampler import RawFrame

FREQUENCY_HZ = 997
MS = 1_000_000
TOO_FAR = 3.89
CLOCK_TOLERANCE = 0.03
"""Where the kernel's own split of user and system CPU decides, its error comes on top."""

RUNGS = {
    "perf": SamplerInfo("perf-sigtrap", "task-clock", True, FREQUENCY_HZ),
    "perf, user only": SamplerInfo("perf-sigtrap", "task-clock", False, FREQUENCY_HZ),
    "timer": SamplerInfo("timer", "cpu-clock-advance", True, FREQUENCY_HZ),
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


# --- parts: their names are what is looked for in the stacks ------------------------------------------------------


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
    """Each in a thread of its own name, with one to eight parts of the work. On the timer rung what a thread uses
    after its last tick is lost when it ends: half a period."""
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


def measured(load: Load, info: SamplerInfo, samples: int) -> Folded:
    """As a worker does: rounds with a period and phase each, folded with the exact clock."""
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


def shares(folded: Folded, parts: list[str], kernel_sampled: bool) -> dict[str, float]:
    weights = dict.fromkeys(parts, 0)
    for stack, sample in folded.stacks.items():
        names = {f.qualname for f in stack}
        if not kernel_sampled and "[not sampled]" in names:
            names = {"kernel_part"}
        for part in names & weights.keys():
            weights[part] += sample.weight_ns
    return {part: weight / max(1, sum(weights.values())) for part, weight in weights.items()}


def compare(load: Load, rung: str, samples: int) -> bool:
    """One block of the table; whether every share is near enough."""
    folded = measured(load, RUNGS[rung], samples)
    counts = folded.counts
    by_clock = not RUNGS[rung].kernel and "read(2)" in load.name
    found = shares(folded, sorted(load.used_ns), RUNGS[rung].kernel)
    total, good = sum(load.used_ns.values()), True
    print(
        f"\n{load.name}, {rung}: {counts.taken} samples, {counts.late} late, {counts.lost} lost, "
        f"{counts.unwindable} unwindable, {counts.overflowed} overflowed, {counts.throttled} missing"
    )
    for part, used in sorted(load.used_ns.items(), key=lambda item: -item[1]):
        truth = used / total
        # Samples, not ticks: those of one long system call come as one.
        error = (truth * (1 - truth) / max(1, counts.taken)) ** 0.5
        z = (found[part] - truth) / error
        near = abs(z) <= TOO_FAR or (by_clock and abs(found[part] - truth) <= CLOCK_TOLERANCE)
        good &= near
        print(f"  {part:<12} truth {truth:7.2%}  sampled {found[part]:7.2%}  z {z:+6.2f}{'' if near else '   OUTSIDE'}")
    return good


def stacks(rung: str, samples: int) -> bool:
    stack_truth.workload()
    possible = stack_truth.possible_stacks() | stack_truth.possible_stacks()
    results = []
    for fault, enough in ((False, samples), (True, max(1000, samples // 20))):
        with NativeSampler(RUNGS[rung], with_fault=fault) as sampler:
            raw = stack_truth.sampled_stacks(sampler, MS // 20, enough)
        wrong = stack_truth.impossible_stacks(raw, possible)
        count, counts = sum(s.count for s in wrong), raw.counts
        results.append(count)
        print(
            f"  {'broken' if fault else 'own':<7} walker: {count:>6} impossible of {counts.taken} samples "
            f"({len(raw.stacks)} different stacks), {counts.lost} lost, {counts.unwindable} unwindable "
            f"({counts.unwindable / counts.taken:.2%}), {counts.late} late"
        )
        for stack in wrong[:3] if not fault else ():
            print("    " + ";".join(f.qualname for f in stack.frames))
    return results[0] == 0 and results[1] > 0


def refused(info: SamplerInfo) -> str | None:
    with NativeSampler(info) as sampler:
        try:
            sampler.start(MS)
        except OSError as e:
            return str(e.strerror)
        sampler.stop()
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=4000, help="per load and rung")
    parser.add_argument("--stacks", type=int, default=50_000, help="samples searched for impossible stacks, per rung")
    options = parser.parse_args()
    good = True
    available = []
    for rung, info in RUNGS.items():
        reason = refused(info)
        if reason is None:
            available.append(rung)
        else:
            print(f"{rung}: refused here ({reason})")
    for make in (loops, system_calls, long_system_calls, eight_threads):
        load = make()
        for rung in available:
            if make is long_system_calls and rung == "timer":
                continue
            good &= compare(load, rung, options.samples)
    for rung in available:
        if RUNGS[rung].kernel:
            print(f"\nimpossible stacks, {rung} at 20 kHz")
            good &= stacks(rung, options.stacks)
    print("\nevery share and every stack is true" if good else "\nOUTSIDE: see above")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
