"""Calls a test's body repeatedly, plain or coroutine, so that the sampler can cut stacks at it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from itertools import repeat
from types import CodeType
from typing import Any, Final, TypeVar

import pytest
from _pytest.runner import call_and_report

from pytest_flame.errors import FlameError
from pytest_flame.fixture import bound
from pytest_flame.measure.rounds import Step, StepKind
from pytest_flame.sampling.meter import Meter

Function = Callable[..., Any]
R = TypeVar("R")


def call_each(function: Callable[[], object], turns: Iterator[None]) -> None:
    for _ in turns:
        function()


def pass_each(turns: Iterator[None]) -> None:
    """What ``call_each`` costs besides its calls."""
    for _ in turns:
        pass


def call_once(function: Callable[[], R]) -> R:
    return function()


async def await_n(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], turns: Iterator[None]) -> None:
    for _ in turns:
        await function(*args, **kwargs)


def run_item(runtest: Callable[[], None]) -> None:
    """Outermost frame of a measured item: what an event loop runs next to the body is cut here."""
    runtest()


def run_body(item: pytest.Function, obj: Callable[..., Any]) -> pytest.TestReport:
    """The call phase, with ``obj`` in place of the test function."""
    original_obj, original_runtest = item.obj, item.runtest
    item.obj = obj
    instance = getattr(item, "instance", None)
    is_unittest = instance is not None and hasattr(item, "startTest")
    if is_unittest:
        setattr(instance, item.name, obj)  # pytest leaves coroutine methods to unittest, which looks them up here
    item.runtest = functools.partial(run_item, original_runtest)  # type: ignore[method-assign]
    try:
        return call_and_report(item, "call", log=False)
    finally:
        item.__dict__.pop("runtest", None)
        item.obj = original_obj


def written_in_python(item: pytest.Function) -> CodeType:
    """The code of a test without its decorators. Raises ``FlameError`` if it has none."""
    function: Any = inspect.unwrap(item.function)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        raise FlameError(f"{item.nodeid} is not written in Python: its body has no frame to measure")
    return code


STOPS: Final[tuple[CodeType, ...]] = tuple(function.__code__ for function in (call_each, await_n, call_once, run_item))


def empty(*args: Any, **kwargs: Any) -> None:
    pass


async def empty_coroutine(*args: Any, **kwargs: Any) -> None:
    pass


def repeated(body: Function, steps: Iterator[Step], first: Callable[[], object]) -> Function:
    """A function with the body's signature that runs all the steps in one call.

    ``first`` is called before the first step, inside the running event loop if there is one.
    """
    if inspect.iscoroutinefunction(body):

        @functools.wraps(body)
        async def drive_coroutine(*args: Any, **kwargs: Any) -> None:
            first()
            for step in steps:
                target = body if step.kind is StepKind.BODY else empty_coroutine
                await await_n(target, args, kwargs, step.turns)

        return drive_coroutine

    @functools.wraps(body)
    def drive(*args: Any, **kwargs: Any) -> None:
        first()
        for step in steps:
            call_each(bound(body if step.kind is StepKind.BODY else empty, args, kwargs), step.turns)

    return drive


def timed(body: Function, meter: Meter) -> Function:
    """The body; each call is one region of the meter (``fresh=True``)."""
    if inspect.iscoroutinefunction(body):

        @functools.wraps(body)
        async def timed_coroutine(*args: Any, **kwargs: Any) -> None:
            meter.enter()
            await await_n(body, args, kwargs, repeat(None, 1))
            meter.leave()

        return timed_coroutine

    @functools.wraps(body)
    def timed_call(*args: Any, **kwargs: Any) -> None:
        call = bound(body, args, kwargs)
        meter.enter()
        call_each(call, repeat(None, 1))
        meter.leave()

    return timed_call
