"""The unit of a profile's numbers. Internally they are picoseconds, or a power of ten for one of anything else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from pytest_flame import fold
from pytest_flame.errors import UsageError
from pytest_flame.model import Stack
from pytest_flame.render.units import SAMPLES, Amount

_TIME: Final = Amount("time")
_PER_ITERATION: Final = Amount("CPU time per iteration")
_TIMES: Final = {
    "ps": 1,
    "ns": 10**3,
    "us": 10**6,
    "ms": 10**9,
    "s": 10**12,
}
_MOST: Final = 2**62
"""Sums of costs are 64-bit numbers in the layout of pictures."""
_DECIMALS: Final = 3
"""The least decimals of counts other than times, since sums are scaled and split."""


@dataclass(frozen=True, slots=True)
class Unit:
    """``scale`` is the cost of a count of one."""

    name: str
    amount: Amount
    scale: int

    @property
    def timed(self) -> bool:
        return not self.amount.noun

    def fitting(self, decimals: int, most: int) -> Unit:
        """Fine enough for counts with that many decimals, whose sums are at most ``most``, if possible.

        Raises ``UsageError`` if the sums themselves are too large.
        """
        if self.timed:
            scale = self.scale
        else:
            scale = 10 ** max(_DECIMALS, decimals)
            while scale > 1 and most * scale > _MOST:
                scale //= 10
        if most * scale > _MOST:
            raise UsageError(
                f"the counts add up to {most:,} {self.name}, which is more than can be drawn",
                why=f"{_MOST // scale:,} is the most",
                fix="give their unit with --unit, such as ns instead of s" if self.timed else "scale them down",
            )
        return replace(self, scale=scale, amount=self.amount if self.timed else replace(self.amount, per=scale))

    def costs(self, counts: Mapping[Stack, int], decimals: int) -> dict[Stack, int]:
        """Costs of counts that are whole numbers of 10^-``decimals``. The sum is exact to half a unit of cost, and so
        is each count if its decimals fit."""
        one = 10**decimals
        if self.scale % one == 0:
            factor = self.scale // one
            return {stack: count * factor for stack, count in counts.items()}
        return fold.scale(counts, (2 * sum(counts.values()) * self.scale + one) // (2 * one))


SAMPLE: Final = Unit("samples", SAMPLES, 10**_DECIMALS)
BASELINE: Final = Unit("ps", _PER_ITERATION, 1)
"""A baseline of pytest-flame."""


def parse_unit(text: str) -> Unit:
    """``samples``, a time (``ps`` to ``s``), or the name of anything else that was counted. Raises ``UsageError``."""
    name = {"µs": "us", "μs": "us", "sample": "samples"}.get(text, text)
    if name == SAMPLE.name:
        return SAMPLE
    if name in _TIMES:
        return Unit(name, _TIME, _TIMES[name])
    if not re.fullmatch(r"[^\W\d][\w .-]{0,30}", name):
        raise UsageError(
            f"--unit={text} names nothing that can be counted",
            why="expected samples, a time (ns, us, ms, s) or a word such as bytes or cycles",
        )
    noun = name.removesuffix("s")
    return Unit(name, Amount(f"{noun}s", noun, per=SAMPLE.scale), SAMPLE.scale)
