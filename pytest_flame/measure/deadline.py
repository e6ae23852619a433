"""How long a measured process may take: a process that hangs is not waited for indefinitely.

The limit comes from what base took and from the project's own timeout of a call. The worker writes the deadline of its
current step to memory that it shares with the launcher, which looks there only once that time is over: nothing wakes up
while rounds run.
"""

from __future__ import annotations

import enum
import faulthandler
import mmap
import os
import select
import signal
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from pytest_flame import clocks
from pytest_flame.quantities import shown_seconds

FACTOR: Final = 20.0
"""Multiple of what base took."""
LEAST_S: Final = 30.0
"""A busy machine takes long to start an interpreter."""
MOST_MORE_S: Final = 3600.0
"""At most this much beyond what base took."""
UNKNOWN_S: Final = 300.0
"""If base's time is not known."""
CALL_FACTOR: Final = 2.0
CALL_MORE_S: Final = 5.0
"""Multiple of the project's own timeout of a call: sampling and a busy machine are not a hang."""
EXPECTED_FACTOR: Final = 3.0
"""Multiple of the expected time of several calls, estimated from earlier ones."""
_PAUSE_S: Final = 1e6
STACKS_SIGNAL: Final = signal.SIGRTMAX - 5
_STACKS_WAIT_S: Final = 2.0
_STACK_LINES: Final = 20
_PULSE: Final = "pulse"
_STACKS: Final = "stacks.txt"
_NS: Final = 1_000_000_000
_OWN_FRAMES: Final = ("/pytest_flame/measure/", "/_pytest/", "/pluggy/")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds, for one process."""

    before_s: float = UNKNOWN_S
    """From its start to the first call; and from the last call to its end."""
    calls_s: float = UNKNOWN_S
    """From the first call to the end of the last."""
    total_s: float | None = None
    """The requested limit (``--flame-deadline``) of the whole process."""

    both_sides: bool = False
    """The process also waits for the other side of its pair, which may take as long."""

    @property
    def most_s(self) -> float:
        own = 2 * self.before_s + self.calls_s if self.total_s is None else self.total_s
        return 2 * own if self.both_sides else own

    @classmethod
    def asked_for(cls, seconds: float) -> Patience:
        return cls(seconds, seconds, seconds)


def allowed_s(known_s: float | None) -> float:
    """For a phase that took ``known_s`` on base, if known."""
    if known_s is None:
        return UNKNOWN_S
    return max(LEAST_S, min(FACTOR * known_s, known_s + MOST_MORE_S))


class Phase(enum.IntEnum):
    STARTING = 0
    CALLING = 1
    ENDING = 2


@dataclass(frozen=True, slots=True)
class Hang:
    """A process that was not done in time. ``first_call`` and ``last_call`` are the calls that did not return."""

    phase: Phase
    seconds: float
    first_call: int = 0
    last_call: int = 0
    own_timeout_s: float | None = None
    """The project's own timeout, if that was the limit."""

    @property
    def words(self) -> str:
        """``did not return in 30 s``."""
        seconds = shown_seconds(self.seconds)
        own = f"; its own timeout is {shown_seconds(self.own_timeout_s)}" if self.own_timeout_s else ""
        match self.phase:
            case Phase.STARTING:
                return f"did not reach its first call in {seconds}{own}"
            case Phase.ENDING:
                return f"made its calls but did not exit in {seconds}"
        if self.last_call <= 1:
            return f"did not return in {seconds}{own}"
        if self.first_call == self.last_call:
            return f"did not return from call {self.last_call} in {seconds}{own}"
        return f"did not return from calls {self.first_call} to {self.last_call} in {seconds}{own}"


_LAYOUT: Final = struct.Struct("=qqqqqq")
"""The deadline and the start (monotonic, ns), the phase, the current calls, the project's timeout (ns) or 0."""


class Pulse:
    """The worker's side: announces the current step and its deadline."""

    def __init__(self, folder: str, patience: Patience) -> None:
        self._patience = patience
        self._memory = _shared(Path(folder, _PULSE)) if folder else None
        self._own_timeout_s: float | None = None
        self._calls_end_ns: int | None = None
        self._began_ns = self._paused_ns = 0
        self._calls = 0
        self._per_call_s = 0.0

    def own_timeout(self, seconds: float) -> None:
        """The project's own timeout of this test, including set-up unless it starts only after set-up."""
        self._own_timeout_s = seconds
        if self._calls_end_ns is None:
            now = clocks.monotonic_ns()
            self._say(Phase.STARTING, now, self._for_one_call(now, now + _ns(self._patience.before_s), 0.0))

    def ending(self) -> None:
        now = clocks.monotonic_ns()
        self._say(Phase.ENDING, now, now + _ns(self._patience.before_s))

    def left_s(self) -> float:
        """The time for all calls."""
        if self._calls_end_ns is None:
            return self._patience.calls_s
        return (self._calls_end_ns - clocks.monotonic_ns()) / _NS

    def before(self, calls: int) -> None:
        """Announces the next calls."""
        now = self._began_ns = clocks.monotonic_ns()
        if self._calls_end_ns is None:
            self._calls_end_ns = now + _ns(self._patience.calls_s)
        until = self._for_one_call(now, self._calls_end_ns, EXPECTED_FACTOR * calls * self._per_call_s)
        self._say(Phase.CALLING, now, until, calls)

    def pause(self) -> None:
        """It is another process's turn, which has a deadline of its own."""
        now = self._paused_ns = clocks.monotonic_ns()
        self._say(Phase.CALLING, now, now + _ns(_PAUSE_S))

    def resume(self) -> None:
        if self._calls_end_ns is not None:
            self._calls_end_ns += clocks.monotonic_ns() - self._paused_ns

    def after(self, calls: int) -> None:
        self._calls += calls
        self._per_call_s = (clocks.monotonic_ns() - self._began_ns) / _NS / calls

    def _for_one_call(self, now: int, until: int, expected_s: float) -> int:
        """``until``, or earlier if the project limits the time of one call."""
        if self._own_timeout_s is None:
            return until
        return min(until, now + _ns(CALL_FACTOR * self._own_timeout_s + CALL_MORE_S + expected_s))

    def _say(self, phase: Phase, now: int, until: int, calls: int = 0) -> None:
        if self._memory is not None:
            own = _ns(self._own_timeout_s or 0)
            _LAYOUT.pack_into(self._memory, 0, until, now, phase, self._calls + 1, self._calls + calls, own)


