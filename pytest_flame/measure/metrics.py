"""How each metric that tests can be gated on is measured.

To add one, write a source of its profiles and call ``gate_on`` in a plugin or conftest file: workers load them too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pytest_flame.errors import UsageError
from pytest_flame.exact.call_source import CallSource
from pytest_flame.measure.job import Job
from pytest_flame.model import CALLS, CPU, FIRST_CALL, GATED, Better, Metric, gated
from pytest_flame.sampling.ladder import open_sampler
from pytest_flame.sampling.profile_source import ProfileSource

Open = Callable[[Job], ProfileSource]
"""Called in the worker before the test's fixtures are set up."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """What measures a metric. ``once``: a process calls the body a single time, and that call is what counts."""

    open: Open
    once: bool = False


def _sampler(job: Job) -> ProfileSource:
    return open_sampler(job.sampler, job.frequency_hz, kernel_frames=job.kernel_frames, native_frames=job.native_frames)


def _calls(job: Job) -> ProfileSource:
    return CallSource(job.provenance.tree if job.provenance else job.root)


_INSTRUMENTS: Final = {
    CPU.name: Instrument(_sampler),
    FIRST_CALL.name: Instrument(_sampler, once=True),
    CALLS.name: Instrument(_calls),
}


def gate_on(metric: Metric, source: Open, *, once: bool = False) -> None:
    """``@pytest.mark.flame(metric=NAME)`` judges tests by ``metric`` from now on.

    A second call with the same name replaces the first.

    Raises ``UsageError`` for a metric of which more is better: a test fails where its cost grew.
    """
    if metric.better is Better.MORE:
        raise UsageError(
            f"tests can't be gated on {metric.name}",
            why="more of it is better, and a test fails where its cost grew",
            fix="count what is lost instead",
        )
    GATED[metric.name] = metric
    _INSTRUMENTS[metric.name] = Instrument(source, once)


def instrument(name: str) -> Instrument:
    """Raises ``UsageError`` as ``model.gated`` does."""
    return _INSTRUMENTS[gated(name).name]
