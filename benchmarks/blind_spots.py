"""What sampling can't see, measured: each example prints what the clock says and what the samples say.

    python -m benchmarks.blind_spots [EXAMPLE …]

Truth is the CPU clock of the thread, read around every call. Without arguments all examples run, about a minute.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import FrameType

from pytest_flame import Profiler
from pytest_flame.errors import SamplerUnavailable
from pytest_flame.model import SamplerInfo
from pytest_flame.profiling.result import ProfileResult
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.profile_source import RawSamples

MS = 1_000_000
PERF = SamplerInfo("perf-sigtrap", "task-clock", True, 1000)
TIMER = SamplerInfo("timer", "cpu-clock-looks", True, 1000)
used: Counter[str] = Counter()


def spin(ns: int) -> None:
    end = time.thread_time_ns() + ns
    while time.thread_time_ns() < end:
        for _ in range(50):
            pass


def clocked(function: Callable[..., object], *args: object) -> None:
    began = time.thread_time_ns()
    function(*args)
    used[function.__name__] += time.thread_time_ns() - began


def of_clock(*names: str) -> list[float]:
    whole = sum(used[name] for name in names)
    return [used[name] / whole for name in names]


def of_profile(profile: ProfileResult, *names: str) -> list[float]:
    """Each function's share of their sum, including what it calls."""
    found = {frame.qualname: ns for frame, ns in profile.total_ns().items()}
    whole = max(1, sum(found.get(name, 0) for name in names))
    return [found.get(name, 0) / whole for name in names]


def of_samples(raw: RawSamples, *names: str) -> list[float]:
    weights = Counter[str]()
    for stack in raw.stacks:
        for name in names:
            if any(frame.qualname == name for frame in stack.frames):
                weights[name] += stack.weight_ns
    whole = max(1, sum(weights.values()))
    return [weights[name] / whole for name in names]


def row(label: str, shares: Sequence[float], note: str = "") -> None:
    print(f"  {label:<34}" + "".join(f"{100 * share:>12.1f} %" for share in shares) + (f"   {note}" if note else ""))


def head(label: str, *names: str) -> None:
    print(f"  {label:<34}" + "".join(f"{name:>14}" for name in names))


# --- skid ----------------------------------------------------------------------------------------------------------


def c_code() -> None:
    sorted(NUMBERS)


def system_call() -> None:
    os.readv(ZEROS, [BUFFER])


def python_code() -> None:
    spin(10 * MS)


DRAW = random.Random(1)
NUMBERS = [DRAW.random() for _ in range(60_000)]
BUFFER = bytearray(1 << 25)
ZEROS = os.open("/dev/zero", os.O_RDONLY)


def alternate(turns: int) -> None:
    for _ in range(turns):
        clocked(c_code)
        clocked(python_code)
        clocked(system_call)
        clocked(python_code)


