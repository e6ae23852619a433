"""CPU of all processes a worker has started, directly or indirectly, including those still running.

The kernel charges a process for a child only once it has waited for it. A pool or a server that a fixture started keeps
working, so its clocks are read, too. A process's CPU is added to its parent when it is waited for; reading from the
ancestors down, the sum neither loses nor doubles anything.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

NS_PER_S: Final = 1_000_000_000
_TICK_NS: Final = NS_PER_S // os.sysconf("SC_CLK_TCK")
_TRIES: Final = 50
_LONGEST_RANGE: Final = 2000
"""Process numbers assigned since; with more of them, listing all processes is faster."""
_QUIET_NS: Final = 5_000_000
# Bound once: a program may stop its own clock.
_clock_gettime_ns: Final = partial(time.clock_gettime_ns)
_rest: Final = partial(time.sleep, _QUIET_NS / NS_PER_S)
_settle: Final = partial(time.sleep, 0.0003)
_SETTLING: Final = 10
_LONGEST_LOOK: Final = 1000
_MOST_LEFT: Final = 0.05
"""Share of the counted CPU that may still be used after the body has returned."""


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """One process, from ``/proc/PID/stat`` (proc_pid_stat(5))."""

    parent: int
    state: str
    threads: int
    started: int
    """Ticks since boot; together with the number it identifies a process."""
    own_ns: int
    waited_ns: int
    """CPU of the children it waited for, in whole ticks."""


def status(pid: int | str) -> ProcessStat | None:
    """None if there is no such process, or it may not be read. Also for a thread, ``PID/task/TID``."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(descriptor, 4096)
    except OSError:
        return None  # it ended in the meantime
    finally:
        os.close(descriptor)
    # The name is in parentheses and may contain anything.
    words = text[text.rindex(b")") + 2 :].split()
    own, waited = int(words[11]) + int(words[12]), int(words[13]) + int(words[14])
    return ProcessStat(
        int(words[1]), words[0].decode(), int(words[17]), int(words[19]), own * _TICK_NS, waited * _TICK_NS
    )


def command(pid: int) -> str:
    """The command of a process, or its name if the command is not available."""
    for file in ("cmdline", "comm"):
        try:
            text = Path(f"/proc/{pid}/{file}").read_bytes()
        except OSError:
            return f"process {pid}"
        words = text.rstrip(b"\0\n").split(b"\0")
        if words != [b""]:
            return " ".join(word.decode(errors="replace") for word in words)
    return f"process {pid}"


class Children(Protocol):
    """What a meter needs to know about other processes."""

    def cpu_ns(self) -> int:
        """All CPU they have used so far, including ended ones; only differences are meaningful."""

    def unseen(self, counted_ns: int) -> str | None:
        """Why CPU of what was just measured is missing, in one line; None if it is complete.

        ``counted_ns`` is what was counted.
        """


class Waited:
    """The children that this process waited for."""

    def cpu_ns(self) -> int:
        return waited_ns()

    def unseen(self, counted_ns: int) -> str | None:
        return None


