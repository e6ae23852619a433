"""The inside of a prepared process: it loads pytest and the conftest files once, and tests are forked from it.

A test file is collected in a fork of its own, so that no file sees what another one imported, and each test runs in a
fork of that, which is the worker. Nothing a test does is left for the next one; what they share is the interpreter that
was started for this pair: hash seed, heap layout, addresses.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import random
import signal
import sys
import threading
import weakref
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_flame.measure.channel import Channel
from pytest_flame.measure.job import Job
from pytest_flame.measure.keeper import fork_kept
from pytest_flame.sampling.descendants import had_children, has_children
from pytest_flame.trees.opened import Reads, Watched

_PR_SET_PDEATHSIG: Final = 1
_SHARED_HANDLERS: Final = (("logging", "shutdown"), ("multiprocessing.util", "_exit_function"))
"""Exit handlers that are registered on import, and clean up only what this process has made."""


class Server:
    """One prepared process: ``next_file`` in the interpreter itself, ``next_test`` in its fork for a file."""

    def __init__(self, channel: Channel, config: pytest.Config, watched: str) -> None:
        self._channel = channel
        self._config = config
        self._pending: Job | None = None
        """The job for which the file was collected."""
        self.exit_status = 1
        self._forked = False
        """This process has forked: from then on it has children of its own."""
        self._had_children = False
        self._reads = Reads(Watched.read(Path(watched))) if watched else None
        """What any process opened since the start that is code of the wrong side."""

    def next_file(self) -> Job | None:
        """Returns in a fork that has to collect the job's file, and at the end of all work (None) here."""
        while (message := self._channel.receive()) is not None:
            if "job" not in message:
                continue  # "leave this file" reached its process too late: it has ended
            job = Job.read(Path(message["job"]))
            if (why := self._unforkable()) is not None:
                self._channel.send(refused=why, everywhere=True)
                continue
            state, parent = random.getstate(), os.getpid()
            pid = os.fork()
            if not pid:
                _dies_with(parent)
                self._begin(state)
                self._pending = job
                return job
            _, status = os.waitpid(pid, 0)
            self._channel.send(left=os.waitstatus_to_exitcode(status))
        return None

    def next_test(self) -> Job | None:
        """Returns in the worker that is to run the job, and at the end of the file (None) here."""
        gc.collect()
        gc.freeze()  # the collector must not touch, and so copy, what all tests of the file share
        while (job := self._next_job()) is not None:
            if (why := self._unforkable()) is not None:
                self._channel.send(refused=why, everywhere=False)
                continue
            state = random.getstate()
            pid = fork_kept(job.kept, job.watched, self._channel.close)
            if not pid:
                self._begin(state)
                if self._reads is not None:
                    self._reads.close()  # its keeper has its own
                return job
            self._channel.send(keeper=pid)
            os.waitpid(pid, 0)
            self._channel.send(done=True)
        return None

    def _next_job(self) -> Job | None:
        if self._pending is not None:
            job, self._pending = self._pending, None
            return job
        message = self._channel.receive()
        return Job.read(Path(message["job"])) if message is not None and "job" in message else None

    def _unforkable(self) -> str | None:
        """Why a fork of this process would not be a copy. Libraries that can be forked (OpenBLAS) end their threads for
        a fork and start them again when they need them. Processes it started would be nobody's: what they do for a test
        could not be counted, nor whose code they run."""
        if not self._forked:
            self._forked, self._had_children = True, had_children()
        if has_children():
            return "it has child processes"
        if self._had_children and self._reads is not None and (self._reads.take() or self._reads.unknown):
            return "it has started a process that may have run other code than its side's"
        if _threads() > 1:
            pid = os.fork()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)
        if _threads() == 1:
            return None
        named = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
        return f"threads run in it ({', '.join(named) or 'of a library'})"

    def _begin(self, state: Any) -> None:
        """In a fork: what belongs to this process alone. ``state`` is that of ``random``, which reseeds itself here."""
        random.setstate(state)
        self._forked = False
        self._leave_quickly()
        capture: Any = self._config.pluginmanager.getplugin("capturemanager")
        if capture is not None and capture.is_globally_capturing():
            # The files of the forks would share one position.
            capture.stop_global_capturing()
            capture.start_global_capturing()
            capture.suspend_global_capture()

    def _leave_quickly(self) -> None:
        """Handlers registered so far belong to the process that registered them: one might remove its temporary folder.

        Those of this process run, and then it ends: freeing every object one by one would only take time.
        """
        atexit._clear()
        atexit.register(self._exit)  # runs last
        finalizers: Any = weakref.finalize  # has no public list of them
        for info in finalizers._registry.values():
            info.atexit = False
        atexit.register(finalizers._exitfunc)
        for module, function in _SHARED_HANDLERS:
            if module in sys.modules:
                atexit.register(getattr(sys.modules[module], function))

    def _exit(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(self.exit_status)


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208


def _dies_with(parent: int) -> None:
    """Raises ``OSError``."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(1)
