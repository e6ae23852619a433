"""Processes that a profiled process starts: they join its session, or are left alone cleanly.

A child made by ``os.fork`` (so by ``multiprocessing``'s ``fork`` and ``forkserver``, too) is handled here in a hook;
any other Python process gets an environment variable, which the package's start-up file reads
(``profiling/program.py``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from pytest_flame.profiling import ending
from pytest_flame.profiling.session import ProfileSession

VARIABLE: Final = "FLAME_PROFILE_SESSION"


def enter(session: ProfileSession, join: Callable[[ProfileSession], None]) -> None:
    """From now on processes that this one starts belong to the session, if so configured.

    ``join`` is called in a forked child.
    """
    global _session, _join, _hooked
    _session, _join = session, join
    if session.settings.follow:
        os.environ[VARIABLE] = str(session.folder)
    if not _hooked:
        os.register_at_fork(after_in_child=_in_child)
        _hooked = True


def leave(session: ProfileSession) -> None:
    global _session
    if _session is session:
        _session = None
        if os.environ.get(VARIABLE) == str(session.folder):
            del os.environ[VARIABLE]


def _in_child() -> None:
    global _session
    ending.forget()
    if _session is None:
        return
    session, _session = _session.renewed(), None
    if session.settings.follow and _join is not None:
        _join(session)


_session: ProfileSession | None = None
_join: Callable[[ProfileSession], None] | None = None
_hooked = False
