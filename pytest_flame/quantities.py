"""Percentages and durations as people write them, and the names of the metrics."""

from __future__ import annotations

import math
import re
from typing import Final

CPU: Final = "cpu"
FIRST_CALL: Final = "first-call"
METRICS: Final = (CPU, FIRST_CALL)
"""Which cost of a body is judged: that of consecutive calls, or that of its first call in a process."""

_SECONDS: Final = {"": 1.0, "s": 1.0, "ms": 1e-3, "min": 60.0, "m": 60.0, "h": 3600.0}


def parse_percent(text: str) -> float:
    """``"5%"`` → 0.05. Raises ``ValueError`` for anything that is not a percentage above 0."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*", text)
    value = float(match[1]) / 100 if match else 0.0
    if not 0 < value < math.inf:
        raise ValueError(f"{text!r} is not a percentage")
    return value


def parse_duration(text: str) -> float:
    """``"5"``, ``"90s"``, ``"5min"`` → seconds. Raises ``ValueError``."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(s|ms|m|min|h|)\s*", text)
    value = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < value < math.inf:
        raise ValueError(f"{text!r} is not a duration")
    return value


def shown_seconds(seconds: float) -> str:
    """``0.5 ms``, ``4.2 s``, ``3 min 20 s``."""
    if seconds < 0.9995:
        scale, unit = next(((10**n, u) for n, u in ((3, "ms"), (6, "µs")) if seconds * 10**n >= 0.9995), (10**9, "ns"))
        return f"{seconds * scale:.2g} {unit}" if seconds * scale < 99.5 else f"{seconds * scale:.0f} {unit}"
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return " ".join(f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if n)
