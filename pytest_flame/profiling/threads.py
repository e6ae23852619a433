"""Calls a function at the beginning of every thread that ``threading`` starts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class NewThreads:
    """While it is installed, each new thread calls ``begin`` first.

    ``threading`` has no such hook but ``setprofile``, which slows every thread down on CPython 3.12 and later. A new
    thread records its number (``Thread._set_native_id``) first, in every version so far; if that method is missing
    nothing is called.
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin
        self._original: Any = getattr(threading.Thread, "_set_native_id", None)
        self._replacement: Any = None

    def install(self) -> None:
        original, begin = self._original, self._begin
        if original is None:
            return

        def set_native_id(thread: threading.Thread) -> None:
            original(thread)
            begin()

        self._replacement = set_native_id
        threading.Thread._set_native_id = set_native_id  # type: ignore[attr-defined]

    def remove(self) -> None:
        if getattr(threading.Thread, "_set_native_id", None) is self._replacement is not None:
            threading.Thread._set_native_id = self._original  # type: ignore[attr-defined]
