from __future__ import annotations

import inspect
import resource
import threading
import traceback
from collections.abc import Iterator

import pytest

from pytest_flame.measure.room import THREAD_ROOM, enlarge_threads, roomy


def _descend(depth: int) -> int:
    return 0 if depth == 0 else _descend(depth - 1) + 1


def _faults(depth: int) -> int:
    """Of fifty descents, whose pages were touched before."""
    _descend(depth)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(50):
        _descend(depth)
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


def _measured(found: list[int]) -> None:
    found.append(_faults(900))


def test_deep_recursion_lies_in_one_chunk() -> None:
    found: list[int] = []
    # A frame of `_descend` takes about 100 bytes: without room, 900 of them cross six borders of 16 KiB.
    roomy(THREAD_ROOM)(lambda: _measured(found))()
    assert found[0] < 25


def test_only_the_size_of_the_frame_changes() -> None:
    def original(number: int) -> int:
        return 1 // number

    code = original.__code__
    enlarged = roomy(THREAD_ROOM)(original)
    assert enlarged is original and enlarged(1) == 1
    assert enlarged.__code__.replace(co_stacksize=code.co_stacksize) == code
    with pytest.raises(ZeroDivisionError) as caught:
        enlarged(0)
    assert [entry.name for entry in traceback.extract_tb(caught.tb)][-1] == "original"


@pytest.fixture
def threads_as_they_were() -> Iterator[None]:
    original = threading.Thread._bootstrap.__code__  # type: ignore[attr-defined]
    yield
    threading.Thread._bootstrap.__code__ = original  # type: ignore[attr-defined]


def _stack_in_a_thread() -> list[str]:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(entry.function for entry in inspect.stack()))
    thread.start()
    thread.join()
    return found


@pytest.mark.usefixtures("threads_as_they_were")
def test_threads_have_room_and_the_same_stack() -> None:
    before = _stack_in_a_thread()
    enlarge_threads()
    enlarge_threads()  # twice is once
    assert _stack_in_a_thread() == before
    found: list[int] = []
    thread = threading.Thread(target=_measured, args=(found,))
    thread.start()
    thread.join()
    assert found[0] < 25
