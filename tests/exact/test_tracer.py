"""The tracer in C. Its counts are taken in other processes: other threads of this one would be counted, too."""

from __future__ import annotations

import datetime
import json
import sys
import threading
from collections import OrderedDict
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
