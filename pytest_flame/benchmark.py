"""The fixture ``benchmark``: the interface of pytest-benchmark and pytest-codspeed over the measurement of this plugin.

What is given to it is measured, and nothing around it. How often it is called is up to the measurement.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from pytest_flame import clocks
from pytest_flame.fixture import Part, bound

R = TypeVar("R")

_NS_PER_S = 1_000_000_000


class OneCall:
    """``benchmark.stats``: the statistics of pytest-benchmark, in seconds of wall time, over one call."""

    iterations = rounds = 1
    stddev = iqr = 0.0
    stddev_outliers = iqr_outliers = 0
    outliers = "0;0"

    def __init__(self, seconds: float) -> None:
        self.data = [seconds]
        self.min = self.max = self.mean = self.median = self.total = seconds
        self.q1 = self.q3 = self.ld15iqr = self.hd15iqr = seconds
        self.ops = 1 / seconds
        self.stats = self

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)


class Benchmark:
    """The fixture as a test sees it. What the call with the result took is in ``stats``; the verdict is this plugin's
    own and does not depend on it."""

    enabled = True
    disabled = False

    def __init__(
        self, part: Part, name: str, fullname: str, group: str | None, params: Mapping[str, Any] | None
    ) -> None:
        self._part = part
        self._rollbacks: list[Callable[[], object]] = []
        self.name = name
        self.fullname = fullname
        self.group = group
        self.params = params
        self.param = name.partition("[")[2].removesuffix("]") if params is not None else None
        self.extra_info: dict[str, Any] = {}
        self.stats: OneCall | None = None
        self.skipped = False
        self.has_error = False

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """pytest-benchmark looks at each report whether the fixture is its own."""
        theirs = sys.modules.get("pytest_benchmark.fixture")
        return Benchmark if theirs is None else theirs.BenchmarkFixture

    def __call__(self, function_to_benchmark: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """Measures the function and returns the result of one more call. For a coroutine function, what it returns has
        to be awaited, and measures one call in each execution of the test."""
        if inspect.iscoroutinefunction(function_to_benchmark):
            return self._awaited(function_to_benchmark(*args, **kwargs))  # type: ignore[return-value]
        call = bound(function_to_benchmark, args, kwargs)
        self._part.repeat(call)
        return self._timed(call)

    def pedantic(
        self,
        target: Callable[..., R],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
        setup: Callable[..., Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        rounds: int = 1,
        warmup_rounds: int = 0,
        iterations: int = 1,
    ) -> R:
        """Like a call, with ``setup`` before and ``teardown`` after each one; neither counts. With one round of one
        iteration, the target is called once in each execution of the test."""
        named = kwargs or {}
        for what, value, least in (
            ("iterations", iterations, 1),
            ("rounds", rounds, 1),
            ("warmup_rounds", warmup_rounds, 0),
        ):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"benchmark.pedantic({what}={value!r}): expected a whole number, {least} or more")
        if setup is not None and iterations > 1:
            raise ValueError(f"benchmark.pedantic(iterations={iterations}) has a setup, which comes before each call")
        if inspect.iscoroutinefunction(target):
            if setup is not None or teardown is not None:
                raise TypeError("benchmark.pedantic(...) was given a coroutine function and a setup or teardown")
            return self._awaited(target(*args, **named))  # type: ignore[return-value]

        def cycle(measured: Callable[[Callable[[], R]], R]) -> R:
            now, now_named = (args, named) if setup is None else _set_up(setup, args, named)
            result = measured(bound(target, now, now_named))
            if teardown is not None:
                teardown(*now, **now_named)
            return result

        if rounds == iterations == 1:
            return cycle(lambda call: self._timed(lambda: self._part.once(call)))
        if setup is None and teardown is None:
            self._part.repeat(bound(target, args, named))
        else:
            self._part.repeat_cycles(cycle)  # type: ignore[arg-type]
        return cycle(self._timed)

    def weave(self, target: Any, **options: Any) -> None:
        """Measures the function ``target`` wherever the test calls it, until the test ends."""
        try:
            aspectlib = importlib.import_module("aspectlib")
        except ImportError as e:
            raise ImportError("benchmark.weave needs aspectlib: pip install aspectlib") from e

        def aspect(function: Callable[..., Any]) -> Callable[..., Any]:
            def measured(*args: Any, **kwargs: Any) -> Any:
                return self(function, *args, **kwargs)

            return measured

        self._rollbacks.append(aspectlib.weave(target, aspect, **options).rollback)

    patch = weave

    def roll_back(self) -> None:
        """Undoes ``weave``."""
        while self._rollbacks:
            self._rollbacks.pop()()

    def _timed(self, call: Callable[[], R]) -> R:
        began = clocks.monotonic_ns()
        result = call()
        self._note(began)
        return result

    async def _awaited(self, coroutine: Coroutine[Any, Any, R]) -> R:
        began = clocks.monotonic_ns()
        with self._part:
            result = await coroutine
        self._note(began)
        return result

    def _note(self, began_ns: int) -> None:
        self.stats = OneCall(max(1, clocks.monotonic_ns() - began_ns) / _NS_PER_S)


def _set_up(setup: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """The arguments for the next call. A setup takes none in pytest-benchmark, and the target's in pytest-codspeed."""
    try:
        inspect.signature(setup).bind()
    except TypeError:
        made = setup(*args, **kwargs)
    except ValueError:  # a builtin without a signature
        made = setup()
    else:
        made = setup()
    if not made:
        return args, kwargs
    if args or kwargs:
        raise TypeError("benchmark.pedantic(...) has arguments, and a setup that returns others")
    now, named = made
    return now, named
