"""Which sampler this machine allows: perf events with kernel time, without it, timer signals, or a clear refusal.

What was chosen, and why nothing better, is recorded with the data; recordings from different rungs are never compared.
"""

from __future__ import annotations

import errno
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_flame.errors import SamplerUnavailable, UsageError
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling import events
from pytest_flame.sampling.native import NativeSampler

CHOICES: Final = ("auto", "perf", "cycles", "instructions", "timer")
"""``auto`` walks down the ladder; the others insist on one event (``cycles``, ``instructions``: hardware counters)."""

HINTS: Final = {
    errno.EACCES: "sudo sysctl kernel.perf_event_paranoid=2   (distributions set 3 or 4, which refuse everything)",
    errno.EPERM: "in a container: docker run --security-opt seccomp=unconfined (or a profile that allows "
    "perf_event_open), or --cap-add PERFMON; on the host: sudo sysctl kernel.perf_event_paranoid=2",
    errno.EINVAL: "Linux 5.13 or newer is needed for synchronous signals from perf events",
    errno.ENOSYS: "the kernel is built without perf events",
    errno.ENOENT: "this machine has no hardware counters (usual on virtual machines): --flame-sampler=perf",
    errno.EOPNOTSUPP: "this machine's counters give no interrupts (some virtual machines): --flame-sampler=perf",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
    errno.ENOBUFS: "sudo sysctl kernel.perf_event_mlock_kb=2048, or: ulimit -l unlimited   (a ring of 256 KiB per CPU)",
    errno.EBUSY: "stop the debugger or strace; if none is attached, another profiler uses the events",
}

KERNEL_HINTS: Final = {errno.EACCES: "sudo sysctl kernel.perf_event_paranoid=1"}
"""Fixes that differ for kernel time."""


@dataclass(frozen=True, slots=True)
class Rung:
    name: str
    event: str
    kernel: bool
    kernel_frames: bool = False

    def info(self, frequency_hz: int, reason: str = "", *, native_frames: bool = False) -> SamplerInfo:
        return SamplerInfo(self.name, self.event, self.kernel, frequency_hz, reason, self.kernel_frames, native_frames)

    def fix(self, refusal: OSError) -> str:
        """The command that would make a refused rung work, if known."""
        number = refusal.errno or 0
        return (KERNEL_HINTS if self.kernel and self.name == PERF else {}).get(number) or HINTS.get(number, "")


PERF: Final = "perf-sigtrap"
CYCLES: Final = Rung(PERF, events.CYCLES, False)
INSTRUCTIONS: Final = Rung(PERF, events.INSTRUCTIONS, False)
KERNEL_FRAMES: Final = Rung(PERF, events.TASK_CLOCK, True, True)
KERNEL_TIME: Final = Rung(PERF, events.TASK_CLOCK, True)
USER: Final = Rung(PERF, events.TASK_CLOCK, False)
TIMER: Final = Rung("timer", events.LOOKS, True)
RUNGS: Final = (CYCLES, INSTRUCTIONS, KERNEL_FRAMES, KERNEL_TIME, USER, TIMER)
"""All rungs, those with the most requirements first."""

_LADDER: Final = {
    "auto": (KERNEL_TIME, USER, TIMER),
    "perf": (KERNEL_TIME, USER),
    "cycles": (CYCLES,),
    "instructions": (INSTRUCTIONS,),
    "timer": (TIMER,),
}


def open_sampler(
    choice: str, frequency_hz: int, *, kernel_frames: bool = False, native_frames: bool = False, inlined: bool = False
) -> NativeSampler:
    """A sampler that was started and stopped once on this machine. Raises ``SamplerUnavailable``. ``inlined``: see
    ``NativeSampler``."""
    limit = max_sample_rate()
    if limit is not None and frequency_hz > limit and choice != "timer":
        raise UsageError(
            f"--flame-frequency={frequency_hz} is above the kernel's limit of {limit} Hz",
            fix=f"--flame-frequency={limit}, or: sudo sysctl kernel.perf_event_max_sample_rate={frequency_hz}",
        )
    if kernel_frames and choice not in ("auto", "perf"):
        raise UsageError(
            f"--flame-kernel and --flame-sampler={choice} cannot be combined",
            why="kernel frames need the task clock's ticks",
            fix="keep one of them",
        )
    reason, hint = "", ""
    for rung in (KERNEL_FRAMES,) if kernel_frames else _LADDER[choice]:
        with ExitStack() as unless_chosen:
            sampler = NativeSampler(rung.info(frequency_hz, reason, native_frames=native_frames), inlined=inlined)
            unless_chosen.callback(sampler.close)
            try:
                sampler.start(1_000_000)
                sampler.stop()
            except OSError as e:
                reason, hint = str(e.strerror), rung.fix(e)
                continue
            unless_chosen.pop_all()
            return sampler
    raise SamplerUnavailable(
        "kernel frames cannot be sampled here" if kernel_frames else "no sampler works here", why=reason, fix=hint
    )


def max_sample_rate() -> int | None:
    try:
        return int(Path("/proc/sys/kernel/perf_event_max_sample_rate").read_text())
    except (OSError, ValueError):
        return None
