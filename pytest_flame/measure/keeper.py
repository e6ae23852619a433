"""Parent of one worker: adopts the processes that the worker leaves behind, accounts for them, kills and names them.

Run as a script, by its file and without ``site``: ``keeper.py REPORT WATCHED CHANNEL COMMAND…``; ``fork_kept`` makes
one for a worker that is forked. Programs detach themselves with a double fork and their own session; the kernel gives
such orphans to the nearest ancestor that is a subreaper (PR_SET_CHILD_SUBREAPER(2const)). The worker could be one, but
its own ``wait`` would then return processes that it never started. Files of code in ``WATCHED`` (``opened.py``) that
any process opens are recorded. When the standard input of a script ends, the process that started it is gone or stops
it: everything is killed. ``CHANNEL`` is a descriptor that belongs to the worker alone.
"""

# Importing pathlib and the rest of this package would double every worker's start-up time.
# ruff: noqa: PTH100, PTH120, PTH123
from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from types import FrameType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_flame.sampling.descendants import Descendants
    from pytest_flame.trees.opened import Reads

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_FOR_THE_WORKER = signal.SIGRTMAX - 5
"""``deadline.STACKS_SIGNAL``: forwarded, since the starter only knows this process."""
_GRACE_S = 0.5
"""Time for processes that end by themselves after the worker: pools, and multiprocessing's resource tracker."""
_PATIENCE_S = 5.0
_HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""They end only when the last process that uses them does."""


class _Keeper:
    def __init__(self, watched: str, *, stopped_by_input: bool) -> None:
        self._watched = watched
        self._stopped_by_input = stopped_by_input
        self._reads: Reads | None = None
        self._below: Descendants | None = None
        self.opened: dict[str, list[str]] = {}
        """Files of the wrong side that were opened, and what was running at the time."""
        self.unwatched: str | None = None
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._pid = os.getpid()
        self._woken, wake = os.pipe()
        for end in (self._woken, wake):
            os.set_blocking(end, False)
        self._ends = (self._woken, wake)
        self._woken_before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        # A handler wakes us up. A worker that is executed gets the defaults, a forked one what was there before.
        handlers = ((signal.SIGCHLD, _ignore), (signal.SIGTERM, self._ask_to_end), (_FOR_THE_WORKER, self._pass_on))
        self._handled_before = [(number, signal.signal(number, handler)) for number, handler in handlers]
        self._asked_to_end = False
        self._worker = 0

    def keep(self, worker: int) -> tuple[int, list[str]]:
        """Until it ends; returns its wait status, and what it left running."""
        if self._watched:
            self._watch()  # it takes less time than the worker's start
        status = self._reap(worker)
        while status is None and not self._asked_to_end:
            self._sleep(None)
            status = self._reap(worker)
        left = self._end_all(worker)
        self._note_opened()
        return (status if status is not None else int(signal.SIGKILL)), left

    def start(self, command: list[str]) -> int:
        worker = self.fork()
        if worker:
            return worker
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these
                signal.signal(number, signal.SIG_DFL)
            os.execv(command[0], command)
        except OSError as e:
            os.write(2, f"{command[0]} cannot be started: {e}\n".encode())
            os._exit(127)

    def fork(self) -> int:
        """0 in the worker, which dies with its keeper."""
        worker = os.fork()
        if worker:
            self._worker = worker
            return worker
        signal.set_wakeup_fd(self._woken_before)
        for number, handler in self._handled_before:
            signal.signal(number, handler)
        for end in self._ends:
            os.close(end)
        os.setsid()
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._pid:
            os._exit(1)
        return 0

    def _reap(self, worker: int) -> int | None:
        """Reaps all that have ended; returns the worker's status if it is one of them."""
        found = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if pid == 0:
                return found
            if pid == worker:
                found = status

    def _sleep(self, seconds: float | None) -> None:
        """Waits until a child ends, this process is asked to end, or the time has passed."""
        watched = [self._woken]
        if self._stopped_by_input and not self._asked_to_end:
            watched.append(0)
        if self._reads is not None and self._reads.descriptor >= 0:
            watched.append(self._reads.descriptor)
        ready, _, _ = select.select(watched, (), (), seconds)
        self._note_opened()
        if self._woken in ready:
            os.read(self._woken, 4096)
        if 0 in ready and not os.read(0, 4096):
            self._asked_to_end = True

    def _end_all(self, worker: int) -> list[str]:
        if not self._asked_to_end:
            self._wait_for_all(worker, _GRACE_S)
        if not self._has_children():
            return []
        below = self._descendants()
        from pytest_flame.sampling.descendants import command

        left: dict[int, str] = {}
        numbers = (signal.SIGKILL,) if self._asked_to_end else (signal.SIGTERM, signal.SIGKILL)
        for number in numbers:
            for _ in range(100):  # until no process is left that might start another
                living = [pid for pid in below.living() if pid not in left or number == signal.SIGKILL]
                for pid in living:
                    left.setdefault(pid, command(pid))
                    _kill(pid, number, left)
                if not living or self._wait_for_all(worker, _GRACE_S / 10):
                    break
            if self._wait_for_all(worker, _GRACE_S if number == signal.SIGTERM else _PATIENCE_S):
                break
        left.pop(worker, None)
        return [name for name in left.values() if not any(helper in name for helper in _HELPERS)]

    def _descendants(self) -> Descendants:
        """Imported only when needed: the import takes longer than everything else."""
        if self._below is None:
            _make_importable()
            from pytest_flame.sampling.descendants import Descendants

            self._below = Descendants(self._pid)
        return self._below

    def _watch(self) -> None:
        _make_importable()
        from pathlib import Path

        from pytest_flame.trees.opened import Reads, Watched

        self._reads = Reads(Watched.read(Path(self._watched)))
        self._descendants().living()  # read once, the next time is fast

    def _note_opened(self) -> None:
        if self._reads is None:
            return
        for file in self._reads.take():
            if file not in self.opened:
                from pytest_flame.sampling.descendants import command

                below = self._descendants().living()
                self.opened[file] = [command(pid) for pid in below if pid != self._worker]
        self.unwatched = self._reads.unknown

    def _wait_for_all(self, worker: int, seconds: float) -> bool:
        """Whether no child is left."""
        end = time.monotonic() + seconds
        while True:
            self._reap(worker)
            remaining = end - time.monotonic()
            if not self._has_children():
                return True
            if remaining <= 0:
                return False
            select.select([self._woken], (), (), remaining)
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, 4096)

    def _has_children(self) -> bool:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self._worker:
            os.kill(self._worker, number)

    def _ask_to_end(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_end = True

    def _prctl(self, option: int, argument: int) -> None:
        if self._libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0):
            raise OSError(ctypes.get_errno(), f"prctl({option})")


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


