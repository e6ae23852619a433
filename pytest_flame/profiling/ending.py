"""The ways a process ends or becomes another program, and what has to happen before.

A profile has to be stopped and delivered before ``atexit`` is over, before ``os._exit`` (how ``multiprocessing`` ends
its children), before ``os.exec*`` and, if requested, before SIGTERM ends a process that has no handler for it.
``os._exit``, ``os.execv`` and ``os.execve`` are replaced while there is something to finish.
"""

from __future__ import annotations

import atexit
import functools
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn


class EndWatch:
    """``finish(final)`` is called before the process ends, or execs (not final); ``resume`` when an exec failed."""

    def __init__(self, finish: Callable[[bool], None], resume: Callable[[], None]) -> None:
        self.finish = finish
        self.resume = resume

    def release(self) -> None:
        if self in _watches:
            _watches.remove(self)
        if not _watches:
            _give_back()


_watches: list[EndWatch] = []
_replaced: dict[str, Callable[..., Any]] = {}
"""The replaced functions of ``os``, by name; empty while nothing is replaced."""


def watch(finish: Callable[[bool], None], resume: Callable[[], None]) -> EndWatch:
    if not _replaced:
        _replaced.update(_exit=_before_exit(os._exit), execv=_before_exec(os.execv), execve=_before_exec(os.execve))
        for name, function in _replaced.items():
            setattr(os, name, function)
        atexit.register(finish_all)
    watched = EndWatch(finish, resume)
    _watches.append(watched)
    return watched


def finish_all(final: bool = True) -> None:
    """The last that was watched first, as ``atexit`` does. SIGTERM waits for it."""
    global _finishing
    if _finishing:
        return
    _finishing = True
    try:
        for watched in reversed(_watches.copy()):
            watched.finish(final)
    finally:
        _finishing = False
    if _terminated_meanwhile:
        _terminate()


def forget() -> None:
    """In a forked child: what was watched is the parent's."""
    global _finishing
    _finishing = False
    _watches.clear()
    _give_back()
    if signal.getsignal(signal.SIGTERM) is _terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def watch_sigterm() -> None:
    """If the program leaves SIGTERM to the system, which would end it immediately."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def _give_back() -> None:
    for name, function in _replaced.items():
        if getattr(os, name) is function:  # otherwise replaced again: ours does nothing now
            setattr(os, name, function.__wrapped__)
    _replaced.clear()
    atexit.unregister(finish_all)


def _before_exit(original: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
    @functools.wraps(original)
    def replaced(status: int) -> NoReturn:
        finish_all()
        original(status)

    return replaced


def _before_exec(original: Callable[..., NoReturn]) -> Callable[..., NoReturn]:
    @functools.wraps(original)
    def replaced(*args: Any, **kwargs: Any) -> NoReturn:
        watches = _watches.copy()
        finish_all(final=False)
        try:
            original(*args, **kwargs)
        finally:  # it returned: there is no such program
            for watched in watches:
                watched.resume()

    return replaced


def _terminated(number: int, frame: FrameType | None) -> None:
    global _terminated_meanwhile
    if _finishing:
        _terminated_meanwhile = True
        return
    finish_all()
    _terminate()


def _terminate() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


_finishing = False
_terminated_meanwhile = False
