"""Which stacks a program can have: everything ``sys.setprofile`` sees of it, compared with what a sampler reports.

``workload`` runs the same calls each time. ``possible_stacks`` records every stack of it at every call and return;
a sampled stack that is not among them was misread.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import ctypes
import functools
import gc
import json
import re
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from types import CodeType, FrameType
from typing import Any

from pytest_flame.sampling.profile_source import ProfileSource, RawFrame, RawSamples, RawStack

Chain = tuple[RawFrame, ...]


def recursion(n: int = 15) -> int:
    return n if n < 2 else recursion(n - 1) + recursion(n - 2)


def first(n: int) -> int:
    return n if n < 2 else second(n - 1) + third(n - 2)


def second(n: int) -> int:
    return n if n < 2 else third(n - 1) + first(n - 2)


def third(n: int) -> int:
    return n if n < 2 else first(n - 1) + second(n - 2)


def mutual_recursion() -> None:
    """Each function calls the two others, so that an extra or missing frame is noticed."""
    first(15)


def deep_recursion(depth: int = 900) -> int:
    return 1 + deeper_recursion(depth - 1) if depth else recursion(3)


def deeper_recursion(depth: int) -> int:
    return 1 + deep_recursion(depth - 1) if depth else recursion(3)


def deepest() -> None:
    for _ in range(2):
        deep_recursion()


def counting(n: int) -> Generator[int, int | None, str]:
    for i in range(n):
        recursion(1)
        try:
            yield i
        except ValueError:
            recursion(2)
    return "end"


def delegating(n: int) -> Generator[int, int | None, str]:
    return (yield from counting(n))


def generators() -> None:
    for _ in range(60):
        sum(x * 2 for x in delegating(20))
        thrown = delegating(5)
        next(thrown)
        thrown.throw(ValueError)
        thrown.send(3)
        thrown.close()
        next(delegating(2))


def by_name(word: str) -> str:
    return word.upper()


def compare(a: int, b: int) -> int:
    return (a > b) - (a < b)


def replaced(match: re.Match[str]) -> str:
    return by_name(match[0])


def callbacks() -> None:
    words = [f"w{i * 7919 % 311}" for i in range(300)]
    for _ in range(12):
        sorted(words, key=by_name)
        sorted(words, key=lambda w: by_name(w)[::-1])
        sorted(range(150), key=functools.cmp_to_key(compare))
        functools.reduce(lambda a, w: a + len(by_name(w)), words, 0)
        list(map(by_name, filter(lambda w: "3" in w, words)))
        re.sub(r"\d+", replaced, " ".join(words))


class Failure(Exception):
    def __init__(self, depth: int) -> None:
        super().__init__(depth)


def failing(depth: int) -> None:
    try:
        if depth:
            failing(depth - 1)
        raise Failure(depth)
    finally:
        recursion(2)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    recursion(1)
    try:
        yield
    finally:
        recursion(2)


def exceptions() -> None:
    for _ in range(150):
        with contextlib.suppress(Failure), guarded():
            failing(12)


class Point:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self.x == other.x

    def __hash__(self) -> int:
        return hash(self.x)

    def __getattr__(self, name: str) -> int:
        return recursion(3)

    def __del__(self) -> None:
        recursion(1)

    @property
    def length(self) -> int:
        return self.x + self.y


def to_json(value: Any) -> Any:
    return [value.x, value.y] if isinstance(value, Point) else by_name(str(value))


def objects() -> None:
    for i in range(120):
        points = {Point(k, i) for k in range(12)}
        assert Point(3, i) in points
        for p in points:
            _ = p.length + p.missing
        made = type("Made", (Point,), {"area": property(lambda self: recursion(2))})(1, 2)
        _ = made.area


def documents() -> None:
    for _ in range(40):
        text = json.dumps({"points": [Point(i, i) for i in range(20)], "z": 1j}, default=to_json)
        json.loads(text, object_hook=lambda d: {by_name(k): v for k, v in d.items()})
        copy.deepcopy({"a": [1, {"b": (2, [3])}]})


def executed() -> None:
    for i in range(40):
        names: dict[str, Any] = {"recursion": recursion}
        exec(
            compile(
                f"class Inner:\n  v = recursion({i % 3 + 3})\ndef f():\n  return recursion(6)\nf()", "<made>", "exec"
            ),
            names,
        )
        eval("[recursion(4) for _ in range(3)]", names)


async def tick(n: int) -> int:
    for _ in range(n):
        await asyncio.sleep(0)
        recursion(4)
    return n


async def ticks(n: int) -> AsyncIterator[int]:
    for _ in range(n):
        yield await tick(1)


async def together() -> None:
    await asyncio.gather(*(tick(8) for _ in range(8)))
    assert sum([n async for n in ticks(20)]) == 20


def coroutines() -> None:
    for _ in range(6):
        asyncio.run(together())


COMPARE_C = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))


def compare_c(a: Any, b: Any) -> int:
    return compare(a[0], b[0])


def through_c() -> None:
    libc, callback = ctypes.CDLL(None), COMPARE_C(compare_c)
    for _ in range(4):
        numbers = (ctypes.c_int * 100)(*(i * 7919 % 101 for i in range(100)))
        libc.qsort(numbers, 100, ctypes.sizeof(ctypes.c_int), callback)


class Cycle:
    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        recursion(4)


def gone(reference: weakref.ref[Cycle]) -> None:
    recursion(3)


def collections() -> None:
    for _ in range(8):
        references = [weakref.ref(Cycle(), gone) for _ in range(20)]
        gc.collect(0)
        assert all(r() is None for r in references)


PIECES: tuple[Callable[[], Any], ...] = (
    mutual_recursion,
    deepest,
    generators,
    callbacks,
    exceptions,
    objects,
    documents,
    executed,
    through_c,
)


def in_thread() -> None:
    for piece in PIECES:
        piece()


def threads() -> None:
    workers = [threading.Thread(target=in_thread) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


ALL_PIECES: tuple[Callable[[], Any], ...] = (*PIECES, coroutines, collections, threads)


def workload(pieces: Sequence[Callable[[], Any]] = ALL_PIECES, times: int = 1) -> None:
    for _ in range(times):
        for piece in pieces:
            piece()


STOPS: tuple[CodeType, ...] = (workload.__code__, in_thread.__code__)


@contextlib.contextmanager
def no_automatic_gc() -> Iterator[None]:
    """Finalizers would run below whatever allocates: in a different place each time."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def possible_stacks(pieces: Sequence[Callable[[], Any]] = ALL_PIECES) -> set[Chain]:
    """Every stack below a stop that the profiler sees, root first."""
    seen: set[tuple[CodeType, ...]] = set()

    def note(frame: FrameType | None, event: str, arg: object) -> None:
        chain = []
        while frame is not None and frame.f_code not in STOPS:
            chain.append(frame.f_code)
            frame = frame.f_back
        if frame is not None:
            seen.add(tuple(chain))

    with no_automatic_gc():
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            workload(pieces)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return {tuple(RawFrame(c.co_qualname, c.co_filename, c.co_firstlineno) for c in reversed(chain)) for chain in seen}


