"""The names of the samplers' events and what their samples stand for. No other module depends on the names."""

from __future__ import annotations

import enum
from typing import Final

TASK_CLOCK: Final = "task-clock"
LOOKS: Final = "cpu-clock-looks"
"""The timer's signals, which look at a thread at random moments."""
CYCLES: Final = "cycles:u"
INSTRUCTIONS: Final = "instructions:u"


class Accounting(enum.Enum):
    """How samples add up to what the clocks say."""

    TICKS = "each period of CPU gives a sample, or one is missing"
    RANDOM = "as many samples as chance gave"
    COUNTER = "samples split what the processor counted in user mode"
    EXACT = "nothing is estimated"


_ACCOUNTING: Final = {
    TASK_CLOCK: Accounting.TICKS,
    LOOKS: Accounting.RANDOM,
    CYCLES: Accounting.COUNTER,
    INSTRUCTIONS: Accounting.COUNTER,
}


def accounting(event: str) -> Accounting:
    """Events of other sources are counted exactly."""
    return _ACCOUNTING.get(event.rstrip("p"), Accounting.EXACT)


def hardware(event: str) -> str | None:
    """The processor's counter, ``cycles`` or ``instructions``, where it is one's event."""
    return event.partition(":")[0] if accounting(event) is Accounting.COUNTER else None


def with_precision(event: str, level: int) -> str:
    """``cycles:upp``: a ``p`` for each level of precision the processor gave (perf-list(1))."""
    return event.rstrip("p") + "p" * level


def is_precise(event: str) -> bool:
    return hardware(event) is not None and event.endswith("p")
