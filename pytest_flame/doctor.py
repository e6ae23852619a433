"""What this machine can do for sampling, tried rung by rung, and the command that would improve each rung."""

from __future__ import annotations

import dataclasses
import os
import platform
import random
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pytest_flame.errors import FlameError
from pytest_flame.sampling.events import is_precise
from pytest_flame.sampling.ladder import (
    CYCLES,
    INSTRUCTIONS,
    KERNEL_FRAMES,
    KERNEL_TIME,
    RUNGS,
    TIMER,
    USER,
    Rung,
    max_sample_rate,
)
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.rate import BEARABLE, RATES, burn, tick_cost
from pytest_flame.sampling.symbols import KernelSymbols, Symbolizer, read_mappings

MS: Final = 1_000_000
TRIAL_NS: Final = 30 * MS

_BY_ITSELF: Final = (KERNEL_TIME, USER, TIMER)
"""The rungs that ``--flame-sampler=auto`` tries, in order."""
TITLES: Final = {
    CYCLES: "cycles, user mode        --flame-sampler=cycles",
    INSTRUCTIONS: "instructions, user mode  --flame-sampler=instructions",
    KERNEL_FRAMES: "CPU time, kernel frames  --flame-kernel",
    KERNEL_TIME: "CPU time, user and kernel",
    USER: "CPU time, user mode",
    TIMER: "timer signals",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that works here or does not."""

    title: str
    works: bool
    detail: str
    fix: str = ""
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Examination:
    facts: tuple[str, ...]
    """The results, one line each."""
    steps: tuple[Check, ...]
    cost: str = ""
    """What one tick costs, in words; empty if nothing can be sampled."""

    @property
    def can_sample(self) -> bool:
        return any(step.chosen for step in self.steps)

    def lines(self) -> Iterator[str]:
        """As text for a terminal."""
        yield f"pytest-flame {version('pytest-flame')}: what this machine can do"
        yield ""
        yield from self.facts
        yield ""
        width = max(len(step.title) for step in self.steps)
        for step in self.steps:
            mark = "*" if step.chosen else " "
            yield f" {mark} {step.title:<{width}}  {'yes' if step.works else 'no '}  {step.detail}"
            if step.fix:
                yield f"   {'':<{width}}       → {step.fix}"
        yield ""
        yield " * what --flame uses by default" if self.can_sample else "nothing can be measured here"
        if self.cost:
            yield self.cost


def examine(frequency_hz: int | None = None) -> Examination:
    """Tries every rung of the ladder with a real load, in about a second. Never raises ``FlameError``."""
    try:
        with NativeSampler(TIMER.info(RATES[0])):
            frames = Check("frames of this Python", True, "read as sys._getframe() shows them")
    except FlameError as e:
        return Examination(_facts(), (Check("frames of this Python", False, _one_line(e), e.fix),))
    tried = {rung: _tried(rung) for rung in RUNGS}
    best = next((rung for rung in _BY_ITSELF if tried[rung].works), None)
    steps = [frames, *(dataclasses.replace(step, chosen=rung is best) for rung, step in tried.items())]
    steps.append(_native_frames(best))
    steps.append(_library_names())
    steps.append(_kernel_names())
    return Examination(_facts(), tuple(steps), _cost(best, frequency_hz) if best else "")


def _one_line(error: FlameError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what


# --- the machine -------------------------------------------------------------------------------------------------


def _facts() -> tuple[str, ...]:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    lines = [
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.release()}, "
        f"{platform.machine()}, {cpus} CPU{'' if cpus == 1 else 's'}"
    ]
    named = [(name, _sysctl(name)) for name in ("perf_event_paranoid", "kptr_restrict", "perf_event_max_sample_rate")]
    settings = [f"{name} {value}" for name, value in named if value is not None]
    lines.append(", ".join([f"user {os.geteuid()}{_privileges()}", *settings]))
    if Path("/sys/bus/event_source/devices/cpu_atom").exists():
        lines.append("two kinds of cores: with hardware counters use only one (--flame-cpu)")
    return tuple(lines)


def _sysctl(name: str) -> str | None:
    try:
        return Path(f"/proc/sys/kernel/{name}").read_text().strip()
    except OSError:
        return None


_CAPABILITIES: Final = {38: "CAP_PERFMON", 21: "CAP_SYS_ADMIN", 34: "CAP_SYSLOG"}
_SECCOMP_FILTER: Final = "2"


def _privileges() -> str:
    """Which capabilities matter here, and whether system calls are filtered (proc_pid_status(5))."""
    try:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    except OSError:
        return ""
    effective = int(status.get("CapEff", "0"), 16)
    held = [name for bit, name in _CAPABILITIES.items() if effective >> bit & 1]
    if status.get("Seccomp", "").strip() == _SECCOMP_FILTER:
        held.append("system calls filtered (a container?)")
    return f" ({', '.join(held)})" if held else ""


# --- the steps ---------------------------------------------------------------------------------------------------


def _tried(rung: Rung) -> Check:
    title = TITLES[rung]
    try:
        with NativeSampler(rung.info(RATES[0])) as sampler:
            count = _sampled(sampler)
            event = sampler.info.event
    except OSError as e:
        return Check(title, False, str(e.strerror), rung.fix(e))
    except FlameError as e:
        return Check(title, False, _one_line(e), e.fix)
    if not count:
        return Check(title, False, f"opens, but gives no samples in {TRIAL_NS // MS} ms of CPU")
    detail = f"{count} samples in {TRIAL_NS // MS} ms of CPU"
    return Check(title, True, f"{detail}, as {event}" if is_precise(event) else detail)


def _sampled(sampler: NativeSampler) -> int:
    sampler.start(MS, random.getrandbits(63))
    try:
        sampler.resume()
        burn(TRIAL_NS)
        sampler.pause()
    finally:
        sampler.stop()
    return sampler.samples().counts.taken


def _native_frames(best: Rung | None) -> Check:
    title = "native frames            --flame-native"
    if best is None:
        return Check(title, False, "nothing can be sampled")
    try:
        with NativeSampler(best.info(RATES[0], native_frames=True)) as sampler:
            count = _sampled(sampler)
            counts = sampler.samples().counts
    except OSError as e:
        return Check(title, False, str(e.strerror), best.fix(e))
    except FlameError as e:
        return Check(title, False, _one_line(e), e.fix)
    whole = count - counts.incomplete
    return Check(title, whole > 0, f"{whole} of {count} samples reach the root of the stack")


def _library_names() -> Check:
    """The libraries that this process has loaded."""
    symbolizer, known = Symbolizer(), {}
    for mapping in read_mappings():
        if mapping.executable and mapping.path.startswith("/"):
            table = symbolizer.table(mapping)
            known[mapping.path] = table is not None and table.complete
    poor = [path for path, complete in known.items() if not complete]
    title = "names of native functions"
    if not poor:
        return Check(title, True, f"all, for {len(known)} loaded libraries")
    some = ", ".join(Path(path).name for path in poor[:3]) + ", …" * (len(poor) > 3)
    return Check(
        title,
        len(poor) < len(known),
        f"all, for {len(known) - len(poor)} of {len(known)} loaded libraries; only exported ones for {some}",
        f"install the libraries' debug packages, or for each: debuginfod-find debuginfo {poor[0]}",
    )


def _kernel_names() -> Check:
    symbols = KernelSymbols.open()
    title = "names of kernel functions"
    if len(symbols):
        return Check(title, True, f"{len(symbols):,} from /proc/kallsyms")
    return Check(title, False, symbols.reason, symbols.fix)


def _cost(rung: Rung, frequency_hz: int | None) -> str:
    with NativeSampler(rung.info(frequency_hz or RATES[0])) as sampler:
        cost = tick_cost(sampler)
    if cost.ns < 100:
        return "one tick costs too little to measure here"
    hz = frequency_hz or cost.best_rate()
    limit = min(int(BEARABLE * 1e9 / cost.ns), max_sample_rate() or 10_000)
    return (
        f"one tick costs {cost.ns / 1000:.1f} µs of CPU: {cost.share(hz):.1%} at {hz} Hz; {BEARABLE:.0%} at {limit} Hz"
    )
