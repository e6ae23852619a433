"""Loads of known size, and what the sampler's tests read about the process; imports nothing from pytest."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from procfs import descriptors

from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.profile_source import RawSamples

TIMER = SamplerInfo("timer", "cpu-clock-looks", True, 1000)
PERF = SamplerInfo("perf-sigtrap", "task-clock", True, 1000)
PERF_KERNEL = SamplerInfo("perf-sigtrap", "task-clock", True, 1000, kernel_frames=True)
PERF_USER = SamplerInfo("perf-sigtrap", "task-clock", False, 1000)

MS = 1_000_000
UNLIKELY_SD = 3.89
"""Two-sided 99.99 % of the normal distribution."""


def refusal(info: SamplerInfo) -> str | None:
    """Why this machine does not open the rung; None if it does."""
    with NativeSampler(info) as sampler:
        try:
            sampler.start(MS)
        except OSError as e:
            return str(e.strerror)
        sampler.stop()
    return None


def spin(ns: int) -> None:
    """Uses this much CPU of this thread, nearly all of it in user mode."""
    end = time.thread_time_ns() + ns
    while time.thread_time_ns() < end:
        for _ in range(200):
            pass


def collect(sampler: NativeSampler, work: Callable[[], object], period_ns: int = MS, seed: int = 0) -> RawSamples:
    """What the sampler has seen after one call, including what it saw before."""
    sampler.start(period_ns, seed)
    try:
        sampler.resume()
        work()
        sampler.pause()
    finally:
        sampler.stop()
    return sampler.samples()


def stands_for(weight_ns: int, ns: int, info: SamplerInfo, slack: float = 0.05) -> bool:
    """Whether a weight at 1 kHz is this much CPU. On the timer rung the number of looks is itself random."""
    chance = UNLIKELY_SD * math.sqrt(ns * MS) if info.rung == "timer" else 0
    return abs(weight_ns - ns) <= chance + max(slack * ns, 2 * MS)


def sanitized() -> bool:
    """Whether AddressSanitizer (ci/sanitize.sh) is in the process: its allocator makes other functions the most
    expensive."""
    return "libasan" in Path("/proc/self/maps").read_text()


def weights(raw: RawSamples, *names: str) -> dict[str, int]:
    """Inclusive weight of functions that do not call each other, nanoseconds; nested ones by their own name."""
    found = dict.fromkeys(names, 0)
    for stack in raw.stacks:
        inside = {f.qualname.rpartition(".")[2] for f in stack.frames}
        for name in names:
            if name in inside:
                found[name] += stack.weight_ns
    return found


def shares(raw: RawSamples, *names: str) -> dict[str, float]:
    found = weights(raw, *names)
    return {name: weight / max(1, sum(found.values())) for name, weight in found.items()}


def beyond_chance(share: float, truth: float, samples: int) -> bool:
    """Whether a sampled share is outside the 99.99 % interval of a binomial distribution."""
    return abs(share - truth) > UNLIKELY_SD * math.sqrt(truth * (1 - truth) / max(1, samples))


def caught_signals() -> set[int]:
    """Signals with a handler, Python's or not (proc(5), SigCgt); without 32 and 33, which the C library takes with the
    first thread."""
    status = Path("/proc/self/status").read_text()
    mask = int(status.split("SigCgt:")[1].split()[0], 16)
    return {bit + 1 for bit in range(64) if mask >> bit & 1} - {32, 33}


def held() -> dict[str, set[object]]:
    """Everything that a test could leave behind."""
    tasks = Path("/proc/self/task")
    return {
        "file descriptors": set(descriptors()),
        "threads": {task.name for task in tasks.iterdir()},
        "signal handlers": set(caught_signals()),
        "children": {child for task in tasks.glob("*/children") for child in task.read_text().split()},
    }
