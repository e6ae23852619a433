"""A worker as its launcher sees it: an interpreter of its own, or forked from a prepared process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from pytest_flame import clocks
from pytest_flame.measure import keeper
from pytest_flame.measure.channel import Channel
from pytest_flame.measure.deadline import readable_until
from pytest_flame.trees.scratch import Scratch

_PATIENCE_NS: Final = 20_000_000_000


@dataclass(frozen=True, slots=True)
class Command:
    """How an interpreter is started. ``report`` and ``watched`` are the keeper's (``keeper.main``)."""

    words: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    output: Path
    report: Path
    watched: str = ""


class Awaited:
    """A process that is waited for without waking up in between."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.descriptor: int | None = None
        with contextlib.suppress(OSError):  # some sandboxes refuse it; then subprocess polls
            self.descriptor = os.pidfd_open(process.pid)

    def ends_until(self, until_ns: int) -> bool:
        if self.descriptor is not None:
            return readable_until([self.descriptor], until_ns)
        try:
            self._process.wait(max(0, until_ns - clocks.monotonic_ns()) / 1e9)
        except subprocess.TimeoutExpired:
            return False
        return True

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class FreshWorker:
    """An interpreter, and the keeper that is its parent."""

    def __init__(self, command: Command, guard: Scratch | None, channel: Channel | None = None) -> None:
        """``channel`` is passed on."""
        self._guard = guard
        passed = () if channel is None else (channel.descriptor,)
        words = [sys.executable, "-I", "-S", keeper.__file__, str(command.report), command.watched]
        words += ["".join(map(str, passed)), *command.words]
        with _appending(command.output) as output:
            self._process = subprocess.Popen(
                words,
                cwd=command.directory,
                env=dict(command.environment),
                stdin=subprocess.PIPE,  # its end belongs to the worker
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # this process handles Ctrl-C
                pass_fds=passed,
            )
        if guard is not None:
            guard.guard(self._process.pid)
        self._awaited = Awaited(self._process)

    @property
    def pid(self) -> int:
        """The keeper's, as ``returncode``."""
        return self._process.pid

    @property
    def returncode(self) -> int:
        return self._process.wait()

    @property
    def descriptor(self) -> int | None:
        """Readable when it has ended."""
        return self._awaited.descriptor

    def ends_until(self, until_ns: int) -> bool:
        return self._awaited.ends_until(until_ns)

    def send_signal(self, number: int) -> None:
        self._awaited.send_signal(number)

    def end(self) -> None:
        """Closes the keeper's input, which makes it kill everything that is left."""
        process = self._process
        assert process.stdin is not None
        process.stdin.close()
        try:
            self.ends_until(clocks.monotonic_ns() + _PATIENCE_NS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its worker dies with it
            process.wait()
            self._awaited.close()
            if self._guard is not None:
                self._guard.release(process.pid)


def _appending(path: Path) -> IO[bytes]:
    """So that the worker may truncate it while others write."""
    return path.open("ab")


@dataclass
class Prepared:
    """A prepared process (``serving.py``) of one side and one pair. It is started for its first job: its command line
    names that job's file."""

    hash_seed: int
    interpreter: FreshWorker | None = None
    channel: Channel | None = None
    place: tuple[str, str] | None = None
    """What its current fork has collected."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why tests of a file can't be forked; of "", of any file."""

    def why_refused(self, file: str) -> str | None:
        return self.refused.get("") or self.refused.get(file)

    def run(self, start: Callable[[Channel], FreshWorker], job: Path, place: tuple[str, str]) -> ForkedWorker:
        if self.channel is not None and self.place not in (None, place):
            self._leave_file(self.channel)
        if self.channel is None:
            self.channel, theirs = Channel.pair()
            try:
                self.interpreter = start(theirs)
            finally:
                theirs.close()
        self.place = place
        self.channel.send(job=str(job))
        return ForkedWorker(self)

    def _leave_file(self, channel: Channel) -> None:
        channel.send(file="done")
        until_ns = clocks.monotonic_ns() + _PATIENCE_NS
        while readable_until([channel.descriptor], until_ns):
            message = channel.receive()
            if message is None:
                break
            if "left" in message:
                return
        self.kill()

    def close(self) -> None:
        """Lets it end by itself."""
        if self.channel is not None:
            self.channel.close()
        if self.interpreter is not None:
            self.interpreter.ends_until(clocks.monotonic_ns() + _PATIENCE_NS)
            self.interpreter.end()
        self.interpreter = self.channel = self.place = None

    def kill(self) -> None:
        """With everything that was forked from it; the next job starts another one with the same hash seed."""
        if self.interpreter is not None:
            self.interpreter.end()
        if self.channel is not None:
            self.channel.close()
        self.interpreter = self.channel = self.place = None


class ForkedWorker:
    """One job of a prepared process."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._keeper: int | None = None
        self._done = False
        self.refused: str | None = None
        """Why the prepared process did not fork."""
        self.returncode: int | None = None
        """If the prepared process, or its fork for the file, ended instead."""

    def ends_until(self, until_ns: int) -> bool:
        channel = self._prepared.channel
        while not self._done and channel is not None and readable_until([channel.descriptor], until_ns):
            self._take(channel.receive())
        return self._done

    @property
    def descriptor(self) -> int | None:
        """Readable when the prepared process says something."""
        assert self._prepared.channel is not None
        return self._prepared.channel.descriptor

    def _take(self, message: Mapping[str, Any] | None) -> None:
        prepared = self._prepared
        if message is None:
            assert prepared.interpreter is not None
            self._done, self.returncode = True, prepared.interpreter.returncode
            prepared.kill()
        elif "keeper" in message:
            self._keeper = message["keeper"]
        elif "left" in message:  # it ended while it collected the file
            self._done, self.returncode, prepared.place = True, message["left"], None
        elif "refused" in message:
            assert prepared.place is not None
            self._done, self.refused = True, message["refused"]
            prepared.refused["" if message["everywhere"] else prepared.place[0]] = message["refused"]
            if message["everywhere"]:
                prepared.place = None
        else:
            self._done = True

    def send_signal(self, number: int) -> None:
        if self._keeper is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._keeper, number)

    def end(self) -> None:
        if not self._done:
            self._prepared.kill()