class Descendants:
    """Those of one process, and orphans among them that ``keeper`` adopted."""

    def __init__(self, root: int, keeper: int | None = None) -> None:
        self._root = root
        self._keeper = keeper
        self._known: dict[int, int] = {}
        """Number → start, parents before their children."""
        self._newest: int | None = None
        """The last process number assigned when processes were last listed."""
        self._orphans_ns = 0
        self._load = _open("/proc/loadavg")
        self._unsettled = False
        self._running = False

    def close(self) -> None:
        if self._load is not None:
            os.close(self._load)
            self._load = None

    def cpu_ns(self) -> int:
        """Exact to the nanosecond, except for ended children of descendants: the kernel reports those in ticks (10 ms),
        none of which is lost in the differences of a process's rounds."""
        newest = self._last_number()
        if newest is not None and newest == self._newest and not self._known:
            return waited_ns() + self._orphans_ns
        for _ in range(_TRIES):
            self._discover(newest)
            total = self._sum()
            if total is not None:
                break
            newest = self._last_number()
        else:
            self._unsettled = True
            return waited_ns() + self._orphans_ns
        # The clock of a process running on another CPU only advances at ticks, and an answer often arrives before its
        # sender has gone to sleep.
        for _ in range(_SETTLING):
            if not self._running:
                break
            _settle()
            total = self._sum() or total
        return total

    def living(self) -> dict[int, ProcessStat]:
        """Parents before their children, without zombies."""
        self._discover(self._last_number())
        found = {pid: status(pid) for pid in self._known}
        return {
            pid: s for pid, s in found.items() if s is not None and s.started == self._known[pid] and s.state != "Z"
        }

    def unseen(self, counted_ns: int) -> str | None:
        if self._unsettled:
            return "processes of the test start and end too fast for their CPU time to be read"
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            return "the test ignores SIGCHLD: the kernel then discards the cost of child processes"
        living = self.living()
        if not living and has_children():
            return "the test has child processes that cannot be seen in /proc: their CPU time is unknown"
        for pid in living:
            if _ignores_children(pid):
                return f"`{command(pid)}` ignores SIGCHLD: the kernel then discards the cost of its child processes"
        return self._left_to_do(counted_ns) if living else None

    def _left_to_do(self, counted_ns: int) -> str | None:
        """Whether work continues that the body started and did not wait for."""
        allowed = max(_MOST_LEFT * counted_ns, _QUIET_NS)
        before = last = self.cpu_ns()
        for _ in range(_LONGEST_LOOK):
            _rest()
            now = self.cpu_ns()
            if now - before > allowed:
                break
            # On a busy machine a runnable process may have to wait.
            if now - last < _QUIET_NS // 10 and not any(_wants_to_run(pid) for pid in self._known):
                return None
            last = now
        return (
            "child processes keep working after the body has returned: it does not wait for the work it gave them, or "
            "they are never idle, and their work for it cannot be measured"
        )

    def _last_number(self) -> int | None:
        """The number of the newest process or thread on the machine; None if the kernel does not report it."""
        if self._load is None:
            return None
        words = os.pread(self._load, 256, 0).split()
        return int(words[4]) if len(words) == 5 and words[4].isdigit() and int(words[4]) > 0 else None

    def _discover(self, newest: int | None) -> None:
        """Reads the processes that are new since the last time."""
        if newest is not None and newest == self._newest:
            return
        parents: dict[int, tuple[int, int]] = {}
        for pid in self._candidates(newest):
            found = _settled_status(pid)
            if found is not None and pid not in (self._root, self._keeper):
                parents[pid] = (found.parent, found.started)
        ancestors = {self._root, *self._known, *({self._keeper} if self._keeper is not None else ())}
        while new := [pid for pid, (parent, _) in parents.items() if parent in ancestors]:
            for pid in new:
                started = parents.pop(pid)[1]
                if _is_process(pid):
                    ancestors.add(pid)
                    self._known[pid] = started
        self._newest = newest

    def _candidates(self, newest: int | None) -> list[int]:
        last = self._newest
        # Numbers restart at the lowest once the highest is assigned.
        if newest is not None and last is not None and last < newest <= last + _LONGEST_RANGE:
            return [pid for pid in range(last + 1, newest + 1) if pid not in self._known]
        try:
            names = os.listdir("/proc")  # noqa: PTH208
        except OSError:
            return []
        return [pid for name in names if name.isdigit() and (pid := int(name)) not in self._known]

    def _sum(self) -> int | None:
        """None if a process ended in the meantime: its parent may have been read before it was charged."""
        if self._keeper is not None:
            keeper = status(self._keeper)
            self._orphans_ns = keeper.waited_ns if keeper is not None else self._orphans_ns
        total = self._orphans_ns + waited_ns()
        self._running = False
        ended = []
        for pid, started in self._known.items():
            found = status(pid)
            used = _clock_ns(pid)
            if found is None:
                ended.append(pid)
            elif found.started != started:
                ended.append(pid)
                self._newest = None  # another process has its number, and was skipped
            else:
                total += (found.own_ns if used is None else used) + found.waited_ns
                self._running |= found.state == "R" or (found.threads > 1 and _wants_to_run(pid))
        for pid in ended:
            del self._known[pid]
        return None if ended else total


def _settled_status(pid: int) -> ProcessStat | None:
    """With a parent that exists: one that just ended is being replaced by the process that adopts the child."""
    found = status(pid)
    for _ in range(_TRIES):
        if found is None or found.parent == 0 or status(found.parent) is not None:
            break
        found = status(pid)
    return found


def _clock_ns(pid: int) -> int | None:
    """CPU of all threads of a process; the number is that of clock_getcpuclockid(3)."""
    try:
        return _clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return None


def waited_ns() -> int:
    """CPU of the children this process waited for, including those that they waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round((usage.ru_utime + usage.ru_stime) * NS_PER_S)


def had_children() -> bool:
    """Whether this process ever started another that it has waited for or still could."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0 or has_children()


def has_children() -> bool:
    """Whether this process has children that it has not waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _is_process(pid: int) -> bool:
    """Threads also exist under their own numbers, though no listing shows them."""
    return _status_field(pid, b"Tgid:") == b"%d" % pid


def _status_field(pid: int, name: bytes) -> bytes | None:
    """From ``/proc/PID/status``."""
    try:
        text = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return None
    return next((line.split()[1] for line in text.splitlines() if line.startswith(name)), None)


def _wants_to_run(pid: int) -> bool:
    """Whether one of its threads is running, or would be if it had a CPU."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
    except OSError:
        return False
    return any(found.state in "RD" for task in tasks if (found := status(f"{pid}/task/{task}")) is not None)


def _ignores_children(pid: int) -> bool:
    return bool(int(_status_field(pid, b"SigIgn:") or b"0", 16) >> (signal.SIGCHLD - 1) & 1)


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
