"""Calls as costs: a source that counts them where samplers look for CPU time."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Sequence
from types import CodeType
from typing import Final

from pytest_flame._exact import Tracer
from pytest_flame.errors import FlameError
from pytest_flame.exact.harness import Harness
from pytest_flame.model import CALLS, SampleCounts, SamplerInfo
from pytest_flame.sampling.profile_source import RawFrame, RawSamples, RawStack

_OUTSIDE: Final = -1
_Callable = CodeType | tuple[str, str]


class CallSource:
    """Counts the calls of all Python and C functions, in all threads, from its making until it is closed.

    Stacks are the calls that were running below a stop, or in another thread. What the harness itself calls does not
    count.

    Raises ``RuntimeError`` if another profiler is active.
    """

    gives = CALLS
    info = SamplerInfo("tracer", "calls", kernel=False, frequency_hz=1000)

    def __init__(self, tree: str) -> None:
        """``tree`` is the project's folder."""
        self._harness = Harness(tree)
        self._own: list[bool] = []
        """One for each callable: whether it is the harness's."""
        self._measured: list[bool] = []
        """One for each path: whether its calls count."""
        self._stops: tuple[object, ...] = ()
        self._began: Counter[int] = Counter()
        self._sampled: Counter[int] = Counter()
        """Path → calls."""
        self._tracer = Tracer(by_path=True)
        self._tracer.phase(0)
        self._tracer.start()
        if sys.version_info < (3, 12):
            threading.setprofile(self._tracer.thread)

    def set_stops(self, codes: tuple[object, ...]) -> None:
        self._stops = codes

    def start(self, period_ns: int, seed: int = 0) -> None:
        """Every call counts, whatever the period."""

    def resume(self) -> None:
        self._began = self._calls()

    def pause(self) -> None:
        self._sampled += self._calls() - self._began

    def stop(self) -> None:
        """It counts until it is closed: rounds without samples have a total, too."""

    def total(self) -> int:
        return self._calls().total() * CALLS.scale

    def helper_cpu_ns(self) -> int:
        return 0

    def samples(self) -> RawSamples:
        """Raises ``FlameError`` if the tracer was replaced, ``MemoryError`` if calls could not be kept."""
        threads = sys.version_info >= (3, 12) or threading.getprofile() == self._tracer.thread
        if not (self._tracer.intact and threads):
            raise FlameError(
                "the calls of this test are not known: it replaced the tracer that counts them",
                fix="don't call sys.setprofile, threading.setprofile or sys.monitoring in it, or use metric='cpu'",
            )
        callables, paths = self._tracer.read_paths()
        stacks = []
        for path, count in sorted(self._sampled.items()):
            frames = []
            while path != _OUTSIDE and not self._own[paths[path][1]]:
                frames.append(_raw(callables[paths[path][1]]))
                path = paths[path][0]
            stacks.append(RawStack(tuple(reversed(frames)), cut=True, count=count, weight_ns=count * CALLS.scale))
        return RawSamples(tuple(stacks), SampleCounts(), sum(stack.weight_ns for stack in stacks))

    def clear(self) -> None:
        self._sampled.clear()

    def close(self) -> None:
        self._tracer.stop()
        if sys.version_info < (3, 12) and threading.getprofile() == self._tracer.thread:
            threading.setprofile(None)

    def _calls(self) -> Counter[int]:
        """Those of each path so far."""
        callables, paths = self._tracer.read_paths()
        for callable in callables[len(self._own) :]:
            filename = callable.co_filename if isinstance(callable, CodeType) else None
            self._own.append(filename is not None and self._harness.distribution(filename) is not None)
        for caller, callee, _ in paths[len(self._measured) :]:
            self._measured.append(not self._own[callee] and self._is_measured(caller, callee, paths, callables))
        return Counter(
            {path: paths[path][2] for path, counts in enumerate(self._measured) if counts and paths[path][2]}
        )

    def _is_measured(
        self, caller: int, callee: int, paths: Sequence[tuple[int, int, int]], callables: Sequence[_Callable]
    ) -> bool:
        if caller == _OUTSIDE:
            return True
        by = paths[caller][1]
        if self._own[by]:
            return callables[by] in self._stops and isinstance(callables[callee], CodeType)
        return self._measured[caller]


def _raw(callable: _Callable) -> RawFrame:
    if isinstance(callable, CodeType):
        return RawFrame(callable.co_qualname, callable.co_filename, callable.co_firstlineno)
    module, qualname = callable
    return RawFrame(qualname, "", 0, library=f"[{module}]")
