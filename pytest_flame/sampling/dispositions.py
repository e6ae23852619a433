"""The sampler's signal in a program that also sets signals.

A program that gives every signal its default action, or saves and restores handlers, would be killed by the next tick:
the default action of SIGTRAP ends a process. While a sampler is open, what a program sets for that signal through
``signal.signal`` is remembered and applied to signals that are not ticks; the handler stays the sampler's.
``getsignal`` returns what the program set. C code that calls sigaction(2) directly is not seen.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

_PLAIN: Final = (signal.SIG_DFL, signal.SIG_IGN)


class Dispositions:
    """``lib`` is the C sampler. One per process; ``open`` and ``close`` are counted."""

    def __init__(self, lib: Any) -> None:
        self._lib = lib
        self._signals: Final = (signal.SIGTRAP, lib.flame_timer_signal())
        self._users = 0
        self._wished: dict[int, int] = {}
        """Default or ignored, by signal, if the program set that and Python does not know it."""
        self._set: Callable[..., Any] = _signal().signal
        self._get: Callable[..., Any] = _signal().getsignal
        os.register_at_fork(after_in_child=self._in_child)

    def open(self) -> None:
        self._users += 1
        if self._users > 1:
            return
        module = _signal()
        self._set, self._get = module.signal, module.getsignal
        self._replacing = self._replaced_set, self._replaced_get
        module.signal, module.getsignal = self._replacing

    def close(self) -> None:
        if not self._users:  # what was open before a fork belongs to the parent
            return
        self._users -= 1
        if not self._users:
            self._give_back()

    def _in_child(self) -> None:
        if self._users:
            self._users = 0
            self._give_back()

    def _give_back(self) -> None:
        module = _signal()
        if (module.signal, module.getsignal) == self._replacing:  # otherwise replaced again
            module.signal, module.getsignal = self._set, self._get
        for number in list(self._wished) if _may_set() else ():
            wished = self._wished.pop(number)
            if wished == self._get(number):
                continue
            stays = self._lib.flame_handles(number)  # inert, for ticks still on their way to other threads
            self._set(number, wished)  # Python has to know the current setting
            if stays:
                self._lib.flame_take_back(number)

    def _replaced_set(self, number: int, handler: Any, /) -> Any:
        if number not in self._signals or not self._lib.flame_handles(number) or not _may_set():
            before = self._set(number, handler)
            return self._wished.pop(number, before)
        before = self._get(number) if number not in self._wished else self._wished[number]
        if handler in _PLAIN:
            self._wished[number] = handler
            self._lib.flame_pass_on(number, handler == signal.SIG_IGN)
            return before
        self._lib.flame_hold(1)
        try:
            self._set(number, handler)
            self._wished.pop(number, None)
        finally:
            self._lib.flame_take_back(number)
            self._lib.flame_hold(0)
        return before

    def _replaced_get(self, number: int, /) -> Any:
        return self._wished[number] if number in self._wished else self._get(number)


def _signal() -> Any:
    """What every reference to ``signal.signal`` calls, including one imported earlier."""
    return importlib.import_module("_signal")


def _may_set() -> bool:
    """In other threads the original refuses, as it must."""
    return threading.current_thread() is threading.main_thread() and not sys.is_finalizing()
