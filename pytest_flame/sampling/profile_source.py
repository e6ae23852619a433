"""What measuring needs from a source of profiles, and the form in which it delivers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pytest_flame.model import Metric, SampleCounts, SamplerInfo


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One Python function as the sampler saw it: file name as compiled, not yet a module."""

    qualname: str
    filename: str
    firstlineno: int
    library: str = ""
    """The library of a native function, whose symbol is ``qualname``; ``kernel`` for a kernel function."""


NATIVE_THREAD = RawFrame("[native thread]", "", 0)
TRUNCATED = RawFrame("[truncated]", "", 0)
IN_KERNEL = RawFrame("[still in the kernel]", "", 0)


@dataclass(frozen=True, slots=True)
class RawStack:
    """Samples of one stack, root first. ``cut``: it ended at a stop; others are whole threads. Without frames the
    place is unknown, and the cost is the body's."""

    frames: tuple[RawFrame, ...]
    cut: bool
    count: int
    weight_ns: int


@dataclass(frozen=True, slots=True)
class RawLine:
    """Samples that found a Python function innermost, on this line of its file."""

    frame: RawFrame
    line: int
    count: int
    weight_ns: int


@dataclass(frozen=True, slots=True)
class RawSamples:
    stacks: tuple[RawStack, ...]
    counts: SampleCounts
    weight_ns: int
    lines: tuple[RawLine, ...] = ()
    """For the same samples, as far as the sampler knows lines; samples without a Python function have none."""


class ProfileSource(Protocol):
    """What gives the profile of a process from inside it.

    Start, then any number of resume/pause, then stop; samples add up until ``clear``.
    """

    @property
    def gives(self) -> Metric:
        """What the weights of its samples are of."""

    @property
    def info(self) -> SamplerInfo: ...

    def set_stops(self, codes: tuple[object, ...]) -> None:
        """Cut stacks below the first frame that runs one of these code objects (at most 4)."""

    def start(self, period_ns: int, seed: int = 0) -> None:
        """``seed`` determines how much of the first period passes before the first tick (0: all of it), so that ticks
        do not always hit the same place."""

    def resume(self) -> None: ...

    def pause(self) -> None: ...

    def stop(self) -> None: ...

    def total(self) -> int | None:
        """What was counted so far, started or not, in the terms of ``gives``; None where the process's own clocks say
        it: of CPU time."""

    def helper_cpu_ns(self) -> int:
        """CPU the source itself spent in threads of this process so far."""

    def samples(self) -> RawSamples: ...

    def clear(self) -> None: ...

    def close(self) -> None: ...
