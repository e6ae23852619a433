"""The fixtures that say which part of a test is measured: ``flame``, and ``benchmark`` of existing suites."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, ParamSpec, Protocol, TypeVar

import pytest

P = ParamSpec("P")
R = TypeVar("R")

BENCHMARK: Final = ("benchmark", "codspeed_benchmark")
"""Fixtures and marks of pytest-benchmark and pytest-codspeed."""
_PROVIDERS: Final = ("pytest_flame", "pytest_benchmark", "pytest_codspeed")


class Flame(Protocol):
    """The fixture ``flame`` as a test sees it.

    ``flame(func, *args, **kwargs)`` measures ``func`` and returns its result: the body runs once, ``func`` many
    times. ``with flame:`` measures a block: the body runs many times, only the block counts.
    """

    def __call__(self, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def __enter__(self) -> Flame: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Part(Flame, Protocol):
    """The part of a body that is measured, as both fixtures see it."""

    def repeat(self, call: Callable[[], object]) -> None:
        """Calls it as often as the measurement needs; outside one, never."""

    def repeat_cycles(self, cycle: Callable[[Callable[[Callable[[], object]], object]], object]) -> None:
        """Calls ``cycle(measured)`` as often as the measurement needs, where only ``measured(call)`` counts."""

    def once(self, call: Callable[[], R]) -> R:
        """Calls it once in each execution of the body; only this counts."""


FLAME_KEY: Final = pytest.StashKey[Part]()
"""Where a measured item keeps the part of its body that is measured."""


class PassThrough:
    """Outside a measurement: only calls the function."""

    def __call__(self, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return func(*args, **kwargs)

    def __enter__(self) -> PassThrough:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def repeat(self, call: Callable[[], object]) -> None:
        pass

    def repeat_cycles(self, cycle: Callable[[Callable[[Callable[[], object]], object]], object]) -> None:
        pass

    def once(self, call: Callable[[], R]) -> R:
        return call()


def part_of(item: Any) -> Part:
    return item.stash.get(FLAME_KEY, None) or PassThrough()


def bound(func: Callable[..., R], args: Sequence[Any], kwargs: dict[str, Any]) -> Callable[[], R]:
    """Without arguments of its own: a loop that unpacks them costs more than many functions that are measured."""
    return functools.partial(func, *args, **kwargs) if args or kwargs else func


def part_fixture(item: pytest.Item) -> str | None:
    """The fixture by which a test says which part of it is measured; None: all of it."""
    if "flame" in getattr(item, "fixturenames", ()):
        return "flame"
    return next((name for name in BENCHMARK if _is_requested(item, name)), None)


def is_benchmark(item: pytest.Item) -> bool:
    """Whether it belongs to a suite of pytest-benchmark or pytest-codspeed."""
    marked = any(item.get_closest_marker(name) is not None for name in BENCHMARK)
    return marked or any(_is_requested(item, name) for name in BENCHMARK)


def _is_requested(item: pytest.Item, name: str) -> bool:
    """Directly, or through fixtures of the project that wrap it; one that only has the same name does not count."""
    info = getattr(item, "_fixtureinfo", None)
    definitions = () if info is None else info.name2fixturedefs.get(name, ())
    for definition in reversed(definitions):
        if definition.func.__module__.partition(".")[0] in _PROVIDERS:
            return True
        if name not in definition.argnames:
            return False
    return False
