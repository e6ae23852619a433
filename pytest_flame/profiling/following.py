"""Processes that a profiled process starts: joined to its session, or cleanly left alone.

A child made by ``os.fork`` (so by ``multiprocessing``'s ``fork`` and ``forkserver``, too) is met here in a hook; any
other Python that starts is told by an environment variable, which the package's start-up file reads
(``profiling/program.py``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pytest_flame.profiling import ending
from pytest_flame.profiling.session import Session

VARIABLE: Final = "FLAME_PROFILE_SESSION"


def enter(session: Session) -> None:
    """From now on processes that this one starts belong to the session, if its settings say so."""
    global _session, _hooked
    from pytest_flame.profiling import member  # noqa: F401 (a forked child should find it imported)

    _session = session
    if session.settings.follow:
        os.environ[VARIABLE] = str(session.folder)
    if not _hooked:
        os.register_at_fork(after_in_child=_in_child)
        _hooked = True


def leave(session: Session) -> None:
    global _session
    if _session is session:
        _session = None
        if os.environ.get(VARIABLE) == str(session.folder):
            del os.environ[VARIABLE]


def join(folder: Path) -> None:
    """This process belongs to a session. One that is over is none of its business."""
    from pytest_flame.profiling.member import Member

    try:
        session = Session.open(folder)
    except OSError:
        os.environ.pop(VARIABLE, None)
        return
    Member(session).begin()


def _in_child() -> None:
    global _session
    ending.forget()
    if _session is None:
        return
    session, _session = _session.renewed(), None
    if session.settings.follow:
        from pytest_flame.profiling.member import Member

        Member(session).begin()


_session: Session | None = None
_hooked = False
