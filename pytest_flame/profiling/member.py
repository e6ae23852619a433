"""A process that is profiled from its start, or its fork, to its end, and delivers its samples."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pytest_flame.errors import FlameError
from pytest_flame.profiling import ending, following
from pytest_flame.profiling.drawing import draw_elsewhere
from pytest_flame.profiling.recorder import Recorder
from pytest_flame.profiling.session import ProfileSession, merge
from pytest_flame.render.text import printable_text


def say(text: str) -> None:
    """Writes to the original stderr, whatever the program has done to ``sys.stderr``."""
    stream = sys.__stderr__
    if stream is not None and not stream.closed:
        print(printable_text(f"flame: {text}"), file=stream, flush=True)


def join(session: ProfileSession) -> None:
    """This process belongs to a session from here to its end."""
    Member(session).begin()


def join_folder(folder: Path) -> None:
    """This process was started by a process of a session. A session that is over is ignored."""
    try:
        session = ProfileSession.open(folder)
    except OSError:
        os.environ.pop(following.VARIABLE, None)
        return
    join(session)


class Member:
    """One process of a session."""

    def __init__(self, session: ProfileSession) -> None:
        self._session = session
        self._recorder = Recorder(session.settings)
        self._finished = False

    def begin(self) -> None:
        """Samples to the end of the process. If that is impossible, prints why; the program continues without a
        profile."""
        if self._begin():
            ending.watch(self._finish, self._resume)
            ending.watch_sigterm()

    def _begin(self) -> bool:
        try:
            self._session.join()
        except OSError:
            return False  # the session ended in the meantime
        try:
            self._recorder.start()
        except FlameError as e:
            say(f"process {os.getpid()} is not profiled: {e}")
            self._leave(final=True)
            return False
        following.enter(self._session, join)
        return True

    def _finish(self, final: bool) -> None:
        if self._finished or self._recorder.elsewhere:
            return
        self._finished = True
        try:
            self._recorder.stop()
        except FlameError as e:
            say(f"process {os.getpid()}: {e}")
        try:
            self._session.hand_in(self._recorder.part())
            self._leave(final)
        except FileNotFoundError:
            return  # the collecting process has not waited for this one
        except (OSError, FlameError) as e:
            say(f"the samples of process {os.getpid()} are lost: {e}")

    def _resume(self) -> None:
        """The exec of another program failed: the delivered part is continued."""
        self._session = self._session.again()
        self._finished = False
        self._begin()

    def _leave(self, final: bool) -> None:
        settings = self._session.settings
        is_root = os.getpid() == settings.root_pid
        with self._session.alone():
            last = self._session.leave()
            if is_root:
                self._session.finish_root()
            if settings.output and (last or self._session.root_finished):
                self._write(Path(settings.output), aloud=is_root)
            # A followed process that becomes another program is still the last.
            if last and settings.root_pid and (final or not settings.follow):
                self._session.remove()

    def _write(self, output: Path, *, aloud: bool) -> None:
        parts, unfinished = self._session.parts()
        if not parts:
            return
        profile = merge(parts, unfinished=unfinished)
        try:
            trouble = None
            if output.suffix == ".svg":
                trouble = draw_elsewhere(profile, output)
            else:
                profile.write(output)
        except OSError as e:
            say(f"the profile cannot be written: {e}")
            return
        if trouble is not None:
            say(trouble)
        elif aloud:
            say(f"{profile.summary()} → {output}")
            for note in profile.notes():
                say(f"note: {note}")
