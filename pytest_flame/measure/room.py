"""Room on the interpreter's data stack, so that the depth of a call does not affect its cost.

CPython 3.11 and later keep the frames of each thread's Python functions in chunks of 16 KiB. A call that crosses the
end of a chunk maps a new one and its return unmaps it, with page faults each time: a loop whose callee crosses the end
costs many times what it costs a frame higher up. A frame too large for a chunk gets a chunk large enough for it,
doubled from 16 KiB, and everything it calls lies in the rest of that chunk. Untouched pages cost nothing.

Source: ``push_chunk`` in CPython's Python/pystate.c; python/cpython#142183.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from types import FunctionType
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MEASURED_ROOM: Final = 32 << 20
"""Bytes for everything called while a test is measured: 30,000 frames of a kilobyte."""
THREAD_ROOM: Final = 512 << 10
"""Bytes for everything a thread calls. Its chunk, of twice the size, stays below a huge page: mapping one for each new
thread would be noticeable."""

_SLOT_BYTES: Final = struct.calcsize("P")
_OVERHEAD_SLOTS: Final = 1000
"""What CPython keeps free next to the frame (``MINIMUM_OVERHEAD``)."""


def roomy(room: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Gives a function a frame after which its thread has ``room`` bytes, a power of two, for what it calls.

    Only the size of its evaluation stack is changed: no extra frame, the same name and lines.
    """

    def enlarge(function: Callable[P, R]) -> Callable[P, R]:
        assert isinstance(function, FunctionType)
        # Just over half a chunk of twice the room: the smallest frame for which the chunk is that large.
        slots = room // _SLOT_BYTES - _OVERHEAD_SLOTS + 1
        function.__code__ = function.__code__.replace(co_stacksize=slots)
        return function

    return enlarge


def enlarge_threads() -> None:
    """Every thread that ``threading`` starts from now on has room below its first frame."""
    roomy(THREAD_ROOM)(threading.Thread._bootstrap)  # type: ignore[attr-defined]
