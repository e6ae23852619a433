"""The fixture ``flame``: measure only a part of a test."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final, ParamSpec, Protocol, TypeVar

import pytest

P = ParamSpec("P")
R = TypeVar("R")


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


FLAME_KEY: Final = pytest.StashKey[Flame]()
"""Where a measured item keeps its test's ``flame``."""


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