def sampled_stacks(
    sampler: ProfileSource,
    period_ns: int,
    enough: int,
    pieces: Sequence[Callable[[], Any]] = ALL_PIECES,
    times: int = 1,
) -> RawSamples:
    """Samples of the workload, repeated until there are ``enough``."""
    sampler.set_stops(STOPS)
    with no_automatic_gc():
        while True:
            sampler.start(period_ns, seed=period_ns)
            sampler.resume()
            workload(pieces, times)
            sampler.pause()
            sampler.stop()
            raw = sampler.samples()
            if raw.counts.taken >= enough:
                return raw


def impossible_stacks(raw: RawSamples, possible: set[Chain]) -> list[RawStack]:
    """Sampled stacks that the program never had. Threads that are being started or ended have not reached their stop:
    they must be inside ``threading``; and the sampling thread itself may be sampled on its way into the workload.
    Native and kernel frames, which the profiler does not see, are left out."""
    wrong = []
    for stack in raw.stacks:
        if stack.cut:
            if tuple(f for f in stack.frames if not f.library) not in possible:
                wrong.append(stack)
        elif sampled_stacks.__qualname__ not in {f.qualname for f in stack.frames}:
            outside = [f for f in stack.frames if f.filename and f.filename != threading.__file__]
            if outside:
                wrong.append(stack)
    return wrong
