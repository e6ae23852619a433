"""The fixtures ``flame`` and ``benchmark`` inside a worker: decides which part of the body is measured."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import ParamSpec, Protocol, TypeVar

from pytest_flame.errors import UsageError
from pytest_flame.fixture import bound
from pytest_flame.measure.body import call_each, call_once, pass_each
from pytest_flame.measure.rounds import Step, StepKind
from pytest_flame.sampling.meter import Meter

P = ParamSpec("P")
R = TypeVar("R")


class Steps(Protocol):
    def __call__(self, *, regions: bool) -> Iterator[Step]: ...


class MeasuredPart:
    """The body's first call shows how the test uses it."""

    def __init__(
        self, meter: Meter, steps: Steps, settle: Callable[[], object] = lambda: None, fixture: str = "flame"
    ) -> None:
        """``settle`` is called before the function of ``flame(...)`` is; ``fixture`` is the name the test knows."""
        self._meter = meter
        self._steps = steps
        self._settle = settle
        self._name = fixture
        self.called = False
        self.entered = False
        self.raised: BaseException | None = None
        """What the measured function raised; a test that expects it still passes."""

    def __call__(self, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        if inspect.iscoroutinefunction(func):
            raise UsageError(
                "flame(...) was given a coroutine function, which it would never await",
                fix="use `with flame:` and `await` the call inside it",
            )
        self.repeat(bound(func, args, kwargs))
        return func(*args, **kwargs)

    def repeat(self, call: Callable[[], object]) -> None:
        with self._alone():
            for step in self._steps(regions=False):
                if step.kind is StepKind.BODY:
                    call_each(call, step.turns)
                else:
                    pass_each(step.turns)

    def repeat_cycles(self, cycle: Callable[[Callable[[Callable[[], object]], object]], object]) -> None:
        with self._alone():
            for step in self._steps(regions=True):
                for _ in step.turns:
                    cycle(self._region)

    def once(self, call: Callable[[], R]) -> R:
        with self:
            return call_once(call)

    def _region(self, call: Callable[[], object]) -> object:
        self._meter.enter()
        try:
            return call_once(call)
        finally:
            self._meter.leave()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Measures inside one execution of the body."""
        if self.called:
            raise UsageError(
                f"{self._name}(...) is called twice in one test",
                why="one test has one measurement",
                fix="split the test, or measure both parts with the fixture flame and `with flame:`",
            )
        if self.entered:
            raise UsageError("one test uses both flame(...) and `with flame:`", fix="keep one of them")
        self.called = True
        self._meter.abandon()
        self._settle()
        try:
            yield
        except BaseException as e:
            self.raised = e
            raise

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
