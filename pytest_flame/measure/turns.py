"""The two processes of a pair take turns, round by round: one runs while the other waits.

What the machine does in that second then happens to both, and cancels in their ratio. Each side has a FIFO from which
it reads that it is its turn, and which the other side writes to. The second side says that it has arrived by giving the
first one its first turn. A launcher whose worker is gone tells the other side to go on alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pytest_flame import clocks
from pytest_flame.measure.deadline import Pulse

_GO: Final = b"g"
_ALONE: Final = b"a"


@dataclass(frozen=True, slots=True)
class Places:
    """The FIFOs of one side."""

    own: str
    other: str
    first: bool


class Fifos:
    """Those of a pair, in ``folder``; the sides' processes open them later, if they get so far."""

    def __init__(self, folder: Path) -> None:
        paths = folder / "turn.1", folder / "turn.2"
        for path in paths:
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
        one, two = map(str, paths)
        self.first, self.second = Places(one, two, first=True), Places(two, one, first=False)
        # Open for both directions: what is written stays there until it is read.
        self._ends = {path: os.open(path, os.O_RDWR | os.O_CLOEXEC) for path in (one, two)}

    def leave_alone(self, side: Places) -> None:
        """Tells this side that the other one is gone."""
        os.write(self._ends[side.own], _ALONE)

    def close(self) -> None:
        for end in self._ends.values():
            os.close(end)


@dataclass
class Turns:
    """One worker's side. Without ``places`` it is alone from the beginning."""

    places: Places | None
    pulse: Pulse
    waited_ns: int = 0
    """Wall time that was not this side's."""
    _own: int = -1
    _other: int = -1
    _mine: bool = field(default=False, init=False)

    def arrive(self) -> None:
        """Waits for this side's first turn. Raises ``OSError``."""
        if self.places is None:
            return
        # Open for both directions: opening does not wait for the other side, and writing does not fail without it.
        self._own = os.open(self.places.own, os.O_RDWR | os.O_CLOEXEC)
        self._other = os.open(self.places.other, os.O_RDWR | os.O_CLOEXEC)
        if not self.places.first:
            os.write(self._other, _GO)
        self.take()

    def take(self) -> None:
        if self._own < 0 or self._mine:
            return
        self.pulse.pause()
        began = clocks.monotonic_ns()
        word = os.read(self._own, 1)
        self.waited_ns += clocks.monotonic_ns() - began
        self.pulse.resume()
        self._mine = True
        if word == _ALONE:
            self._close()

    def give(self) -> None:
        if self._own >= 0 and self._mine:
            self._mine = False
            os.write(self._other, _GO)

    def leave(self) -> None:
        """The other side has all further turns."""
        if self._own >= 0:
            os.write(self._other, _ALONE)
            self._close()

    def _close(self) -> None:
        for end in (self._own, self._other):
            os.close(end)
        self._own = self._other = -1
