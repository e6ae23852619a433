"""Numbers as people read them. Costs come in as picoseconds, effects as fractions (0.05 is 5 %).

Profiles of other tools hold samples or bytes instead of times: ``counted_in`` says so for a while.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

_UNITS: Final = ((10**12, "s"), (10**9, "ms"), (10**6, "µs"), (10**3, "ns"), (1, "ps"))
_UNKNOWN: Final = "unknown"
MINUS: Final = "−"


@dataclass(frozen=True, slots=True)
class Amount:
    """What costs are costs of."""

    axis: str
    """What a width means: ``CPU time per iteration``, ``samples``."""
    noun: str = ""
    """One of what is counted, ``sample``; empty for times."""
    per: int = 1
    """How much of a cost one of them is."""


TIME: Final = Amount("CPU time per iteration")
SAMPLES: Final = Amount("samples", "sample", per=1000)
_CURRENT: Final[ContextVar[Amount]] = ContextVar("amount", default=TIME)


def amount() -> Amount:
    """What costs are just now."""
    return _CURRENT.get()


@contextmanager
def counted_in(amount: Amount) -> Iterator[None]:
    """Within the block, costs read as this (as ``decimal.localcontext`` does it for precision)."""
    token = _CURRENT.set(amount)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def duration(ps: float) -> str:
    """``12.31 ms``: the unit that leaves one to three digits before the point, about four in all.

    ``1,234 samples`` where that is what costs are.
    """
    if not math.isfinite(ps):
        return _UNKNOWN
    scale, unit = _unit(ps)
    return f"{_number(ps / scale, _decimals(ps, scale))} {unit}"


def signed_duration(ps: float) -> str:
    """``+1.62 ms``; the sign is always there, except on zero."""
    return f"+{duration(ps)}" if ps > 0 else duration(ps)


def before_after(base_cost: float, head_cost: float) -> tuple[str, str]:
    """Both times in the larger one's unit and digits, unless that would leave the smaller one without digits."""
    larger, smaller = max(base_cost, head_cost), min(base_cost, head_cost)
    scale, unit = _unit(larger)
    if not math.isfinite(larger) or (smaller and smaller < scale / 10):
        return duration(base_cost), duration(head_cost)
    decimals = _decimals(larger, scale)
    return f"{_number(base_cost / scale, decimals)} {unit}", f"{_number(head_cost / scale, decimals)} {unit}"


def change(base_cost: float, head_cost: float) -> str:
    """``2.62 → 4.23 ms``: both, and the unit once where they share it."""
    base, head = before_after(base_cost, head_cost)
    number, _, unit = base.rpartition(" ")
    return f"{number} → {head}" if number and head.endswith(f" {unit}") else f"{base} → {head}"


def duration_interval(low_cost: float, high_cost: float) -> str:
    """``[+1.50, +1.74] ms``, both ends in one unit."""
    larger = max(abs(low_cost), abs(high_cost))
    if not (math.isfinite(low_cost) and math.isfinite(high_cost)):
        return "interval unknown"
    scale, unit = _unit(larger)
    low, high = (_signed(end / scale, _decimals(larger, scale)) for end in (low_cost, high_cost))
    return f"[{low}, {high}] {unit}"


def percent(fraction: float) -> str:
    """``1.1 %``, unsigned for positive values."""
    return f"{_number(fraction * 100, _percent_decimals(fraction))} %" if math.isfinite(fraction) else _UNKNOWN


def signed_percent(fraction: float) -> str:
    """``+13.9 %``."""
    if not math.isfinite(fraction):
        return _UNKNOWN
    return f"{_signed(fraction * 100, _percent_decimals(fraction))} %"


def percent_interval(low: float, high: float) -> str:
    """``[11.8, 16.0]``, in percent, as it stands behind an effect."""
    ends = [_number(end * 100, _percent_decimals(end)) if math.isfinite(end) else _UNKNOWN for end in (low, high)]
    return f"[{ends[0]}, {ends[1]}]"


def setting(fraction: float) -> str:
    """A percentage someone chose, with the digits it was chosen with: ``5 %``, ``2.5 %``."""
    return f"{fraction * 100:.6g} %"


def elapsed(seconds: float) -> str:
    """``4 min 12 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n)


def p_value(p: float) -> str:
    """Three decimals, and never a zero."""
    if not math.isfinite(p):
        return _UNKNOWN
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def count(number: int, noun: str = "", plural: str = "") -> str:
    """``1,500``, ``1 test``, ``2 tests``."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def ticks(total: int, most: int = 8) -> list[tuple[float, str]]:
    """Round amounts from 0 to ``total`` for a ruler, and what stands at them: ``(0, "0"), (2000000000, "2 ms")``."""
    if total <= 0:
        return []
    scale, unit = _unit(total)
    counted = amount().noun
    least = total / scale / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
    marks = [i * step for i in range(int(total / scale / step * (1 + 1e-9)) + 1)]
    return [
        (mark * scale, f"{_trimmed(mark)} {_unit(mark * scale)[1] if counted else unit}" if mark else "0")
        for mark in marks
    ]


def _trimmed(value: float) -> str:
    """At most six digits, without zeros behind the point and without an exponent."""
    value = float(f"{value:.6g}")
    text = f"{value:,.6f}" if amount().noun else f"{value:.6f}"
    return text.rstrip("0").removesuffix(".")


def _unit(ps: float) -> tuple[int, str]:
    counted = amount()
    if counted.noun:
        return counted.per, counted.noun if abs(ps) == counted.per else f"{counted.noun}s"
    if ps == 0 or not math.isfinite(ps):
        return 10**3, "ns"
    rounded = abs(float(f"{ps:.4g}"))  # 999.96 µs is 1.00 ms
    return next(((scale, unit) for scale, unit in _UNITS if rounded >= scale), _UNITS[-1])


def _decimals(ps: float, scale: int) -> int:
    if scale == 1 or ps == 0 or (amount().noun and abs(ps) >= scale):
        return 0
    return 2 if abs(ps) / scale < 99.995 else 1


def _percent_decimals(fraction: float) -> int:
    return 1 if abs(fraction) < 0.9995 else 0


def _number(value: float, decimals: int) -> str:
    text = f"{abs(value):,.{decimals}f}" if amount().noun else f"{abs(value):.{decimals}f}"
    return MINUS + text if value < 0 and round(value, decimals) else text


def _signed(value: float, decimals: int) -> str:
    text = _number(value, decimals)
    return f"+{text}" if value > 0 and round(value, decimals) else text
