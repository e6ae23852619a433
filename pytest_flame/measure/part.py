"""The fixture ``flame`` inside a worker: decides which part of the body is measured."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import ParamSpec, TypeVar

from pytest_flame.errors import UsageError
from pytest_flame.measure.body import call_n, empty
from pytest_flame.measure.rounds import Step, StepKind
from pytest_flame.sampling.meter import Meter

P = ParamSpec("P")
R = TypeVar("R")


class MeasuredPart:
    """The body's first call shows how the test uses it."""

    def __init__(self, meter: Meter, steps: Callable[[], Iterator[Step]]) -> None:
        self._meter = meter
        self._steps = steps
        self.called = False
        self.entered = False
        self.raised: BaseException | None = None
        """What the measured function raised; a test that expects it still passes."""

    def __call__(self, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        if self.called:
            raise UsageError(
                "flame(...) is called twice in one test",
                why="one test has one measurement",
                fix="split the test, or measure both parts with `with flame:`",
            )
        if self.entered:
            raise UsageError("one test uses both flame(...) and `with flame:`", fix="keep one of them")
        if inspect.iscoroutinefunction(func):
            raise UsageError(
                "flame(...) was given a coroutine function, which it would never await",
                fix="use `with flame:` and `await` the call inside it",
            )
        self.called = True
        self._meter.abandon()
        try:
            for step in self._steps():
                call_n(func if step.kind is StepKind.BODY else empty, args, kwargs, step.turns)
        except BaseException as e:
            self.raised = e
            raise
        return func(*args, **kwargs)

    def __enter__(self) -> MeasuredPart:
        if self.called:
            raise UsageError("one test uses both flame(...) and `with flame:`", fix="keep one of them")
        self.entered = True
        self._meter.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._meter.leave()
