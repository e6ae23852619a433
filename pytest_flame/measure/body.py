"""Calls a test's body repeatedly, plain or coroutine, so that the sampler can cut stacks at it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from itertools import repeat
from types import CodeType
from typing import Any, Final

from pytest_flame.measure.rounds import Step, StepKind
from pytest_flame.sampling.meter import Meter

Function = Callable[..., Any]


def call_n(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], turns: Iterator[None]) -> None:
    for _ in turns:
        function(*args, **kwargs)


async def await_n(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], turns: Iterator[None]) -> None:
    for _ in turns:
        await function(*args, **kwargs)


def run_item(runtest: Callable[[], None]) -> None:
    """Outermost frame of a measured item: what an event loop runs next to the body is cut here."""
    runtest()


STOPS: Final[tuple[CodeType, ...]] = (call_n.__code__, await_n.__code__, run_item.__code__)


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
            call_n(body if step.kind is StepKind.BODY else empty, args, kwargs, step.turns)

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
        meter.enter()
        call_n(body, args, kwargs, repeat(None, 1))
        meter.leave()

    return timed_call
