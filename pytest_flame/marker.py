"""The marker: which tests have it, and the settings that its arguments give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_flame.config import Settings
from pytest_flame.errors import UsageError
from pytest_flame.fixture import is_benchmark
from pytest_flame.quantities import parse_duration, parse_percent
from pytest_flame.values import parse_processes

if TYPE_CHECKING:
    from pytest_flame.model import Limits, Metric

MARKER: Final = "flame"
MARKER_HELP: Final = (
    "flame(threshold='5%', frame_threshold='2%', processes=20, min_time='10s', fresh=False, metric='cpu'): "
    "measure this test with --flame and fail it if it got slower than its baseline"
)


@dataclass(frozen=True, slots=True)
class TestSettings:
    """The settings of one test: the marker's where given, otherwise the run's."""

    __test__ = False

    limits: Limits
    processes: int
    processes_given: bool
    time_s: float
    fresh: bool
    metric: Metric
    floor_s: float = 0.0
    """A test that costs less CPU is counted, and not timed."""


def _typed(kind: type | tuple[type, ...], value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError
    return value


ARGUMENTS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "threshold": ("a percentage such as '5%'", lambda v: parse_percent(_typed(str, v))),
    "frame_threshold": ("a percentage such as '2%'", lambda v: parse_percent(_typed(str, v))),
    "processes": ("a whole number, 3 or more", lambda v: parse_processes(str(_typed(int, v)))),
    "min_time": ("seconds or a duration such as '10s'", lambda v: parse_duration(str(_typed((str, int, float), v)))),
    "fresh": ("True or False", lambda v: _typed(bool, v)),
    "metric": ("a metric's name", lambda v: _typed(str, v)),
}


def is_marked(item: pytest.Item) -> bool:
    if item.get_closest_marker(MARKER) is not None or "flame" in getattr(item, "fixturenames", ()):
        return True
    return bool(item.config.getini("flame_benchmarks")) and is_benchmark(item)


def is_gated(item: pytest.Item, settings: Settings) -> bool:
    """Whether the run measures it."""
    return is_marked(item) or (settings.all_tests and isinstance(item, pytest.Function))


def test_settings(item: pytest.Item, settings: Settings) -> TestSettings:
    """The marker closest to the test wins, argument by argument. Raises ``UsageError`` naming argument and test."""
    from pytest_flame.model import CPU, Limits  # imported late: every pytest run imports this module

    values: dict[str, Any] = {}
    for marker in item.iter_markers(MARKER):
        if marker.args:
            raise UsageError(
                f"{item.nodeid}: @pytest.mark.flame takes keyword arguments only, got {marker.args[0]!r}",
                fix="@pytest.mark.flame(threshold='5%')",
            )
        for name, value in marker.kwargs.items():
            if name not in ARGUMENTS:
                raise UsageError(
                    f"{item.nodeid}: @pytest.mark.flame has no argument {name!r}",
                    fix=f"known arguments: {', '.join(ARGUMENTS)}",
                )
            expects, parse = ARGUMENTS[name]
            try:
                parsed = parse(value)
            except ValueError as e:
                raise UsageError(f"{item.nodeid}: @pytest.mark.flame({name}={value!r}): expected {expects}") from e
            values.setdefault(name, parsed)
    limits = settings.limits
    return TestSettings(
        limits=Limits(
            values.get("threshold", limits.threshold),
            values.get("frame_threshold", limits.frame_threshold),
            limits.alpha,
        ),
        processes=values.get("processes", settings.processes),
        processes_given=settings.processes_given or "processes" in values,
        time_s=values.get("min_time", settings.time_s),
        # A test without a mark was not written to be repeated.
        fresh=values.get("fresh", not is_marked(item)),
        metric=_metric(item, values.get("metric", CPU.name)),
        floor_s=0.0 if is_marked(item) else settings.floor_s,
    )


def _metric(item: pytest.Item, name: str) -> Metric:
    from pytest_flame.model import GATED

    if name not in GATED:
        known = " or ".join(map(repr, GATED))
        raise UsageError(f"{item.nodeid}: @pytest.mark.flame(metric={name!r}): expected {known}")
    return GATED[name]
