"""Human-readable numbers: costs in the terms of their metric, times in picoseconds, effects as fractions (0.05 is
5 %)."""

from __future__ import annotations

import math
from typing import Final

from pytest_flame.model import CPU, Metric

_UNITS: Final = ((10**12, "s"), (10**9, "ms"), (10**6, "µs"), (10**3, "ns"), (1, "ps"))
_UNKNOWN: Final = "unknown"
MINUS: Final = "−"


def duration(ps: float) -> str:
    """``12.31 ms``: the unit that leaves one to three digits before the point, about four in all."""
    return cost(CPU, ps)


def cost(metric: Metric, cost: float) -> str:
    """``12.31 ms``, ``1,234 samples``."""
    if not math.isfinite(cost):
        return _UNKNOWN
    scale, unit = _unit(metric, cost)
    return f"{_number(metric, cost / scale, _decimals(metric, cost, scale))} {unit}"


def signed_cost(metric: Metric, change: float) -> str:
    """``+1.62 ms``; the sign is always there, except on zero."""
    return f"+{cost(metric, change)}" if change > 0 else cost(metric, change)


def before_after(metric: Metric, base: float, head: float) -> tuple[str, str]:
    """Both costs in the larger one's unit and digits, unless that would leave the smaller one without digits."""
    larger, smaller = max(base, head), min(base, head)
    scale, unit = _unit(metric, larger)
    if not math.isfinite(larger) or (smaller and smaller < scale / 10):
        return cost(metric, base), cost(metric, head)
    decimals = _decimals(metric, larger, scale)
    one, other = (_number(metric, side / scale, decimals) for side in (base, head))
    return f"{one} {unit}", f"{other} {unit}"


def change(metric: Metric, base: float, head: float) -> str:
    """``2.62 → 4.23 ms``: both, and the unit once where they share it."""
    before, after = before_after(metric, base, head)
    number, _, unit = before.rpartition(" ")
    return f"{number} → {after}" if number and after.endswith(f" {unit}") else f"{before} → {after}"


def cost_interval(metric: Metric, low: float, high: float) -> str:
    """``[+1.50, +1.74] ms``, both ends in one unit."""
    larger = max(abs(low), abs(high))
    if not math.isfinite(larger):
        return "interval unknown"
    scale, unit = _unit(metric, larger)
    ends = [_signed(metric, end / scale, _decimals(metric, larger, scale)) for end in (low, high)]
    return f"[{ends[0]}, {ends[1]}] {unit}"


def plain(metric: Metric) -> dict[str, str | int]:
    """What a script needs to write costs; for times, which are picoseconds there, no noun."""
    if metric.timed:
        return {"axis": metric.noun, "noun": "", "per": 1}
    return {"axis": metric.noun, "noun": metric.unit, "per": metric.scale}


def percent(fraction: float) -> str:
    """``1.1 %``, unsigned for positive values."""
    return f"{_number(CPU, fraction * 100, _percent_decimals(fraction))} %" if math.isfinite(fraction) else _UNKNOWN


def signed_percent(fraction: float) -> str:
    """``+13.9 %``."""
    if not math.isfinite(fraction):
        return _UNKNOWN
    return f"{_signed(CPU, fraction * 100, _percent_decimals(fraction))} %"


def percent_interval(low: float, high: float) -> str:
    """``[11.8, 16.0]``, in percent, as it stands behind an effect."""
    ends = [_number(CPU, end * 100, _percent_decimals(end)) if math.isfinite(end) else _UNKNOWN for end in (low, high)]
    return f"[{ends[0]}, {ends[1]}]"


def setting(fraction: float) -> str:
    """A percentage from a setting, with its original digits: ``5 %``, ``2.5 %``."""
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
    """Three decimals, never zero."""
    if not math.isfinite(p):
        return _UNKNOWN
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def count(number: int, noun: str = "", plural: str = "") -> str:
    """``1,500``, ``1 test``, ``2 tests``."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def ticks(metric: Metric, total: int, most: int = 8) -> list[tuple[float, str]]:
    """Round costs from 0 to ``total`` for a ruler, and their labels: ``(0, "0"), (2000000000, "2 ms")``."""
    if total <= 0:
        return []
    scale, unit = _unit(metric, total)
    least = total / scale / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
    marks = [i * step for i in range(int(total / scale / step * (1 + 1e-9)) + 1)]
    names = [unit if metric.timed else _unit(metric, mark * scale)[1] for mark in marks]
    texts = [f"{_trimmed(metric, mark)} {name}" if mark else "0" for mark, name in zip(marks, names, strict=True)]
    return [(mark * scale, text) for mark, text in zip(marks, texts, strict=True)]


def _trimmed(metric: Metric, value: float) -> str:
    """At most six digits, without zeros behind the point and without an exponent."""
    value = float(f"{value:.6g}")
    text = f"{value:.6f}" if metric.timed else f"{value:,.6f}"
    return text.rstrip("0").removesuffix(".")


def _unit(metric: Metric, cost: float) -> tuple[float, str]:
    """How much of a cost one of the unit is that it is shown in, and what that is called."""
    if not metric.timed:
        return metric.scale, metric.unit if abs(cost) == metric.scale else f"{metric.unit}s"
    ps = metric.picoseconds(cost)
    if ps == 0 or not math.isfinite(ps):
        scale, unit = 10**3, "ns"
    else:
        rounded = abs(float(f"{ps:.4g}"))  # 999.96 µs is 1.00 ms
        scale, unit = next(((scale, unit) for scale, unit in _UNITS if rounded >= scale), _UNITS[-1])
    return scale / metric.picoseconds(1), unit


def _decimals(metric: Metric, cost: float, scale: float) -> int:
    whole = metric.picoseconds(scale) == 1 if metric.timed else scale == 1 or abs(cost) >= scale
    if whole or cost == 0:
        return 0
    return 2 if abs(cost) / scale < 99.995 else 1


def _percent_decimals(fraction: float) -> int:
    return 1 if abs(fraction) < 0.9995 else 0


def _number(metric: Metric, value: float, decimals: int) -> str:
    text = f"{abs(value):.{decimals}f}" if metric.timed else f"{abs(value):,.{decimals}f}"
    return MINUS + text if value < 0 and round(value, decimals) else text


def _signed(metric: Metric, value: float, decimals: int) -> str:
    text = _number(metric, value, decimals)
    return f"+{text}" if value > 0 and round(value, decimals) else text
