"""What is counted: costs, profiles and reports carry it with them."""

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
    """One of ``TIMES``, and then costs are shown as times of any size; or one of what is counted: ``sample``."""
    noun: str
    """What the width of a box means: ``CPU time per iteration``, ``samples``."""
    exact: bool = False
    """Every one was counted. Otherwise samples say which part of the whole belongs where."""
    better: Better = Better.LESS
    scale: int = 1
    """A power of ten. Of what is counted and gated 1,000, so that its smallest cost is that of times, a nanosecond."""

    @property
    def timed(self) -> bool:
        return self.unit in TIMES

    @property
    def unit_name(self) -> str:
        """What a count of it is said to be of: ``ms``, ``samples``."""
        return self.unit if self.timed else f"{self.unit}s"

    def picoseconds(self, cost: float) -> float:
        """Of a time."""
        return cost * TIMES[self.unit] / self.scale

    def at_scale(self, scale: int) -> Metric:
        return replace(self, scale=scale)


CPU: Final = Metric("cpu", "ps", "CPU time per iteration")
FIRST_CALL: Final = Metric("first-call", "ps", "CPU time of the first call")
"""Of the body, in a process that has not called it before."""
PROGRAM_CPU: Final = Metric("cpu", "ps", "CPU time")
"""Of a whole program."""
SAMPLES: Final = Metric("samples", "sample", "samples", scale=1000)
SAMPLE_COUNT: Final = Metric("sample count", "sample", "samples", exact=True)
"""How many samples a cost is of, whatever the cost is."""

GATED: Final[dict[str, Metric]] = {metric.name: metric for metric in (CPU, FIRST_CALL)}
"""What tests can be gated on, by name; ``measure.metrics`` knows how each is measured."""


def gated(name: str) -> Metric:
    """Raises ``UsageError`` for a name that nothing here measures."""
    if name not in GATED:
        raise UsageError(
            f"no metric is called {name!r} here",
            why=f"known: {', '.join(GATED)}; others are added by plugins and conftest files",
            fix="run where the plugin or conftest file is loaded that adds it",
        )
    return GATED[name]


def metric_of(unit: str, scale: int = 1) -> Metric:
    """What a file counts that says ``ns``, ``bytes``, ``cycles``; samples where it says nothing."""
    if unit in TIMES:
        return Metric("time", unit, "time", scale=scale)
    noun = unit.removesuffix("s") or SAMPLES.unit
    return Metric(f"{noun}s", noun, f"{noun}s", scale=scale)
