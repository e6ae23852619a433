"""What measuring needs of a source of profiles, whatever it counts, and the form in which it gives them."""

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
    """Of a native function, whose symbol then is ``qualname``; ``kernel`` for a function of the kernel."""


NATIVE_THREAD = RawFrame("[native thread]", "", 0)
TRUNCATED = RawFrame("[truncated]", "", 0)
IN_KERNEL = RawFrame("[still in the kernel]", "", 0)


@dataclass(frozen=True, slots=True)
class RawStack:
    """Samples of one stack, root first. ``cut`` says it ended at a stop; others are whole threads. No frames: the
    source knows no place, and the body is meant."""

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
    """Of the same samples, as far as the sampler knows lines; those of no Python function have none."""


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
        """``seed`` decides how much of the first period passes before the first tick (0: all of it), so that ticks
        fall on no fixed place of what is measured."""

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