def _shared(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), _LAYOUT.size)


_stacks: int | None = None
"""The open file of the stacks of this process, or of the one that it was forked from."""


def show_stacks_when_asked(folder: str) -> None:
    """In the worker: writes the stacks of where it hangs when the launcher asks."""
    global _stacks
    # A descriptor, which stays open for as long as the process runs. A file object that is dropped unclosed makes a
    # ResourceWarning, which fails the test of a project for which warnings are errors.
    before, _stacks = _stacks, os.open(Path(folder, _STACKS), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    faulthandler.unregister(STACKS_SIGNAL)  # a keeper may have replaced the handler since
    faulthandler.register(STACKS_SIGNAL, _stacks, all_threads=True)
    if before is not None:
        os.close(before)


class Waitable(Protocol):
    """A worker as its launcher sees it."""

    def ends_until(self, until_ns: int) -> bool:
        """Whether it has ended; waits until ``until_ns`` (monotonic) without waking up in between."""

    def send_signal(self, number: int) -> None: ...


class DeadlineWatch:
    """The launcher's side of one process."""

    def __init__(self, folder: Path, patience: Patience) -> None:
        pulse, self._stacks = folder / _PULSE, folder / _STACKS
        self._patience = patience
        self._began_ns = clocks.monotonic_ns()
        # Written and not only extended: a full disk has to fail here and not in the worker's memory.
        pulse.write_bytes(bytes(_LAYOUT.size))
        self._stacks.unlink(missing_ok=True)
        self._memory = _shared(pulse)

    def close(self) -> None:
        self._memory.close()

    @property
    def until_ns(self) -> int:
        """The deadline (monotonic) of what the process does now; the next step may have an earlier one."""
        most = self._began_ns + _ns(self._patience.most_s)
        until, *_ = _LAYOUT.unpack_from(self._memory)
        return min(most, until or self._began_ns + _ns(self._patience.before_s))

    def hang(self, now: int) -> Hang | None:
        """What it did not finish in time."""
        return self._hang(now) if now >= self.until_ns else None

    def stacks(self, worker: Waitable) -> str:
        """Where the worker is now, as the Python stacks of its threads; empty if it does not answer."""
        if not self._stacks.exists():
            return ""
        worker.send_signal(STACKS_SIGNAL)
        end = clocks.monotonic_ns() + _ns(_STACKS_WAIT_S)
        size = 0
        while not worker.ends_until(min(end, clocks.monotonic_ns() + _NS // 20)) and clocks.monotonic_ns() < end:
            before, size = size, self._stacks.stat().st_size
            if size and size == before:
                break
        return _shown(self._stacks.read_text(encoding="utf-8", errors="replace"))

    def _hang(self, now: int) -> Hang:
        _, began, phase, first, last, own = _LAYOUT.unpack_from(self._memory)
        seconds = (now - (began or self._began_ns)) / _NS
        earlier = own and now < self._began_ns + _ns(min(self._patience.before_s, self._patience.calls_s))
        return Hang(Phase(phase), seconds, first, last, own / _NS if earlier else None)


def readable_until(descriptors: Sequence[int], until_ns: int) -> bool:
    """Whether one of them has something to read, which for a pidfd is the end of its process; waits until
    ``until_ns``."""
    left_ns = max(0, until_ns - clocks.monotonic_ns())
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    # Rounded up: a loop that wakes up too early would spin.
    return bool(poll.poll(min(-(-left_ns // 1_000_000), 2**31 - 1)))


def _shown(stacks: str) -> str:
    """The program's own part of each thread's stack, up to the harness that called it."""
    shown: list[str] = []
    count, own = 0, True
    for line in stacks.splitlines():
        if line.startswith(("Thread ", "Current thread ")):
            count, own = 0, True
        own = own and not any(frame in line for frame in _OWN_FRAMES)
        if own and count <= _STACK_LINES:
            shown.append(line)
        count += 1
    return "\n".join(shown)


def _ns(seconds: float) -> int:
    return round(seconds * _NS)
