"""What the numbers of a profile count. Inside they are picoseconds, or 1000 for each one of anything else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pytest_flame.errors import UsageError
from pytest_flame.formats.collapsed import PER_COUNT
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


@dataclass(frozen=True, slots=True)
class Unit:
    """``scale`` is how much of a cost a count of one is."""

    name: str
    amount: Amount
    scale: int
    speedscope: str = "none"
    """What speedscope calls a thousand of the cost."""

    def cost(self, thousandths: int) -> int:
        """The nearest whole cost; what was there is never nothing."""
        return max(1, (thousandths * self.scale + PER_COUNT // 2) // PER_COUNT) if thousandths else 0


SAMPLE: Final = Unit("samples", SAMPLES, PER_COUNT)
BASELINE: Final = Unit("ps", _PER_ITERATION, 1, "nanoseconds")
"""A baseline of pytest-flame."""


def parse_unit(text: str) -> Unit:
    """``samples``, a time (``ps`` to ``s``), or the name of anything else that was counted. Raises ``UsageError``."""
    name = {"µs": "us", "μs": "us", "sample": "samples"}.get(text, text)
    if name == SAMPLE.name:
        return SAMPLE
    if name in _TIMES:
        return Unit(name, _TIME, _TIMES[name], "nanoseconds")
    if not re.fullmatch(r"[^\W\d][\w .-]{0,30}", name):
        raise UsageError(
            f"--unit={text} names nothing that can be counted",
            why="expected samples, a time (ns, us, ms, s) or a word such as bytes or cycles",
        )
    noun = name.removesuffix("s")
    return Unit(name, Amount(f"{noun}s", noun, per=1000), PER_COUNT, "bytes" if noun == "byte" else "none")
