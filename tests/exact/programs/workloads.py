"""Bodies of many kinds. Each has run once before it is counted, so that caches are filled."""

from __future__ import annotations

import argparse
import ast
import asyncio
import collections
import contextlib
import copy
import csv
import dataclasses
import decimal
import enum
import functools
import heapq
import io
import json
import pickle
import re
import string
import textwrap
import threading
import typing
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from types import FunctionType

import jinja2
import sqlparse
from dateutil import parser as dates


def json_in_python() -> None:
    document = {"orders": [{"id": i, "lines": [1.5, None, True, "ü"]} for i in range(5)]}
    json.loads(json.dumps(document, indent=1, sort_keys=True), object_hook=lambda pairs: dict(pairs))


def regular_expressions() -> None:
    re.purge()
    for pattern in (r"(\d+)-(?P<name>[a-z]*)(?=x|y)", r"^(a|b)*?c{2,3}$"):
        re.sub(pattern, lambda match: match.group(0).upper(), "12-abx aabcc 3-y")


def arguments() -> None:
    parser = argparse.ArgumentParser(prog="orders", exit_on_error=False)
    parser.add_argument("--number", type=int, default=3)
    parser.add_subparsers().add_parser("add").add_argument("names", nargs="+")
    parser.parse_args(["--number", "4", "add", "one", "two"])
    with contextlib.suppress(argparse.ArgumentError):
        parser.parse_args(["--number", "four"])
    parser.format_help()


def templates() -> None:
    environment = jinja2.Environment(autoescape=True)
    text = "{% macro cell(x) %}<td>{{ x|upper }}</td>{% endmacro %}{% for row in rows %}{{ cell(row) }}{% endfor %}"
    environment.from_string(text).render(rows=["a", "b", "<c>"])


def sql() -> None:
    sqlparse.format("select a, b from t where x = 1 group by a; insert into t values (1, 'x')", reindent=True)


def date_parsing() -> None:
    dates.parse("12 November 2025 10:30:05 +0100")


def _countdown(n: int) -> Generator[int, int | None, str]:
    while n > 0:
        step = yield n
        n -= step or 1
    return "done"


def _delegating(n: int) -> Generator[int, int | None, str]:
    try:
        return (yield from _countdown(n))
    finally:
        str(n)


def generators() -> None:
    list(_countdown(3))
    sum(x * x for x in _delegating(4))
    sent = _delegating(5)
    next(sent)
    with contextlib.suppress(StopIteration):
        sent.send(9)
    thrown = _delegating(5)
    next(thrown)
    with contextlib.suppress(KeyError):
        thrown.throw(KeyError("x"))
    closed = _delegating(5)
    next(closed)
    closed.close()
    _delegating(5).close()
    with contextlib.suppress(KeyError):
        _delegating(5).throw(KeyError("never started"))


def context_managers() -> None:
    @contextlib.contextmanager
    def opened(name: str) -> Iterator[str]:
        try:
            yield name.upper()
        except ValueError:
            str(name)

    with contextlib.ExitStack() as stack:
        stack.enter_context(opened("a"))
        stack.callback(len, "abc")
        raise ValueError


async def _double(n: int) -> int:
    await asyncio.sleep(0)
    return n * 2


async def _numbers(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield await _double(i)


async def _main() -> int:
    async with asyncio.timeout(None):
        doubled = await asyncio.gather(*(_double(n) for n in range(4)))
    return sum(doubled) + sum([n async for n in _numbers(3)])


def coroutines() -> None:
    asyncio.run(_main())


def _square(n: int) -> int:
    return len("x" * n) ** 2


def threads() -> None:
    workers = [threading.Thread(target=lambda: [_square(n) for n in range(5)]) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _fails(depth: int) -> None:
    if depth == 0:
        raise LookupError(str(depth))
    try:
        _fails(depth - 1)
    except LookupError as error:
        raise KeyError(depth) from error


def exceptions() -> None:
    with contextlib.suppress(KeyError):
        _fails(5)
    wrong_calls: list[Callable[[], object]] = [
        *(lambda: int("x"), lambda: [].pop(), lambda: {}.popitem(), lambda: "a".encode("no")),
        lambda: len(3),  # type: ignore[arg-type]
    ]
    for wrong in wrong_calls:
        with contextlib.suppress(Exception):
            wrong()


def _fibonacci(n: int) -> int:
    return n if n < 2 else _fibonacci(n - 1) + _fibonacci(n - 2)


def _deep(n: int) -> int:
    return 1 + _deep(n - 1) if n else 0


def recursion() -> None:
    _fibonacci(10)
    _deep(300)


def class_bodies() -> None:
    class Colour(enum.Enum):
        RED = 1
        BLUE = 2

    @dataclasses.dataclass(order=True)
    class Point:
        x: int
        y: int = dataclasses.field(default=0)

    class Tagged(dict[str, int]):
        def pop(self, *keys: str) -> int:  # type: ignore[override]
            return super().pop(*keys)

    pair = collections.namedtuple("pair", "a b")
    sorted([Point(2), Point(1, 3)], key=lambda point: point.x)
    Tagged(a=1).pop("a")
    Tagged.fromkeys(["a"])
    collections.OrderedDict.fromkeys("ab").get("a")
    dict.get(collections.OrderedDict(a=1), "a")
    pair(1, 2)._replace(a=3)
    Colour(2)
    type("Made", (Tagged,), {"run": lambda self: 1})().run()
    object.__new__(Point)


def descriptors() -> None:
    class Lazy:
        @functools.cached_property
        def total(self) -> int:
            return sum(range(5))

        @property
        def twice(self) -> int:
            return self.total * 2

        def __getattr__(self, name: str) -> str:
            return name.upper()

        def __del__(self) -> None:
            len("deleted")

    lazy = Lazy()
    str([lazy.total, lazy.twice, lazy.other, getattr(lazy, "more", None), hasattr(lazy, "most")])


def library() -> None:
    copy.deepcopy({"a": [1, (2, {3})], "b": "c"})
    pickle._Unpickler(io.BytesIO(pickle.dumps([1, {"a": decimal.Decimal("1.5")}]))).load()
    textwrap.fill("one two three " * 5, 20)
    string.Formatter().vformat("{0!r:>10} {a[b]}", (1,), {"a": {"b": 2}})
    rows = csv.DictReader(io.StringIO("a,b\n1,2\n3,4\n"))
    list(heapq.merge([row["a"] for row in rows], ["2"], key=int))
    functools.reduce(lambda x, y: x + y, map(abs, [-1, 2, -3]))
    ast.unparse(ast.parse("def f(x: int, *y) -> None:\n  return [z async for z in x if (w := z)]"))
    typing.get_type_hints(_double)
    eval("sum(x for x in range(3))")
    exec("def made(x):\n  return [x for _ in range(2)]\nmade(1)")


WORKLOADS: list[FunctionType] = [
    value for name, value in globals().items() if isinstance(value, FunctionType) and not name.startswith("_")
]