def _kill(pid: int, number: signal.Signals, left: dict[int, str]) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it ended first
    except PermissionError:
        left[pid] = f"{left[pid].removesuffix(_NOT_OURS)}{_NOT_OURS}"


_NOT_OURS = " (owned by another user, still running)"


def _make_importable() -> None:
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if folder not in sys.path:
        sys.path.insert(0, folder)


def fork_kept(report: str, watched: str, begin: Callable[[], None]) -> int:
    """Forks a keeper, and from it the worker, which goes on from here: 0 there, the keeper's number in the caller.

    ``begin`` is called in the first fork. The keeper dies with the caller, and the worker with its keeper.
    """
    caller = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    begin()
    keeper = _Keeper(watched, stopped_by_input=False)
    keeper._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != caller:
        os._exit(1)
    worker = keeper.fork()
    if not worker:
        return 0
    try:
        _keep(keeper, worker, report)
    finally:  # whatever happened: the caller's handlers and its test run are not this process's
        os._exit(0)


def _keep(keeper: _Keeper, worker: int, report: str) -> None:
    status, left = keeper.keep(worker)
    found = {"status": status, "left": left, "opened": keeper.opened, "unwatched": keeper.unwatched}
    with open(report, "w", encoding="utf-8") as file:
        json.dump(found, file)


def main(report: str, watched: str, channel: str, *command: str) -> None:
    """``watched`` is empty if there is nothing to watch, ``channel`` if there is none."""
    keeper = _Keeper(watched, stopped_by_input=True)
    worker = keeper.start(list(command))
    if channel:
        os.close(int(channel))
    _keep(keeper, worker, report)


if __name__ == "__main__":
    main(*sys.argv[1:])
