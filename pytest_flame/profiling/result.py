"""What a profiled program used its CPU for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final, TypeVar

from pytest_flame import atomic
from pytest_flame.errors import UsageError
from pytest_flame.formats import folded
from pytest_flame.model import (
    FAULT_NS,
    PROGRAM_CPU,
    PS_PER_NS,
    SAMPLE_COUNT,
    Frame,
    Profile,
    SampleCounts,
    SamplerInfo,
    SourceLine,
    Stack,
    StackSample,
)
from pytest_flame.render import units

Key = TypeVar("Key", Stack, Frame)

SUFFIXES: Final = (".folded", ".txt", ".svg")
_MISSING: Final = 0.02
"""Share of samples that may be missing before a note says so."""
_FAULTS: Final = 0.05
_FAULTS_NS: Final = 2_500_000
"""From this on page faults are reported: 10,000 and a twentieth of the CPU time. Starting up takes a few thousand."""


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """Samples say where and the clock says how much: ``cpu_ns`` is exact, ``sampled_ns`` the weight of the samples."""

    stacks: Profile
    """CPU time (picoseconds) and number of samples by stack, root first; where functions are defined."""
    counts: SampleCounts
    sampler: SamplerInfo
    cpu_ns: int
    """User and system CPU of all threads while the profiler was on, and of the child processes waited for."""
    wall_ns: int
    processes: int = 1
    unfinished: int = 0
    """Followed processes that did not deliver their samples: killed, replaced by another program, still running."""
    minor_faults: int | None = None
    """Pages the kernel mapped in the profiled processes while the profiler was on; None if they were not counted."""

    @property
    def sampled_ns(self) -> int:
        return self.stacks.total // PS_PER_NS

    def costs(self) -> dict[Stack, int]:
        """Nanoseconds by stack."""
        return _in_ns(self.stacks.costs)

    def self_ns(self) -> dict[Frame, int]:
        """Self nanoseconds of each function, largest first."""
        return _in_ns(self.stacks.self_costs())

    def total_ns(self) -> dict[Frame, int]:
        """Inclusive nanoseconds of each function, largest first; a recursive one counts once."""
        return _in_ns(self.stacks.total_costs())

    def folded(self) -> str:
        """Folded stacks, one line per stack, costs in nanoseconds (see ``pytest_flame.formats.folded``)."""
        return folded.dumps({stack: cost for stack, cost in self.costs().items() if cost})

    def write(self, path: str | PathLike[str]) -> None:
        """Write it atomically in the format of the suffix: ``.folded`` or ``.txt`` (folded stacks), ``.svg`` (flame
        graph).

        A device or pipe gets folded stacks. Raises ``UsageError`` for any other suffix, ``OSError`` if the file cannot
        be written.
        """
        target = Path(path)
        check_suffix(target)
        atomic.write_text(target, self.svg(target.stem) if target.suffix == ".svg" else self.folded())

    def svg(self, title: str) -> str:
        """A flame graph, root at the bottom, interactive when opened directly."""
        return cpu_svg(self.stacks, title, self.summary())

    def table(self, rows: int = 15) -> str:
        """The functions with the most self CPU, one per line: share and time, self and inclusive."""
        own, total, whole = self.self_ns(), self.total_ns(), max(1, self.sampled_ns)
        lines = ["   self      ms    total      ms  function"]
        for frame, ns in list(own.items())[:rows]:
            place = self.stacks.lines.get(frame)
            shown = f"   {place.path}:{place.line}" if place else ""
            lines.append(f"{_column(ns, whole)}  {_column(total[frame], whole)}  {frame.name}{shown}")
        return "\n".join(lines)

    def summary(self) -> str:
        """One line: how much was seen, and how."""
        processes = f" in {self.processes} processes" if self.processes > 1 else ""
        return (
            f"{units.count(self.counts.taken)} samples of {units.duration(self.cpu_ns * PS_PER_NS)} CPU{processes}, "
            f"{self.sampler.event} {self.sampler.frequency_hz} Hz"
        )

    def notes(self) -> list[str]:
        """Anything unusual about it, in words; usually empty."""
        notes = []
        missing = self.cpu_ns - self.sampled_ns
        if self.cpu_ns and missing > _MISSING * self.cpu_ns and missing > 10 * self._period_ns():
            notes.append(
                f"{units.percent(missing / self.cpu_ns)} of the CPU time has no samples: the last moments of threads "
                "and processes, short threads of C code, lost samples"
            )
        faults_ns = (self.minor_faults or 0) * FAULT_NS
        if faults_ns > _FAULTS * self.cpu_ns and faults_ns > _FAULTS_NS:
            notes.append(
                f"{units.count(self.minor_faults or 0, 'page fault')}, at least "
                f"{units.percent(faults_ns / max(1, self.cpu_ns))} of the CPU time: memory is returned to the system "
                "and taken again, maybe only because of where the heap or the interpreter's stack of frames happens to "
                "end (docs/profiling.md, How deep)"
            )
        for name in ("unwindable", "lost", "overflowed", "truncated"):
            count = getattr(self.counts, name)
            if count > _MISSING / 10 * self.counts.taken and count > 3:
                notes.append(f"{units.count(count)} samples {_WORDS[name]}")
        if self.unfinished:
            notes.append(
                f"{units.count(self.unfinished)} of the followed processes delivered no samples: killed, replaced by "
                "another program, or still running"
            )
        return notes

    def _period_ns(self) -> float:
        return 1e9 / self.sampler.frequency_hz


_WORDS: Final = {
    "unwindable": "had no readable stack",
    "lost": "were lost because another thread was storing one",
    "overflowed": "did not fit into the sampler's tables",
    "truncated": "were so deep that frames in the middle are left out",
}


def of_samples(stacks: Mapping[Stack, StackSample], lines: Mapping[Frame, SourceLine]) -> Profile:
    """The profile of a program that was sampled."""
    costs = {stack: sample.weight_ns * PS_PER_NS for stack, sample in stacks.items()}
    counts = {stack: sample.count for stack, sample in stacks.items()}
    return Profile({PROGRAM_CPU: costs, SAMPLE_COUNT: counts}, lines=lines)


def cpu_svg(profile: Profile, title: str, subtitle: str) -> str:
    """A flame graph of a program's CPU time."""
    from pytest_flame.render.interactive_svg import interactive_svg
    from pytest_flame.render.picture import profile_picture

    return interactive_svg(profile_picture(profile, title, subtitle=subtitle, of="the profile"))


def check_suffix(path: Path) -> None:
    """Raises ``UsageError`` if there is no format for the suffix."""
    if path.suffix in SUFFIXES or (path.exists() and not path.is_file()):
        return
    raise UsageError(f"no format is known for {path.name!r}", fix=f"use a name that ends in {', '.join(SUFFIXES)}")


def _in_ns(costs: Mapping[Key, int]) -> dict[Key, int]:
    return {key: cost // PS_PER_NS for key, cost in costs.items()}


def _column(ns: int, whole_ns: int) -> str:
    return f"{100 * ns / whole_ns:5.1f} % {ns / 1e6:7.1f}"
