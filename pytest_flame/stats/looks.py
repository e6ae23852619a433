"""Looking at a comparison more than once without paying for it in false alarms.

Every look spends its own part of the error (Bonferroni). That is valid for total, frames and intervals alike, however
the looks depend on each other. The parts are in proportion to the number of processes: most of the error is kept for
the looks with the most data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

FIRST: Final = 5
"""Fewer processes per side say too little about their spread for a look to be worth its part of the error."""
MOST: Final = 5
STEP: Final = math.sqrt(2)
"""From one look to the next the standard error falls by a sixth."""


@dataclass(frozen=True, slots=True)
class Looks:
    """After how many processes per side the data are looked at, and the one-sided error that each look spends."""

    counts: tuple[int, ...]
    alphas: tuple[float, ...]

    @property
    def last(self) -> int:
        return self.counts[-1]

    def alpha(self, count: int) -> float:
        """The alpha of the look due with ``count`` processes: the last one not beyond them."""
        return self.alphas[max(sum(c <= count for c in self.counts), 1) - 1]

    def due(self, before: int, now: int) -> bool:
        """Whether a look lies between two numbers of processes."""
        return any(before < count <= now for count in self.counts)


def plan_looks(most: int, alpha: float, *, reserve: int = 0) -> Looks:
    """Looks at up to ``most`` processes per side, in equal steps of precision.

    ``reserve`` additional looks, each with the error of the last one, are kept for later.
    """
    counts = {most}
    for step in range(1, MOST):
        count = round(most / STEP**step)
        if count < FIRST:
            break
        counts.add(count)
    ordered = tuple(sorted(counts))
    whole = sum(ordered) + reserve * most
    return Looks(ordered, tuple(alpha * count / whole for count in ordered))
