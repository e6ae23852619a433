"""Which sampler this machine allows: perf events with kernel time, without it, timer signals, or a clear refusal.

What was chosen, and why nothing better was, is recorded with the data; recordings from different rungs are
never compared.
"""

from __future__ import annotations

import errno
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_flame.errors import SamplerUnavailable, UsageError
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler

CHOICES: Final = ("auto", "perf", "cycles", "timer")
"""``auto`` walks down the ladder; the others insist on one rung (``cycles``: perf events on a hardware counter)."""

HINTS: Final = {
    errno.EACCES: "sudo sysctl kernel.perf_event_paranoid=2   (distributions ship 3 or 4, which refuse everything)",
    errno.EPERM: "in a container: docker run --security-opt seccomp=unconfined (or a profile that allows "
    "perf_event_open), or --cap-add PERFMON; on the host: sudo sysctl kernel.perf_event_paranoid=2",
    errno.EINVAL: "Linux 5.13 or newer is needed for synchronous signals from perf events",
    errno.ENOSYS: "the kernel is built without perf events",
    errno.ENOENT: "this machine has no hardware counter (usual on virtual machines): --flame-sampler=perf",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
}


@dataclass(frozen=True, slots=True)
class Rung:
    name: str
    event: str
    kernel: bool


_LADDER: Final = {
    "perf": (Rung("perf-sigtrap", "task-clock", True), Rung("perf-sigtrap", "task-clock", False)),
    "cycles": (Rung("perf-sigtrap", "cycles", True), Rung("perf-sigtrap", "cycles", False)),
    "timer": (Rung("timer", "cpu-clock-advance", True),),
}


def open_sampler(choice: str, frequency_hz: int) -> NativeSampler:
    """A sampler that was started and stopped once on this machine. Raises ``SamplerUnavailable``."""
    limit = max_sample_rate()
    if limit is not None and frequency_hz > limit and choice != "timer":
        raise UsageError(
            f"--flame-frequency={frequency_hz} is above the kernel's limit of {limit} Hz",
            fix=f"--flame-frequency={limit}, or: sudo sysctl kernel.perf_event_max_sample_rate={frequency_hz}",
        )
    rungs = _LADDER["perf"] + _LADDER["timer"] if choice == "auto" else _LADDER[choice]
    reason, hint = "", ""
    for rung in rungs:
        with ExitStack() as unless_chosen:
            sampler = NativeSampler(SamplerInfo(rung.name, rung.event, rung.kernel, frequency_hz, reason))
            unless_chosen.callback(sampler.close)
            try:
                sampler.start(1_000_000)
                sampler.stop()
            except OSError as e:
                reason = str(e.strerror)
                hint = HINTS.get(e.errno or 0, "")
                continue
            unless_chosen.pop_all()
            return sampler
    raise SamplerUnavailable("no sampler works here", why=reason, fix=hint)


def max_sample_rate() -> int | None:
    try:
        return int(Path("/proc/sys/kernel/perf_event_max_sample_rate").read_text())
    except (OSError, ValueError):
        return None
