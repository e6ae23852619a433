"""Slowdowns that are accepted for a while, and what a run found out about each of them."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One entry of the file of accepted slowdowns."""

    test: str
    """A test id, or a pattern of ids: ``*`` is any text, ``?`` any character."""
    limit: float
    """The largest slowdown that is accepted, as a share of the test's base cost: 0.12 is +12 %."""
    reason: str
    until: datetime.date
    """The last day on which it holds."""
    culprit: str | None = None
    """The one function whose growth is accepted; None: the whole test's, and that of all of its functions."""
    place: str = field(default="", compare=False)
    """``flame-accepted.toml, entry 2``."""

    def expired(self, today: datetime.date) -> bool:
        return today > self.until


class EntryState(enum.Enum):
    """What became of an entry in a run, as in the JSON result."""

    ACCEPTS = "accepts"
    """A test would be REGRESSED without it."""
    EXCEEDED = "exceeded"
    """A test it is for is REGRESSED, by more than the entry accepts or in something else."""
    EXPIRED = "expired"
    UNNEEDED = "no longer needed"
    """The tests it is for pass without it."""
    UNMATCHED = "matches no test"
    UNDECIDED = "undecided"
    """The tests it is for were not selected, or have no verdict on their cost."""


@dataclass(frozen=True, slots=True)
class EntryUse:
    """An entry, and the tests of this run that its state rests on."""

    entry: Acceptance
    state: EntryState
    tests: tuple[str, ...] = ()
