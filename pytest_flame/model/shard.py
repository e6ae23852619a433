"""One of several runs that share the gated tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shard:
    """``index`` counts from 1 to ``count``."""

    index: int
    count: int
    division: str = ""
    """A digest of how the tests are divided: the same in all runs that measure all tests together."""

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