def by_python_handler(work: Callable[[], None]) -> Counter[str]:
    """What a profiler written in Python sees: its handler runs when the interpreter gets to it."""
    seen: Counter[str] = Counter()

    def handler(_: int, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code.co_name not in ("c_code", "python_code", "system_call"):
            frame = frame.f_back
        if frame is not None:
            seen[frame.f_code.co_name] += 1

    previous = signal.signal(signal.SIGPROF, handler)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
    return seen


def skid() -> None:
    """Whether samples are where the period ended, or where the program was later."""
    names = ("c_code", "system_call", "python_code")
    system_call()
    head("", *names)
    for sampler in ("perf", "timer"):
        used.clear()
        with Profiler(sampler=sampler) as p:
            alternate(25)
        row(f"Profiler(sampler={sampler!r})", of_profile(p.profile, *names), f"{p.profile.counts.taken} samples")
        row("  the clock", of_clock(*names))
    used.clear()
    seen = by_python_handler(lambda: alternate(25))
    row("a handler in Python (ITIMER_PROF)", [seen[n] / max(1, seen.total()) for n in names], f"{seen.total()} samples")
    row("  the clock", of_clock(*names))


# --- bias ----------------------------------------------------------------------------------------------------------


def keeps_much() -> None:
    KEPT.append([{"number": i} for i in range(2000)])


def keeps_nothing() -> None:
    # Containers that are all alive at once: they make the collector go through everything that is kept.
    for _ in range(4):
        [[] for _ in range(2000)]


KEPT: list[object] = []


def garbage() -> None:
    """The collector runs in the time of whoever allocates next, but its work depends on what others have kept."""
    names = ("keeps_much", "keeps_nothing")
    head("", *names)
    for label, setting in (("gc on", gc.enable), ("gc off", gc.disable)):
        used.clear()
        KEPT.clear()
        gc.collect()
        setting()
        with Profiler() as p:
            for _ in range(200):
                clocked(keeps_much)
                clocked(keeps_nothing)
        row(f"{label}: samples", of_profile(p.profile, *names), f"{p.profile.counts.taken} samples")
        row("  the clock", of_clock(*names))
    gc.enable()
    KEPT.clear()


# --- aliasing ------------------------------------------------------------------------------------------------------


def seldom(until: int) -> None:
    spin(until - time.thread_time_ns())


def mostly(until: int) -> None:
    spin(until - time.thread_time_ns())


def beat(beats: int, length_ns: int) -> None:
    """Repeats every ``length_ns`` of CPU: a fifth of it in one function, the rest in another."""
    began = time.thread_time_ns()
    for i in range(beats):
        seldom(began + i * length_ns + length_ns // 5)
        mostly(began + (i + 1) * length_ns)


def aliasing() -> None:
    """A program that repeats itself in step with the sampling period is sampled in the same place again and again."""
    print("  share of a function that uses 20.0 % of each millisecond; 12 runs of 300 ms")
    fixed, drawn = [], []
    for i in range(12):
        with NativeSampler(PERF) as sampler:
            sampler.start(MS, seed=random.Random(i).getrandbits(63))
            sampler.resume()
            beat(300, MS)
            sampler.pause()
            sampler.stop()
            fixed.append(of_samples(sampler.samples(), "seldom", "mostly")[0])
        with Profiler(sampler="perf", seed=i) as p:
            beat(300, MS)
        drawn.append(of_profile(p.profile, "seldom", "mostly")[0])
    chance = 100 * (0.2 * 0.8 / 300) ** 0.5
    for label, shares in (("period exactly 1 ms", fixed), ("period drawn for each run", drawn)):
        print(f"  {label:<28}" + " ".join(f"{100 * s:5.1f}" for s in sorted(shares)) + " %", end="")
        print(f"   spread {100 * statistics.stdev(shares):.1f}, by chance alone {chance:.1f}")


# --- rare and short ------------------------------------------------------------------------------------------------


def one_in_100() -> None:
    spin(MS // 10)


def one_in_1000() -> None:
    spin(MS // 100)


def rest() -> None:
    spin(MS * 989 // 100)


def rare() -> None:
    """Rare functions are seldom sampled, and their share is known only roughly."""
    runs = 8
    names = ("one_in_100", "one_in_1000")
    shares: dict[str, list[float]] = {name: [] for name in names}
    samples = 0
    for i in range(runs):
        with Profiler(seed=i) as p:
            for _ in range(100):
                one_in_100()
                one_in_1000()
                rest()
        found = of_profile(p.profile, *names, "rest")
        samples += p.profile.counts.taken
        for name, share in zip(names, found, strict=False):
            shares[name].append(share)
    print(f"  {runs} runs of about {samples // runs} samples")
    for name, truth in zip(names, (0.01, 0.001), strict=True):
        seen = " ".join(f"{100 * s:5.2f}" for s in sorted(shares[name]))
        unseen = sum(s == 0 for s in shares[name])
        expected = runs * (1 - truth) ** (samples / runs)
        print(f"  {name:<14} truth {100 * truth:4.1f} %, sampled {seen} %; not seen in {unseen} runs", end="")
        print(f" (by chance {expected:.1f})")


def tiny(x: int) -> int:
    return x + 1


def many_calls() -> None:
    for i in range(300_000):
        tiny(i)


def one_call() -> None:
    spin(30 * MS)


def short() -> None:
    """A call of 30 ns and one of 30 ms look the same: samples show time, not calls."""
    used.clear()
    with Profiler() as p:
        for _ in range(20):
            clocked(many_calls)
            clocked(one_call)
    names = ("many_calls", "one_call")
    head("", *names)
    row("samples", of_profile(p.profile, *names), f"{p.profile.counts.taken} samples")
    row("the clock", of_clock(*names))
    print(f"  calls: tiny {20 * 300_000:,}, one_call 20; nothing in the profile says so")


# --- threads and waiting -------------------------------------------------------------------------------------------


def first_part() -> None:
    spin(MS * 3 // 10)


def second_part() -> None:
    spin(MS * 6 // 10)


def request() -> None:
    clocked(first_part)
    clocked(second_part)


def serve(requests: int) -> None:
    for _ in range(requests):
        thread = threading.Thread(target=request)
        thread.start()
        thread.join()


def threads() -> None:
    """Threads that live about as long as a period: requests, each in its own thread."""
    names = ("first_part", "second_part")
    print("  400 threads of 0.9 ms each; share of the threads' CPU that has samples, and which functions they are in")
    head("", "sampled", *names)
    for label, info in (("perf, inherited events only", PERF), ("timer, as the gate uses it", TIMER)):
        used.clear()
        with NativeSampler(info) as sampler:
            sampler.start(MS, seed=1)
            sampler.resume()
            serve(400)
            sampler.pause()
            sampler.stop()
            raw = sampler.samples()
        inside = sum(s.weight_ns for s in raw.stacks if any(f.qualname == "request" for f in s.frames))
        row(label, [inside / used.total(), *of_samples(raw, *names)])
    for label in ("perf", "timer"):
        used.clear()
        with Profiler(sampler=label, seed=1) as p:
            serve(400)
        inside = {f.qualname: ns for f, ns in p.profile.total_ns().items()}.get("request", 0)
        row(f"Profiler(sampler={label!r})", [inside / used.total(), *of_profile(p.profile, *names)])
    row("the clock", [1.0, *of_clock(*names)])


def sleeps() -> None:
    time.sleep(0.3)


def works() -> None:
    spin(100 * MS)


def waiting() -> None:
    """Only CPU is sampled: waiting is not seen."""
    walls: dict[str, float] = {}
    with Profiler() as p:
        for function in (sleeps, works):
            began = time.perf_counter()
            function()
            walls[function.__name__] = time.perf_counter() - began
    head("", "sleeps", "works")
    row("samples", of_profile(p.profile, "sleeps", "works"), f"{p.profile.counts.taken} samples")
    row("the wall clock", [wall / sum(walls.values()) for wall in walls.values()])


EXAMPLES = {f.__name__: f for f in (skid, garbage, aliasing, rare, short, threads, waiting)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", nargs="*", metavar="EXAMPLE", help=", ".join(EXAMPLES))
    arguments = parser.parse_args()
    if unknown := set(arguments.examples) - set(EXAMPLES):
        parser.error(f"no example {', '.join(sorted(unknown))}; there are {', '.join(EXAMPLES)}")
    for name in arguments.examples or EXAMPLES:
        print(f"{name}: {EXAMPLES[name].__doc__}")
        try:
            EXAMPLES[name]()
        except (SamplerUnavailable, OSError) as e:
            print(f"  cannot be shown here: {e}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
