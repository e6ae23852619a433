"""Shows asyncio tasks where they were created, as ``await`` reads, and not where the event loop runs them.

While it is installed, every coroutine that becomes a task is stepped by a function whose code object represents the
stack that created the task: ``main`` → ``gather`` → ``fetch`` is sampled as ``…;[event loop];[task 3];fetch``, and
``[task 3]`` is replaced by the creating stack when samples are named. The signal handler is not involved. There is
one code object for each distinct creating stack, not for each task.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import sys
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any, Final

from pytest_flame.model import Frame, Stack
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.profile_source import RawFrame

_FILE: Final = "<asyncio task>"
"""The pseudo-file of the code objects that represent stacks."""
_PLUMBING: Final = (str(Path(asyncio.__file__).parent), __file__)
_DEEPEST: Final = 256
"""The number of frames of a creating stack that are kept, the innermost ones."""

TaskStep = Callable[[Callable[..., Any], tuple[Any, ...]], Any]


@dataclass(frozen=True, slots=True, eq=False)
class CreationSite:
    """Where tasks were created: the frames since their creator's own first step, root first."""

    number: int
    creator: CreationSite | None
    codes: tuple[CodeType, ...]
    ids: tuple[int, ...]
    step: TaskStep


class TaskStitcher:
    def __init__(self) -> None:
        self._origins: list[CreationSite] = []
        self._known: dict[tuple[int, tuple[int, ...]], CreationSite] = {}
        self._by_code: dict[int, CreationSite] = {}
        self._replaced: list[tuple[Any, Any, Any]] = []

    def install(self) -> None:
        """For every existing and future event loop; uvloop's if it is already imported."""
        loops: list[Any] = [asyncio.base_events.BaseEventLoop]
        if "uvloop" in sys.modules:
            loops.append(sys.modules["uvloop"].Loop)
        for loop in loops:
            original = loop.create_task
            replacement = self._replacement(original)
            loop.create_task = replacement
            self._replaced.append((loop, original, replacement))

    def remove(self) -> None:
        """Running tasks keep their step function: it costs a function call."""
        for loop, original, replacement in self._replaced:
            if loop.create_task is replacement:
                loop.create_task = original
        self._replaced.clear()

    def expander(self, namer: FrameNamer) -> Callable[[Stack], Stack]:
        """From a sampled stack to the one it represents."""
        chains: dict[Frame, Stack] = {}
        for origin in self._origins:
            codes = (RawFrame(c.co_qualname, c.co_filename, c.co_firstlineno) for c in origin.codes)
            above = chains[self._frame(origin.creator, namer)] if origin.creator else ()
            chains[self._frame(origin, namer)] = (*above, *(namer.frame(code) for code in codes))

        def expand(stack: Stack) -> Stack:
            for depth in range(len(stack) - 1, -1, -1):
                chain = chains.get(stack[depth])
                if chain is not None:
                    return (*chain, *stack[depth + 1 :])
            return stack

        return expand

    def _frame(self, origin: CreationSite, namer: FrameNamer) -> Frame:
        return namer.frame(RawFrame(_name(origin.number), _FILE, 1))

    def _replacement(self, original: Any) -> Any:
        def create_task(loop: Any, coro: Any, **kwargs: Any) -> Any:
            if asyncio.iscoroutine(coro) and not isinstance(coro, _Stitched):
                coro = _Stitched(coro, self._origin(sys._getframe(1)).step)
            return original(loop, coro, **kwargs)

        return create_task

    def _origin(self, frame: FrameType | None) -> CreationSite:
        codes: list[CodeType] = []
        creator: CreationSite | None = None
        while frame is not None and len(codes) < _DEEPEST:
            code = frame.f_code
            creator = self._by_code.get(id(code))
            if creator is not None:
                break
            if codes or not code.co_filename.startswith(_PLUMBING):
                codes.append(code)
            frame = frame.f_back
        codes.reverse()
        ids = tuple(map(id, codes))  # equal code is not the same function; an origin keeps its code alive
        # A task that starts its own successor would make an endless chain: the same step is treated as the same place.
        ancestor = creator
        while ancestor is not None:
            if ancestor.ids == ids:
                return ancestor
            ancestor = ancestor.creator
        key = creator.number if creator else -1, ids
        if key not in self._known:
            self._known[key] = self._add(creator, tuple(codes), ids)
        return self._known[key]

    def _add(self, creator: CreationSite | None, codes: tuple[CodeType, ...], ids: tuple[int, ...]) -> CreationSite:
        number = len(self._origins)
        name = _name(number)
        code = _step.__code__.replace(co_name=name, co_qualname=name, co_filename=_FILE, co_firstlineno=1)
        origin = CreationSite(number, creator, codes, ids, FunctionType(code, {}))
        self._origins.append(origin)
        self._by_code[id(code)] = origin
        return origin


def _name(number: int) -> str:
    return f"[task {number}]"


def _step(method: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    return method(*args)


class _Stitched(Coroutine[Any, Any, Any]):
    """A coroutine that is stepped below a frame of ours; everything else is delegated to the original."""

    __slots__ = ("__weakref__", "_close", "_coro", "_send", "_step", "_throw")

    def __init__(self, coro: Any, step: TaskStep) -> None:
        self._coro = coro
        self._step = step
        self._send, self._throw, self._close = coro.send, coro.throw, coro.close

    def send(self, value: Any) -> Any:
        return self._step(self._send, (value,))

    def throw(self, kind: Any, value: BaseException | object = None, traceback: TracebackType | None = None, /) -> Any:
        args = (kind,) if value is None and traceback is None else (kind, value, traceback)
        return self._step(self._throw, args)

    def close(self) -> None:
        self._close()

    def __await__(self) -> Generator[Any, Any, Any]:
        awaiting: Generator[Any, Any, Any] = self._coro.__await__()
        return awaiting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coro, name)

    def __repr__(self) -> str:
        return repr(self._coro)
