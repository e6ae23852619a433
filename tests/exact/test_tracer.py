"""The tracer in C. Its counts are taken in other processes: other threads of this one would be counted, too."""

from __future__ import annotations

import datetime
import json
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType

import pytest

from pytest_flame._exact import Tracer

RunProgram = Callable[..., str]


def test_every_call_of_real_programs_is_counted_as_by_a_slow_tracer(run_program: RunProgram) -> None:
    differences = json.loads(run_program("compare_tracers.py"))
    assert len(differences) >= 15
    assert {name: found for name, found in differences.items() if found} == {}


def called_by(body: FunctionType) -> set[str]:
    """C functions that the body itself calls."""
    tracer = Tracer()
    tracer.start()
    try:
        tracer.phase(1, body=body.__code__)
        body()
    finally:
        tracer.phase(0, False)
        tracer.stop()
    callables, calls = tracer.read()
    own = next(n for n, c in enumerate(callables) if c is body.__code__)
    return {".".join(callables[callee]) for caller, callee, _, _ in calls if caller == own}  # type: ignore[arg-type]


def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def climb(n: int) -> Iterator[int]:
    for i in range(n):
        yield len(range(i)) + fibonacci(3)


def busy() -> None:
    sum(climb(5))
    sorted([3, 1, 2], key=fibonacci)
    threads = [threading.Thread(target=fibonacci, args=(4,)) for _ in range(2)]
    for thread in threads:
        thread.start()
        thread.join()


def traced(*, by_path: bool) -> Tracer:
    tracer = Tracer(by_path=by_path)
    tracer.start()
    if sys.version_info < (3, 12):
        threading.setprofile(tracer.thread)
    try:
        tracer.phase(1, body=busy.__code__)
        busy()
    finally:
        if sys.version_info < (3, 12):
            threading.setprofile(None)
        tracer.phase(0, False)
        tracer.stop()
    return tracer


def test_paths_add_up_to_the_calls_from_each_caller() -> None:
    callables, edges = traced(by_path=False).read()
    counted = {(callables[a] if a >= 0 else None, callables[b]): count for a, b, _, count in edges}
    tracer = traced(by_path=True)
    assert tracer.read()[1] == []
    callables, paths = tracer.read_paths()
    found: Counter[tuple[object, object]] = Counter()
    for number, (caller, callee, count) in enumerate(paths):
        assert caller < number, "a caller's path comes first"
        found[callables[paths[caller][1]] if caller >= 0 else None, callables[callee]] += count
    assert {edge: count for edge, count in found.items() if count} == counted
    assert found[busy.__code__, fibonacci.__code__] == 0, "sorted is between them"
    assert found[fibonacci.__code__, fibonacci.__code__] == 2 * 8 + 5 * 4 + 4 + 2


def test_paths_say_who_called_whom() -> None:
    callables, paths = traced(by_path=True).read_paths()
    depths: Counter[int] = Counter()  # of calls of fibonacci below climb
    for caller, callee, count in paths:
        names = [callables[callee]]
        while caller >= 0:
            names.append(callables[paths[caller][1]])
            caller = paths[caller][0]
        if climb.__code__ in names:
            depths[names.count(fibonacci.__code__)] += count if callables[callee] is fibonacci.__code__ else 0
    assert depths[1] == 5 and depths[2] == 10 and depths[3] == 10


class Words(dict[str, int]):
    pass


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (lambda: len(()), "builtins.len"),
        (lambda: {1: 1}.get(1), "builtins.dict.get"),
        (lambda: Words().get("a"), "builtins.dict.get"),
        (lambda: OrderedDict(a=1).pop("a"), "collections.OrderedDict.pop"),
        (lambda: Words.fromkeys("a"), "builtins.dict.fromkeys"),
        (lambda: "a".maketrans("a", "b"), "builtins.str.maketrans"),
        (lambda: object.__new__(threading.Event), "builtins.object.__new__"),
        (lambda: datetime.date.today(), "datetime.date.today"),
        (lambda: json.encoder.encode_basestring_ascii("a"), "_json.encode_basestring_ascii"),
        (lambda: threading.Lock().acquire(), "_thread.lock.acquire"),
    ],
)
def test_c_functions_go_by_the_class_that_defines_them(body: FunctionType, name: str) -> None:
    assert name in called_by(body)


@pytest.fixture
def another_profiler() -> Iterator[None]:
    if sys.version_info < (3, 12):
        sys.setprofile(lambda frame, event, argument: None)
        yield
        sys.setprofile(None)
        return
    taken = [tool for tool in range(6) if sys.monitoring.get_tool(tool) is None]
    for tool in taken:
        sys.monitoring.use_tool_id(tool, "another")
    yield
    for tool in taken:
        sys.monitoring.free_tool_id(tool)


@pytest.mark.usefixtures("another_profiler")
def test_it_does_not_start_beside_another_profiler() -> None:
    with pytest.raises(RuntimeError, match=r"another profile function|no free tool id"):
        Tracer().start()


def test_it_starts_once_and_stops_any_time() -> None:
    tracer = Tracer()
    tracer.stop()
    tracer.start()
    with pytest.raises(RuntimeError, match="running"):
        tracer.start()
    tracer.stop()
    assert not tracer.intact
    tracer.start()
    assert tracer.intact
    tracer.stop()


@pytest.mark.parametrize(("number", "body"), [(-1, None), (8, None), (1, len)])
def test_wrong_phases_are_refused(number: int, body: CodeType | None) -> None:
    with pytest.raises((ValueError, TypeError)):
        Tracer().phase(number, body=body)
