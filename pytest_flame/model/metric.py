"""What is measured: every cost, profile and report carries its metric."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from pytest_flame.errors import UsageError

TIMES: Final[Mapping[str, int]] = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, "s": 10**12}
"""Units of time, in picoseconds."""


class Better(enum.Enum):
    LESS = "less"
    MORE = "more"


@dataclass(frozen=True, slots=True)
class Metric:
    """Costs of a metric are whole numbers of ``1/scale`` units: a sum can be split without losing a part."""

    name: str
    """In markers, results and baselines: ``cpu``, ``samples``."""
    unit: str
    """One of ``TIMES``, or the singular of what is counted: ``sample``. Times are shown in whatever unit fits."""
    noun: str
    """What the width of a box means: ``CPU time per iteration``, ``samples``."""
    exact: bool = False
    """Every event was counted. Otherwise samples distribute the total over the stacks."""
    better: Better = Better.LESS
    scale: int = 1
    """A power of ten; 1,000 for counts that tests are gated on, so that one event is as small as a nanosecond."""

    @property
    def timed(self) -> bool:
        return self.unit in TIMES

    @property
    def unit_name(self) -> str:
        """The unit in messages: ``ms``, ``samples``."""
        return self.unit if self.timed else f"{self.unit}s"

    def picoseconds(self, cost: float) -> float:
        """Raises ``KeyError`` for a metric that is not a time."""
        return cost * TIMES[self.unit] / self.scale

    def at_scale(self, scale: int) -> Metric:
        return replace(self, scale=scale)


CPU: Final = Metric("cpu", "ps", "CPU time per iteration")
FIRST_CALL: Final = Metric("first-call", "ps", "CPU time of the first call")
"""Of the body, in a process that has not called it before."""
CALLS: Final = Metric("calls", "call", "calls per iteration", exact=True, scale=1000)
"""Of Python and C functions, in all threads."""
PROGRAM_CPU: Final = Metric("cpu", "ps", "CPU time")
"""Of a whole program."""
SAMPLES: Final = Metric("samples", "sample", "samples", scale=1000)
SAMPLE_COUNT: Final = Metric("sample count", "sample", "samples", exact=True)
"""The number of samples behind a cost of another metric."""

GATED: Final[dict[str, Metric]] = {metric.name: metric for metric in (CPU, FIRST_CALL, CALLS)}
"""What tests can be gated on, by name; ``measure.metrics`` knows how each is measured."""


def gated(name: str) -> Metric:
    """The metric of that name. Raises ``UsageError`` if none is registered."""
    if name not in GATED:
        raise UsageError(
            f"no metric is called {name!r} here",
            why=f"known: {', '.join(GATED)}; others are added by plugins and conftest files",
            fix="run where the plugin or conftest file is loaded that adds it",
        )
    return GATED[name]


def metric_of(unit: str, scale: int = 1) -> Metric:
    """The metric of a file with the unit ``ns``, ``bytes``, ``cycles``; samples if it states none."""
    if unit in TIMES:
        return Metric("time", unit, "time", scale=scale)
    noun = unit.removesuffix("s") or SAMPLES.unit
    return Metric(f"{noun}s", noun, f"{noun}s", scale=scale)
